"""The numbers in Prometheus' text format."""

from __future__ import annotations

import os
import secrets
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.system import open_descriptors, resident_memory
from prismq_worker_sdk.taskmanager.stats import Numbers, Stats
from prismq_worker_sdk.version import __version__

STATUSES = ("pending", "processing", "completed", "failed")
CALL_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAIT_BOUNDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Upper ends of the buckets, seconds: of calls, and of tasks that waited for a worker."""

Series = Iterable[tuple[Mapping[str, Any], Any]]
"""Labels and value of each."""


class Histogram:
    """Seconds in buckets, for each set of labels.

    Args:
        bounds: Upper ends of the buckets.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.sums: Counter[tuple[str, ...]] = Counter()
        self.counts: dict[tuple[str, ...], list[int]] = {}

    def add(self, key: tuple[str, ...], seconds: float) -> None:
        """One more."""
        counts = self.counts.get(key)
        if counts is None:
            counts = self.counts[key] = [0] * (len(self.bounds) + 1)
        counts[bisect_left(self.bounds, seconds)] += 1
        self.sums[key] += seconds  # type: ignore[assignment] # a Counter adds floats just as well


@dataclass(slots=True)
class Calls:
    """What this process has answered since its start: calls by method, path and status, and tasks by type.

    Attributes:
        seconds: By method and path.
        waits: How long tasks had waited that were handed out.
        began: Seconds since 1970.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(CALL_BOUNDS))
    waits: Histogram = field(default_factory=lambda: Histogram(WAIT_BOUNDS))
    process: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(4)}")
    began: float = field(default_factory=time.time)

    def add(self, method: str, path: str, status: str, seconds: float) -> None:
        """Counts an answer."""
        self.counts[method, path, status] += 1
        self.seconds.add((method, path), seconds)

    def handed_out(self, waits: Iterable[tuple[str, float]]) -> None:
        """Counts tasks that go to a worker: the type of each, and the seconds that it could be had."""
        for task_type, seconds in waits:
            self.waits.add((task_type,), seconds)


def of_types(types: Mapping[str, Numbers], calls: Calls) -> list[str]:
    """The numbers of each type."""
    tasks = [
        ({"type": name, "status": one}, numbers[one]) for name, numbers in types.items() for one in STATUSES
    ]
    about = "Tasks by type and status; completed ones are all that ever did"
    lines = _family("taskmanager_tasks", "gauge", about, tasks)
    for name, key, about in (
        ("taskmanager_tasks_postponed", "postponed", "Pending tasks whose time has not come"),
        ("taskmanager_oldest_pending_seconds", "oldest_pending_seconds", "How long the longest has waited"),
        ("taskmanager_type_paused", "paused", "Whether a task type is paused"),
    ):
        lines += _family(
            name, "gauge", about, [({"type": one}, numbers[key]) for one, numbers in types.items()]
        )
    about = "How long tasks could be had before this process handed them out"
    known = {key for key in calls.waits.counts if key[0] in types}
    return lines + _histogram("taskmanager_task_wait_seconds", about, ("type",), calls.waits, known, calls)


def of_all(stats: Stats, calls: Calls, limits: Iterable[Mapping[str, Any]]) -> list[str]:
    """The numbers that are of no type.

    Args:
        limits: As `GET /limits` shows them.
    """
    lines = _family(
        "taskmanager_build_info", "gauge", "The version, always 1", [({"version": __version__}, 1)]
    )
    for name, kind, about, value in (
        ("taskmanager_tasks_created_total", "counter", "Tasks that were created", stats.created),
        ("taskmanager_claims_total", "counter", "Claims that were made", stats.claims),
        ("taskmanager_workers", "gauge", "Workers that exchanged in the last two minutes", stats.workers),
    ):
        lines += _family(name, kind, about, [({}, value)])
    return lines + _of_limits(list(limits)) + _of_calls(calls) + _of_process(calls)


def of_disk(size: int, free: int) -> list[str]:
    """The database in a file, and the room for it; bytes."""
    size_about = "Size of the database file with its write-ahead log"
    return _family("taskmanager_database_bytes", "gauge", size_about, [({}, size)]) + _family(
        "taskmanager_disk_free_bytes", "gauge", "Free on the disk of the database file", [({}, free)]
    )


def _of_limits(limits: Sequence[Mapping[str, Any]]) -> list[str]:
    wanted: tuple[tuple[str, str, Callable[[Mapping[str, Any]], Any]], ...] = (
        ("units", "Units that may be used in a period", lambda one: one["units"]),
        ("period_seconds", "The period in which units are counted", lambda one: one["period"]),
        ("used", "Units that were used in the last period", lambda one: one["used"]),
        ("at_once", "Tasks that may use it at a time", lambda one: one["at_once"]),
        ("running", "Tasks that use it now", lambda one: one["running"]),
        ("paused", "Whether it is paused", lambda one: int(one["paused_until"] is not None)),
    )
    lines = []
    for name, about, value in wanted:
        found = [({"limit": one["name"]}, value(one)) for one in limits]
        series = [one for one in found if one[1] is not None]
        lines += _family(f"taskmanager_limit_{name}", "gauge", about, series)
    return lines


def _of_calls(calls: Calls) -> list[str]:
    """Each process counts its own; behind one address a scrape meets one of them."""
    names = ("method", "path", "status")
    counts = [
        (dict(zip(names, key, strict=True)) | {"process": calls.process}, number)
        for key, number in calls.counts.items()
    ]
    lines = _family("taskmanager_http_requests_total", "counter", "Calls that a process has answered", counts)
    about = "How long they took, with waits for work"
    keys = calls.seconds.counts.keys()
    return lines + _histogram(
        "taskmanager_http_request_seconds", about, names[:2], calls.seconds, keys, calls
    )


def _of_process(calls: Calls) -> list[str]:
    labels = {"process": calls.process}
    found: list[tuple[str, str, str, float]] = [
        ("cpu_seconds_total", "counter", "CPU time in seconds", time.process_time()),
        ("resident_memory_bytes", "gauge", "Resident memory in bytes", resident_memory()),
        ("start_time_seconds", "gauge", "When it began to serve, seconds since 1970", calls.began),
    ]
    if (descriptors := open_descriptors()) is not None:
        found += [
            ("open_fds", "gauge", "Open file descriptors", descriptors[0]),
            ("max_fds", "gauge", "File descriptors that it may open", descriptors[1]),
        ]
    return [
        line
        for name, kind, about, value in found
        for line in _family(f"process_{name}", kind, about, [(labels, value)])
    ]


def _histogram(
    name: str,
    about: str,
    names: Sequence[str],
    found: Histogram,
    keys: Iterable[tuple[str, ...]],
    calls: Calls,
) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} histogram"]
    for key in sorted(keys):
        labels = dict(zip(names, key, strict=True)) | {"process": calls.process}
        total = 0
        for bound, number in zip((*found.bounds, "+Inf"), found.counts[key], strict=True):
            total += number
            lines.append(_line(f"{name}_bucket", labels | {"le": str(bound)}, total))
        lines += [_line(f"{name}_sum", labels, float(found.sums[key])), _line(f"{name}_count", labels, total)]
    return lines


def _family(name: str, kind: str, about: str, values: Series) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    return lines + [_line(name, labels, value) for labels, value in values]


def _line(name: str, labels: Mapping[str, str], value: Any) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    shown = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f"{name}{{{inner}}} {shown}" if inner else f"{name} {shown}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
