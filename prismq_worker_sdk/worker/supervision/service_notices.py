"""Tells the service manager what becomes of a worker: that it is up and lives, how it does, that it stops."""

from __future__ import annotations

from collections.abc import Callable

from prismq_worker_sdk.observe.status import WorkerStatus
from prismq_worker_sdk.sd_notify import STOPPING, UP, ServiceManager
from prismq_worker_sdk.worker.services import Environment

MARGIN = 15.0
"""Seconds beside the time for finding the server, and beside the grace period, until the manager gives up."""

MOST_REASONS = 3


class ServiceNotices:
    """What a worker tells whoever started it as a service.

    Args:
        status: What the worker does now; the manager hears that it lives while `/healthz` says so.
    """

    def __init__(
        self, manager: ServiceManager, here: Environment, status: Callable[[], WorkerStatus]
    ) -> None:
        self._manager = manager
        self._here = here
        self._status = status
        self._stopping = False

    def searching(self) -> None:
        """It begins to look for its server."""
        config = self._here.config
        self._tell(status=f"looking for {config.api_url}", within=config.startup_timeout + MARGIN)

    def look(self, _effect: object = None) -> None:
        """The supervising loop has looked at all others, which are under way."""
        plan = self._here.lifecycle.plan
        if plan is not None:
            if not self._stopping:
                self._stopping = True
                left = max(0.0, plan.deadline - self._here.clock.monotonic())
                self._tell(STOPPING, status=f"stopping: {self._here.lifecycle.reason}", within=left + MARGIN)
        elif self._manager.due():
            status = self._status()
            self._tell(*(UP if status.health.live else ()), status=told(status))

    def _tell(self, *words: str, status: str, within: float | None = None) -> None:
        self._manager.tell(*words, status=self._here.redactor.text(status), within=within)


def told(status: WorkerStatus) -> str:
    """How a worker does, in one line."""
    busy, health = status.slots - status.free, status.health
    text = f"{busy} of {status.slots} slots in use, {status.waiting} reports wait"
    if health.ready:
        return text
    shown, more = health.reasons[:MOST_REASONS], len(health.reasons) - MOST_REASONS
    return f"{text}; not ready: {'; '.join(shown)}{f', and {more} more' if more > 0 else ''}"
