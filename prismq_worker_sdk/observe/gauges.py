"""What a worker's metrics read at the moment they are asked for; it costs a task nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from prismq_worker_sdk.observe.readings import Readings
from prismq_worker_sdk.version import __version__

PREFIX = "prismq_worker_"
STATES = ("waiting", "running", "ending", "storing", "stray")
"""Of a task here, as `RunningTask.state` has them."""


class Gauges:
    """A collector of `prometheus_client`.

    Args:
        types: Whose series are always there.
    """

    def __init__(self, read: Callable[[], Readings], types: Sequence[str]) -> None:
        self._read = read
        self._types = types
        self._children_cpu = 0.0

    def collect(self) -> Iterator[Metric]:
        """The families, read now."""
        found = self._read()
        build = {(__version__,): 1.0}
        yield _gauge("build_info", "The version of the SDK, always 1", ("version",), build)
        yield from self._of_status(found)
        yield from _of_outbox(found)
        yield from self._of_children(found)
        quotas = {one.name: one for one in found.quotas}
        yield _gauge(
            "quota_left",
            "What is left of the quota of an outside service, as far as is known here",
            ("quota",),
            {(name,): one.left for name, one in quotas.items()},
        )
        yield _gauge(
            "quota_limit",
            "What the outside service gives in a period",
            ("quota",),
            {(name,): one.limit for name, one in quotas.items()},
        )

    def _of_status(self, found: Readings) -> Iterator[Metric]:
        status = found.status
        health = status.health
        yield _gauge("live", "1 while the loops run", (), {(): health.live})
        yield _gauge("ready", "1 while it can claim and report", (), {(): health.live and health.ready})
        lost, free = status.lost, status.free
        slots = {("free",): free, ("busy",): status.slots - lost - free, ("lost",): lost}
        yield _gauge(
            "slots", "Slots: free, busy with a task, lost to a handler that does not end", ("state",), slots
        )
        tasks = Counter((task.ref.task_type, task.state) for task in status.running)
        known = {(name, state): tasks[name, state] for name in self._types for state in STATES}
        yield _gauge("tasks", "Tasks that are here", ("type", "state"), known | tasks)
        yield _gauge(
            "type_max_concurrent",
            "Tasks of a type that may run here at a time",
            ("type",),
            {(name,): most for name, most in found.most.items()},
        )
        yield _gauge(
            "type_max_starts_per_second",
            "Tasks of a type that may begin here in a second",
            ("type",),
            {(name,): rate for name, rate in found.rates.items()},
        )
        late = {} if found.lease_lateness is None else {(): found.lease_lateness}
        yield _gauge(
            "lease_lateness_seconds", "How late the most overdue renewal of a running task is", (), late
        )

    def _of_children(self, found: Readings) -> Iterator[Metric]:
        usage = found.children
        if usage is None:
            return
        yield _gauge("children", "Processes of handlers", (), {(): usage.number})
        memory = {(): usage.memory}
        yield _gauge("children_resident_memory_bytes", "Memory of the processes of handlers", (), memory)
        # who ended between two looks is missed for a moment; a counter never goes back
        self._children_cpu = max(self._children_cpu, usage.cpu)
        about = "CPU time of the processes of handlers, those that ended included"
        yield CounterMetricFamily(f"{PREFIX}children_cpu_seconds", about, value=self._children_cpu)


def _of_outbox(found: Readings) -> Iterable[Metric]:
    off = {(name,): number for name, number in found.imbalance.items()}
    yield _gauge(
        "audit_imbalance",
        "By how many a sum of the books is off; not 0 for moments only, while something is on its way",
        ("sum",),
        off,
    )
    age = {} if found.oldest_report is None else {(): found.oldest_report}
    yield _gauge("reports_oldest_age_seconds", "How long the oldest report waits for its verdict", (), age)
    stored = {} if found.outbox_bytes is None else {(): found.outbox_bytes}
    yield _gauge("outbox_bytes", "Size of the outbox file with its write-ahead log", (), stored)
    free = {} if found.disk_free is None else {(): found.disk_free}
    yield _gauge("disk_free_bytes", "Free on the disk of the state folder", (), free)


def _gauge(name: str, about: str, labels: Sequence[str], values: Mapping[Any, float]) -> Metric:
    """A family; `values` has the labels of each series and its value."""
    family = GaugeMetricFamily(PREFIX + name, about, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
