"""Schedules as producers and operators see them: tasks that the server makes again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prismq_worker_sdk.wire.messages import HttpRequest, compact_json, given
from prismq_worker_sdk.wire.producer_backend import Submission

_request = partial(HttpRequest, "schedules")


@dataclass(frozen=True, slots=True)
class Schedules:
    """The schedules of a server (v1 with the bundle `schedules`); each as the server tells it.

    Every method raises what those of `TaskManagerClient` raise; RequestRefused (404) where there is none of the name.
    """

    _call: Callable[[HttpRequest], dict[str, Any]] = field(repr=False)

    def list(self) -> list[dict[str, Any]]:
        """All of them, by name."""
        return [dict(one) for one in self._call(_request("GET", ("schedules",))).get("schedules", ())]

    def show(self, name: str) -> dict[str, Any]:
        """One, with its `next_times`."""
        return self._call(_request("GET", ("schedules", name)))

    def set(self, name: str, task_type: str, params: Mapping[str, Any], **how: Any) -> dict[str, Any]:
        """Makes it, or changes it; an unchanged one keeps its next time.

        Args:
            how: `cron` (five fields) with `timezone` (UTC unless given), or `every_seconds`; `missed` (`skip`, `once`,
                `all`), `overlap` (`allow`, `skip`), `priority`, `max_attempts`.

        Raises:
            RequestRefused: The params do not fit the registered schema, or the times make no sense.
        """
        Submission(task_type=task_type, params=params)  # which looks whether they can be sent
        body = compact_json({"type": task_type, "params": dict(params), **given(how)})
        return self._call(_request("PUT", ("schedules", name), body))

    def delete(self, name: str) -> dict[str, Any]:
        """Takes it away, and gives it for the last time; its tasks stay."""
        return self._call(_request("DELETE", ("schedules", name)))

    def pause(self, name: str) -> dict[str, Any]:
        """Lets it make no more tasks."""
        return self._call(_request("POST", ("schedules", name, "pause")))

    def resume(self, name: str) -> dict[str, Any]:
        """Lets it make tasks again, from its next time on."""
        return self._call(_request("POST", ("schedules", name, "resume")))

    def run(self, name: str) -> dict[str, Any]:
        """Makes a task of it now; gives the task."""
        return self._call(_request("POST", ("schedules", name, "run")))
