"""A word about a task type that nobody has registered or ever worked on: a typing error would wait for ever."""

from __future__ import annotations

from difflib import get_close_matches

from prismq_worker_sdk.errors import NotSupported, RequestRefused
from prismq_worker_sdk.wire.producer import TaskManagerClient

__all__ = ["unserved_note"]

WORKED_ON = ("processing", "completed", "failed")


def unserved_note(client: TaskManagerClient, task_type: str) -> str | None:
    """What to tell of a type that the server does not know; None where it does, or does not tell its types."""
    try:
        known = [str(one.get("name")) for one in client.task_types()]
        if task_type in known or _was_worked_on(client, task_type):
            return None
    except (NotSupported, RequestRefused):
        return None  # a server of another dialect refuses unknown types by itself; a key may not look at them
    like = get_close_matches(task_type, known, n=1)
    meant = f"did you mean {like[0]}?" if like else "check its name;"
    return (
        f"note: {task_type} is not registered, and no task of it was ever worked on; {meant} "
        "`prismq-worker plugins --publish` registers the types of your plugins"
    )


def _was_worked_on(client: TaskManagerClient, task_type: str) -> bool:
    return any(client.tasks(task_type=task_type, status=status, limit=1).tasks for status in WORKED_ON)
