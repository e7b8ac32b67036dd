"""Workers as operators see them: who is there, what each runs, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prismq_worker_sdk.wire.messages import HttpRequest

_request = partial(HttpRequest, "workers")


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that a server knows (v1); each as the server tells it.

    Every method raises what those of `TaskManagerClient` raise; RequestRefused (404) where there is none of the id.
    """

    _call: Callable[[HttpRequest], dict[str, Any]] = field(repr=False)

    def list(self) -> list[dict[str, Any]]:
        """All of them, the one heard of last first."""
        return [dict(one) for one in self._call(_request("GET", ("workers",))).get("workers", ())]

    def quiet(self, worker_id: str) -> dict[str, Any]:
        """Lets it claim nothing more; what it runs goes on."""
        return self._steer(worker_id, "quiet")

    def resume(self, worker_id: str) -> dict[str, Any]:
        """Lets a quiet one claim again."""
        return self._steer(worker_id, "resume")

    def terminate(self, worker_id: str) -> dict[str, Any]:
        """Lets it end as by SIGTERM."""
        return self._steer(worker_id, "terminate")

    def _steer(self, worker_id: str, action: str) -> dict[str, Any]:
        return self._call(_request("POST", ("workers", worker_id, action)))
