"""Prometheus metrics from the events (extra `metrics`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from prismq_worker_sdk.errors import missing_extra
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.bus import EVERY, BatchListener
from prismq_worker_sdk.observe.readings import Readings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

UNREACHABLE = "unreachable"
"""The error of a call that has no answer; others are `http_` and the status."""

HANDLER_BUCKETS = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600)


class PrometheusMetrics(BatchListener):
    """Listens to events.

    Args:
        task_types: Whose series stand at 0 from the start: the first event of a series that was not there is none
            to `increase()`.
        read: What is read at the moment the metrics are asked for; nothing of it unless given.

    Attributes:
        expose: Gives the metrics now, in Prometheus' text format.

    Raises:
        SettingsError: The extra is not installed, or does not work.
    """

    kinds = EVERY - {ev.TaskStarted, ev.TaskProgressed}

    def __init__(self, task_types: Iterable[str] = (), read: Callable[[], Readings] | None = None) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise missing_extra(error, "/metrics", "metrics", "prometheus_client") from None
        registry = prometheus.CollectorRegistry()
        self.expose: Callable[[], bytes] = partial(prometheus.generate_latest, _WithoutCreated(registry))
        task_types = tuple(task_types)
        if read is not None:
            from prismq_worker_sdk.observe.gauges import Gauges

            registry.register(Gauges(read, task_types))
            prometheus.ProcessCollector(registry=registry)

        def made(kind: Any, name: str, about: str, *labels: str, **more: Any) -> Any:
            return kind(f"prismq_worker_{name}", about, labels, registry=registry, **more)

        counter, gauge, histogram = prometheus.Counter, prometheus.Gauge, prometheus.Histogram
        self._claims = made(counter, "claims", "Tasks claimed", "type")
        self._ends = made(counter, "claim_ends", "How claims ended", "type", "end")
        self._running = made(gauge, "running", "Claims without an end", "type")
        self._reports = made(counter, "reports", "How reports left the line", "settlement")
        self._failed_early = made(counter, "failed_early", "Tasks failed with attempts left", "type")
        self._lock = threading.Lock()
        self._left = 0
        self._waiting = made(gauge, "reports_waiting", "Reports without a verdict")
        self._parked = made(gauge, "reports_parked", "Reports kept in the state folder and not sent")
        self._handler = made(histogram, "handler_seconds", "Handler time", "type", buckets=HANDLER_BUCKETS)
        self._api = made(histogram, "api_seconds", "API calls", "call")
        self._api_errors = made(counter, "api_errors", "API calls that failed", "call", "error")
        self._stalls = made(counter, "handler_stalls", "Handlers that did not end when told to", "type")
        self._paused = made(gauge, "type_paused", "1 while a type is not claimed", "type")
        self._by_type = (
            self._claims,
            self._running,
            self._failed_early,
            self._handler,
            self._stalls,
            self._paused,
        )
        self._begin_at_zero(task_types)

    def _begin_at_zero(self, task_types: Iterable[str]) -> None:
        for settlement in Settlement:
            self._reports.labels(str(settlement))
        for task_type in task_types:
            for series in self._by_type:
                series.labels(task_type)
            for end in ev.End:
                self._ends.labels(task_type, str(end))

    def __call__(self, *events: ev.Event) -> None:  # noqa: C901, PLR0912 - one short case for each kind of event
        """Counts the events."""
        for event in events:
            match event:
                case ev.WorkerStarted(recovered=recovered, parked=parked):
                    self._wait(recovered)
                    self._parked.set(parked)
                case ev.TaskClaimed(ref=ref):
                    self._claims.labels(ref.task_type).inc()
                    self._running.labels(ref.task_type).inc()
                case ev.ClaimEnded(ref=ref, end=end):
                    self._ends.labels(ref.task_type, str(end)).inc()
                    self._running.labels(ref.task_type).dec()
                case ev.OutcomeCommitted(ref=ref, seconds=seconds):
                    self._wait(1)
                    if seconds is not None:
                        self._handler.labels(ref.task_type).observe(seconds)
                case ev.ReportSettled(settlement=settlement):
                    self._reports.labels(str(settlement)).inc()
                    self._wait(-1)
                    if settlement is Settlement.PARKED:
                        self._parked.inc()
                case ev.TaskFailedEarly(ref=ref):
                    self._failed_early.labels(ref.task_type).inc()
                case ev.HandlerOverran(ref=ref):
                    self._stalls.labels(ref.task_type).inc()
                case ev.ApiCalled(call=call, seconds=seconds, error=error):
                    self._api.labels(call).observe(seconds)
                    self._api_errors.labels(call, UNREACHABLE)
                    if error:
                        self._api_errors.labels(call, error).inc()
                case ev.TypePaused(task_type=task_type):
                    self._paused.labels(task_type).set(1)
                case ev.TypeResumed(task_type=task_type):
                    self._paused.labels(task_type).set(0)

    def _wait(self, more: int) -> None:
        """Counts waiting reports; a verdict may come before its outcome could be stored (R12)."""
        with self._lock:
            self._left += more
            self._waiting.set(max(0, self._left))


class _WithoutCreated:
    """What a registry has, without a time of creation beside each counter: twice the series, and nobody asks for it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family


def available_metrics(task_types: Iterable[str], read: Callable[[], Readings]) -> PrometheusMetrics | None:
    """Metrics where the extra `metrics` is installed, else None."""
    return PrometheusMetrics(task_types, read) if find_spec("prometheus_client") else None
