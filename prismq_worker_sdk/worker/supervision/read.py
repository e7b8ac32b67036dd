"""Reads a worker for its metrics, at the moment they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prismq_worker_sdk.decide.leases import lateness
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.observe.readings import ChildrenUsage, QuotaReading, Readings
from prismq_worker_sdk.observe.status import WorkerStatus
from prismq_worker_sdk.system import usage_of
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.services import Services

LOOKS = 3
"""At sums that seem to be off: what is between two tables for a moment is in order at the next one."""


class MetricsReader:
    """Reads a worker that has found its server; may be used from any thread."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._quotas = _Quotas(services)

    def read(self, status: WorkerStatus) -> Readings:
        """All of it, now.

        Args:
            status: What it does, read a moment before.
        """
        services = self._services
        handlers = services.registry.handlers
        imbalance, oldest = _books(services)
        disk = _disk(services)
        return Readings(
            status=status,
            imbalance=imbalance,
            oldest_report=oldest,
            lease_lateness=_lease_lateness(services),
            outbox_bytes=None if disk is None else disk.stored + disk.log,
            disk_free=None if disk is None else disk.free,
            most={one.task_type: one.max_concurrent for one in handlers if one.max_concurrent is not None},
            rates={one.task_type: one.rate.count / one.rate.period for one in handlers if one.rate},
            quotas=self._quotas.look(handlers),
            children=_children(services),
        )


class _Quotas:
    """Asks handlers what is left; one look at a time, and whoever comes meanwhile is told what the last one found."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looking = threading.Lock()
        self._found: tuple[QuotaReading, ...] = ()
        self._told: set[str] = set()

    def look(self, handlers: Iterable[Handler]) -> tuple[QuotaReading, ...]:
        if self._looking.acquire(blocking=False):
            try:
                found = {one.name: one for handler in handlers for one in self._of(handler)}
                self._found = tuple(found.values())
            finally:
                self._looking.release()
        return self._found

    def _of(self, handler: Handler) -> list[QuotaReading]:
        try:
            with plugin_code(f"quotas() of {handler.task_type}"):
                clean = self._services.redactor.text
                return [QuotaReading(clean(one.name), one.left, one.limit) for one in handler.quotas()]
        except PluginRaised as error:
            if handler.task_type not in self._told:
                self._told.add(handler.task_type)
                self._services.emit(Notice("warning", f"{error}; its quota is not among the metrics"))
            return []


def _books(services: Services) -> tuple[dict[str, int], float | None]:
    """By how many each sum is off, and how long the oldest report has waited, seconds."""
    off: dict[str, int] = {}
    oldest = None
    for _ in range(LOOKS):
        held = sum(not one.committed for one in services.attempts.all())
        seen = {"claims": abs(services.accounting.claimed - services.accounting.ended - held)}
        try:
            waiting, oldest = services.outbox.backlog()
        except OutboxError:  # it is not waited for once more
            return seen, None
        seen["reports"] = abs(services.accounting.waiting - waiting)
        off = {name: min(number, off.get(name, number)) for name, number in seen.items()}
        if not any(off.values()):
            break
    return off, oldest


def _lease_lateness(services: Services) -> float | None:
    if not services.can.renews:
        return None
    now = services.clock.monotonic()
    renewed = [
        (one.claim, one.started_at)
        for one in services.attempts.live()
        if one.claim.identity.token is not None
        and one.started_at is not None
        and not one.committed
        and one.cancelled is not CancelReason.LOST
    ]
    return max(
        (
            lateness(now, sent_at=claim.sent_at, lease_seconds=claim.lease_seconds, started_at=started_at)
            for claim, started_at in renewed
        ),
        default=0.0,
    )


def _disk(services: Services) -> Space | None:
    try:
        return services.disk.look()
    except OSError:
        return None


def _children(services: Services) -> ChildrenUsage | None:
    if services.children is None:
        return None
    pids = services.children.pids
    return ChildrenUsage(len(pids), *usage_of(pids))
