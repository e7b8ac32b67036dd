"""The worker's numbers, kept from its events."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.bus import EVERY, BatchListener

_BOUNDS = tuple(0.0005 * 1.25**step for step in range(80))
"""Upper ends of the buckets of durations, seconds: 0.5 ms to 7 hours, each a quarter more than the last."""

MEMORY_EVERY = 0.5
"""Seconds between two looks at the process's memory: one costs as much as all that a task's events count."""

RATED_SECONDS = 60.0
"""A run that was shorter tells no rate: an hour's worth of it would be a guess."""


class Times:
    """Durations in buckets: bounded memory, quantiles to within a quarter."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self._buckets = [0] * (len(_BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        """One more."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1

    @property
    def mean(self) -> float:
        """Seconds, 0 for none."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The duration that this share did not exceed, seconds: the upper end of its bucket, 0 for none."""
        wanted = share * self.count
        seen = 0
        for bound, number in zip((*_BOUNDS, self.longest), self._buckets, strict=True):
            seen += number
            if number and seen >= wanted:
                return min(bound, self.longest)
        return 0.0


@dataclass(frozen=True, slots=True)
class CallSummary:
    """One kind of API call; durations in seconds."""

    count: int
    errors: int
    mean: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers at one moment; durations in seconds, memory in bytes."""

    seconds: float
    claimed: int
    ends: dict[str, int]
    committed: int
    recovered: int
    settled: dict[str, int]
    waiting: int
    success_rate: float | None
    tasks_per_hour: float
    handler_mean: float
    handler_p50: float
    handler_p95: float
    handler_max: float
    calls: dict[str, CallSummary] = field(default_factory=dict)
    memory: int = 0
    memory_peak: int = 0
    failed_early: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The same for people, in at most four lines; what did not happen is left out."""
        tasks = [f"tasks    claimed {self.claimed} = {_sum(self.ends)}{self._rate()}"] if self.claimed else []
        left = {"committed": self.committed, "recovered": self.recovered}
        reports = [f"reports  {_sum(left)} = {_sum(self._reports())}{self._unconfirmed()}"]
        early = self.failed_early
        memory = f"memory {self.memory / 2**20:.0f} MiB now, {self.memory_peak / 2**20:.0f} MiB at most"
        times = {
            "mean": self.handler_mean,
            "p50": self.handler_p50,
            "p95": self.handler_p95,
            "longest": self.handler_max,
        }
        handler = ", ".join(f"{name} {duration.text(seconds)}" for name, seconds in times.items())
        return [
            *tasks,
            *(reports if self.committed + self.recovered else []),
            *([f"failed   {early} for good though they had attempts left"] if early else []),
            f"handler  {handler}; {memory}" if self.handler_max else memory,
        ]

    def _rate(self) -> str:
        if self.success_rate is None:
            return ""
        rate = f", {self.tasks_per_hour:.0f} an hour" if self.seconds >= RATED_SECONDS else ""
        return f"; {self.success_rate:.1%} succeeded in {duration.text(self.seconds)}{rate}"

    def _reports(self) -> dict[str, int]:
        """The right side of the second sum (R38)."""
        settled = self.settled
        return {
            "accepted": settled.get("accepted", 0) + settled.get("unconfirmed", 0),
            "superseded": settled.get("superseded", 0),
            "lost": settled.get("lost", 0),
            "parked": settled.get("parked", 0),
            "waiting": self.waiting,
        }

    def _unconfirmed(self) -> str:
        number = self.settled.get("unconfirmed", 0)
        return f" ({number} of the accepted unconfirmed)" if number else ""


def _sum(parts: Mapping[str, int]) -> str:
    return " + ".join(f"{name} {number}" for name, number in parts.items() if number) or "0"


class Statistics(BatchListener):
    """Listens to events and keeps the numbers; may be asked from any thread.

    Args:
        memory: Bytes that the process occupies now.
    """

    kinds = EVERY - {ev.TaskStarted, ev.TaskProgressed}

    def __init__(self, clock: Clock, *, memory: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._memory = memory
        self._lock = threading.Lock()
        self._begun = clock.monotonic()
        self._claimed = 0
        self._committed = 0
        self._recovered = 0
        self._ends: Counter[str] = Counter()
        self._settled: Counter[str] = Counter()
        self._handler = Times()
        self._calls: defaultdict[str, Times] = defaultdict(Times)
        self._errors: Counter[str] = Counter()
        self._peak = 0
        self._looked_at = -MEMORY_EVERY
        self._failed_early = 0

    def __call__(self, *events: ev.Event) -> None:
        """Counts the events."""
        with self._lock:
            for event in events:
                if isinstance(event, ev.TaskClaimed):
                    self._claimed += 1
                elif isinstance(event, ev.OutcomeCommitted):
                    self._committed += 1
                    if event.seconds is not None:
                        self._handler.add(event.seconds)
                elif isinstance(event, ev.ClaimEnded):
                    self._ends[event.end] += 1
                    self._look_at_memory()
                elif isinstance(event, ev.ReportSettled):
                    self._settled[event.settlement] += 1
                elif isinstance(event, ev.ApiCalled):
                    self._calls[event.call].add(event.seconds)
                    self._errors[event.call] += bool(event.error)
                elif isinstance(event, ev.TaskFailedEarly):
                    self._failed_early += 1
                elif isinstance(event, ev.WorkerStarted):
                    self._recovered = event.recovered
                    self._begun = self._clock.monotonic()

    def _look_at_memory(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked_at >= MEMORY_EVERY:
            self._looked_at = now
            self._peak = max(self._peak, self._memory())

    def snapshot(self) -> Summary:
        """The numbers now."""
        with self._lock:
            seconds = max(0.0, self._clock.monotonic() - self._begun)
            done = self._ends[ev.End.COMPLETED] + self._ends[ev.End.FAILED]
            memory = self._memory()
            self._peak = max(self._peak, memory)
            settled = sum(self._settled.values())
            return Summary(
                seconds=seconds,
                claimed=self._claimed,
                ends={str(end): self._ends[end] for end in ev.End},
                committed=self._committed,
                recovered=self._recovered,
                settled={str(settlement): self._settled[settlement] for settlement in Settlement},
                waiting=max(0, self._committed + self._recovered - settled),
                success_rate=self._ends[ev.End.COMPLETED] / done if done else None,
                tasks_per_hour=done * 3600 / seconds if seconds > 0 else 0.0,
                handler_mean=self._handler.mean,
                handler_p50=self._handler.quantile(0.5),
                handler_p95=self._handler.quantile(0.95),
                handler_max=self._handler.longest,
                calls={
                    name: CallSummary(times.count, self._errors[name], times.mean, times.quantile(0.95))
                    for name, times in self._calls.items()
                },
                memory=memory,
                memory_peak=self._peak,
                failed_early=self._failed_early,
            )
