"""The limits of the whole fleet, as `TaskManagerClient.limits` shows and sets them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.wire.messages import HttpRequest, given

Answer = dict[str, Any]


class FleetLimits:
    """Limits that a server counts for all its workers; raises what TaskManagerClient does.

    NotSupported where the server has no bundle `limits`.
    """

    def __init__(self, call: Callable[[HttpRequest], Answer], can: Callable[[], Capabilities]) -> None:
        self._call, self._can = call, can

    @property
    def counted(self) -> bool:
        """Whether the server counts limits for the whole fleet."""
        return self._can().limits

    def list(self, prefix: str = "") -> Iterator[Answer]:
        """Limits by name, each with what is used of it.

        Args:
            prefix: Of the names.
        """
        query = {"prefix": prefix} if prefix else {}
        while True:
            page = self._ask("GET", "limits", query=query)
            yield from page.get("limits", [])
            cursor = page.get("next_cursor")
            if not isinstance(cursor, str):
                return
            query["cursor"] = cursor

    def get(self, name: str) -> Answer:
        """A limit.

        Raises:
            RequestRefused: There is none (status 404).
        """
        return self._ask("GET", "limits", name)

    def set(
        self,
        name: str,
        *,
        units: int | None = None,
        period: float | None = None,
        at_once: int | None = None,
    ) -> Answer:
        """Makes a limit, or changes it while all goes on; what is not said does not bound it.

        Args:
            units: That may be used in any stretch of `period` seconds.
            at_once: Tasks that may run at the same time.
        """
        body = {"units": units, "period": period, "at_once": at_once}
        return self._ask("PUT", "limits", name, body=given(body))

    def pause(
        self,
        name: str,
        *,
        seconds: float | None = None,
        until: datetime | None = None,
        reason: str | None = None,
    ) -> Answer:
        """Lets no task begin that uses it; without a time until it is resumed.

        Args:
            until: With time zone; this or seconds.
        """
        at = None if until is None else until.isoformat()
        body = {"seconds": seconds, "until": at, "reason": reason}
        return self._ask("POST", "limits", name, "pause", body=given(body))

    def resume(self, name: str) -> Answer:
        """Ends a pause."""
        return self._ask("POST", "limits", name, "resume")

    def delete(self, name: str) -> Answer:
        """Takes a limit away; as it was."""
        return self._ask("DELETE", "limits", name)

    def uses(self, task_type: str) -> Sequence[Answer]:
        """What tasks of a type use."""
        found: Sequence[Answer] = self._ask("GET", "task-types", task_type, "limits").get("limits", [])
        return found

    def set_uses(self, task_type: str, limits: Sequence[Mapping[str, Any]]) -> Sequence[Answer]:
        """Says what tasks of a type use from now on, those that wait included.

        Args:
            limits: Each with `key`, or with `path`, a JSON pointer to the value of the params that names the limit, and
                maybe a `prefix` before that; and `units`, 1 unless given.
        """
        body = {"limits": [dict(one) for one in limits]}
        found: Sequence[Answer] = self._ask("PUT", "task-types", task_type, "limits", body=body)["limits"]
        return found

    def _ask(
        self,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        text = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False)
        return self._call(HttpRequest("limits", method, segments, text, tuple((query or {}).items())))
