"""What is read of a worker when its metrics are asked for, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prismq_worker_sdk.observe.status import WorkerStatus


@dataclass(frozen=True, slots=True)
class QuotaReading:
    """A quota of an outside service: what its handler calls it, what is left, how much there is in a period."""

    name: str
    left: float
    limit: float


@dataclass(frozen=True, slots=True)
class ChildrenUsage:
    """The processes of handlers: how many, their memory in bytes, their CPU time in seconds with that of ended ones."""

    number: int
    memory: int
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A worker at one moment; None for what cannot be read, or is not there yet.

    Attributes:
        imbalance: By how many each sum of the books is off (R38).
        oldest_report: Seconds that the oldest report has waited.
        lease_lateness: Seconds by which the most overdue renewal is late; None where claims are not renewed.
        outbox_bytes: Size of the outbox file with its write-ahead log.
        disk_free: Bytes.
        most: How many tasks of a type may run here, where that is limited.
        rates: How many of a type may begin here in a second, where that is.
    """

    status: WorkerStatus
    imbalance: Mapping[str, int] = field(default_factory=dict)
    oldest_report: float | None = None
    lease_lateness: float | None = None
    outbox_bytes: int | None = None
    disk_free: int | None = None
    most: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    quotas: tuple[QuotaReading, ...] = ()
    children: ChildrenUsage | None = None
