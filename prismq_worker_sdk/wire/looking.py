"""Looking at something again and again until it has come, more and more rarely."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from prismq_worker_sdk.errors import ServerUnreachable
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.producer_backend import ChildPage

T = TypeVar("T")

MIN_PAUSE = 0.05
MAX_PAUSE = 2.0
"""Seconds between two looks at a task that is waited for; they grow from the first to the second."""
MAX_CHILDREN_PAUSE = 5.0
"""The most where children are waited for: they take longer, and are counted at each look."""


def until_finished(
    get: Callable[[], Task], task_id: str, timeout: float | None, sleep: Callable[[float], None]
) -> Task:
    """A task once it has ended; for errors see `until`."""

    def look() -> tuple[Task, str]:
        task = get()
        return task, "" if task.status.finished else f"is still {task.status}"

    return until(look, f"task {task_id}", timeout, MAX_PAUSE, sleep)


def until_children_ended(
    get: Callable[[], ChildPage], task_id: str, timeout: float | None, sleep: Callable[[float], None]
) -> ChildPage:
    """The children of a task once they have ended; for errors see `until`."""

    def look() -> tuple[ChildPage, str]:
        page = get()
        if not page.parent.finished:
            return page, f"is still {page.parent}"
        return page, "" if page.ended else f"has {page.open} children that have not ended"

    return until(look, f"task {task_id}", timeout, MAX_CHILDREN_PAUSE, sleep)


def until(
    look: Callable[[], tuple[T, str]],
    what: str,
    timeout: float | None,
    longest: float,
    sleep: Callable[[float], None],
) -> T:
    """What is looked at, once nothing is missing.

    Args:
        look: Gives it, and what is missing: "is still pending".
        what: For the error: "task 7".
        timeout: Seconds, None for ever.
        longest: Seconds between two looks at most.

    Raises:
        TimeoutError: Something is still missing then.
        ServerUnreachable: It does not answer, and not because it takes no more requests for now.
    """
    give_up_at = None if timeout is None else time.monotonic() + timeout
    pause, missing = MIN_PAUSE, "is not known to be finished"
    while True:
        patience = 0.0
        try:
            found, missing = look()
        except ServerUnreachable as error:
            if error.retry_after is None:
                raise
            patience = error.retry_after
        else:
            if not missing:
                return found
        rest = max(pause, patience)
        if give_up_at is not None:
            left = give_up_at - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} {missing} after {timeout:g} s")
            rest = min(rest, left)
        sleep(rest)
        pause = min(longest, pause * 1.5)
