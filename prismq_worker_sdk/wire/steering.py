"""What operators do: to all tasks of a filter, to one that waits, and to task types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.wire.messages import HttpRequest, compact_json, given


@dataclass(frozen=True, slots=True)
class Steering:
    """What operators do to a server (v1 with the bundle `bulk`); answers are as the server tells them.

    Every method raises what those of `TaskManagerClient` raise; RequestRefused (404) where there is none of the name,
    (409) where a task is not in the state for it.
    """

    _call: Callable[[HttpRequest], dict[str, Any]] = field(repr=False)

    def count(self, action: str, wanted: Mapping[str, str | None], *, priority: int | None = None) -> int:
        """How many tasks `begin` would find now."""
        found = self._bulk(action, wanted, priority=priority, dry_run=True).get("found")
        return found if isinstance(found, int) else 0

    def begin(
        self, action: str, wanted: Mapping[str, str | None], *, priority: int | None = None
    ) -> dict[str, Any]:
        """Begins to do something to all tasks of a filter; the job, which goes on by itself.

        Args:
            action: `retry`, `cancel`, `delete` or `priority`.
            wanted: What `TaskManagerClient.tasks` takes by name; {} is every task.
            priority: To be set.
        """
        return self._bulk(action, wanted, priority=priority)

    def job(self, job_id: str) -> dict[str, Any]:
        """How far a job has come: `status`, `found`, `done`, `passed_over`."""
        return self._call(HttpRequest("bulk", "GET", ("tasks", "bulk", job_id)))

    def stop(self, job_id: str) -> dict[str, Any]:
        """Ends a job where it is; what it has done stays."""
        return self._call(HttpRequest("bulk", "DELETE", ("tasks", "bulk", job_id)))

    def expedite(self, task_id: str) -> dict[str, Any]:
        """Lets a pending task be the next one of its type, at once; the task."""
        return self._call(HttpRequest("expedite", "POST", ("tasks", task_id, "expedite")))

    def change(self, task_id: str, **values: Any) -> dict[str, Any]:
        """Changes a pending task; the task.

        Args:
            values: `priority`, and either `delay_seconds` or `not_before` (RFC 3339, None for at once).
        """
        return self._call(HttpRequest("change", "PATCH", ("tasks", task_id), compact_json(values)))

    def delete(self, task_id: str) -> dict[str, Any]:
        """Deletes a task that does not run, with its claims and logs."""
        return self._call(HttpRequest("delete", "DELETE", ("tasks", task_id)))

    def types(self) -> dict[str, Any]:
        """The registered `task_types`, and all types that are `paused`."""
        return self._call(HttpRequest("task_types", "GET", ("task-types",)))

    def pause(
        self,
        task_type: str,
        *,
        seconds: float | None = None,
        until: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Lets no task of a type be claimed, for so long, until an instant (RFC 3339), or until it is resumed."""
        body = compact_json(given({"seconds": seconds, "until": until, "reason": reason}))
        return self._call(HttpRequest("pause", "POST", ("task-types", task_type, "pause"), body))

    def resume(self, task_type: str) -> dict[str, Any]:
        """Lets tasks of a type be claimed again."""
        return self._call(HttpRequest("resume", "POST", ("task-types", task_type, "resume")))

    def _bulk(self, action: str, wanted: Mapping[str, str | None], **more: Any) -> dict[str, Any]:
        said = {"type" if name == "task_type" else name: one for name, one in given(wanted).items()}
        body = compact_json({"action": action, "filter": said, **more})
        return self._call(HttpRequest("bulk", "POST", ("tasks", "bulk"), body))
