"""Prometheus metrics from the events; they agree with the statistics."""

import builtins
import sys
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.events import (
    ApiCalled,
    ClaimEnded,
    End,
    HandlerOverran,
    OutcomeCommitted,
    ReportSettled,
    TaskClaimed,
    TaskFailedEarly,
    TaskRef,
    TypePaused,
    TypeResumed,
    WorkerStarted,
)
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.metrics import PrometheusMetrics, available_metrics
from prismq_worker_sdk.observe.statistics import Statistics
from prismq_worker_sdk.testing.clock import FakeClock

REF = TaskRef("t-1", "PrismQ.Test.Echo", 1)
ECHO = {"type": "PrismQ.Test.Echo"}


class Samples:
    """What Prometheus reads."""

    def __init__(self, metrics):
        self._found = defaultdict(dict)
        for family in text_string_to_metric_families(metrics.expose().decode()):
            for sample in family.samples:
                self._found[sample.name][frozenset(sample.labels.items())] = sample.value

    def value(self, name, **labels):
        return self._found[f"prismq_worker_{name}"].get(frozenset(labels.items()))

    def total(self, name, **labels):
        wanted = labels.items()
        found = self._found[f"prismq_worker_{name}"]
        return sum(value for at, value in found.items() if wanted <= dict(at).items())

    def gauges(self):
        return [
            value
            for name in ("running", "reports_waiting", "type_paused")
            for value in self._found[f"prismq_worker_{name}"].values()
        ]


def after(*events):
    metrics = PrometheusMetrics()
    for event in events:
        metrics(event)
    return Samples(metrics)


def test_claims_are_counted_by_type_and_run_until_their_end():
    samples = after(TaskClaimed(REF), TaskClaimed(REF), ClaimEnded(REF, End.COMPLETED))

    assert samples.value("claims_total", **ECHO) == 2
    assert samples.value("claim_ends_total", end="completed", **ECHO) == 1
    assert samples.value("running", **ECHO) == 1


def test_tasks_that_the_server_failed_early_are_counted_by_type_and_told_at_the_end():
    statistics = Statistics(FakeClock())
    assert "for good" not in "".join(statistics.snapshot().lines())
    statistics(TaskFailedEarly(REF))

    assert after(TaskFailedEarly(REF)).value("failed_early_total", **ECHO) == 1
    assert "failed   1 for good though they had attempts left" in statistics.snapshot().lines()


def test_reports_wait_from_their_commit_to_their_verdict():
    committed = OutcomeCommitted(REF, End.COMPLETED, 1.5)

    assert after(committed).value("reports_waiting") == 1
    samples = after(committed, ReportSettled(REF, Settlement.PARKED))
    assert samples.value("reports_waiting") == 0
    assert samples.value("reports_total", settlement="parked") == 1


def test_a_verdict_that_overtakes_its_commit_leaves_nothing_waiting_less_than_nothing():
    settled, committed = ReportSettled(REF, Settlement.ACCEPTED), OutcomeCommitted(REF, End.COMPLETED, 1.5)

    assert after(settled).value("reports_waiting") == 0
    assert after(settled, committed).value("reports_waiting") == 0


def test_handler_times_fall_into_buckets_by_type_when_a_handler_ran():
    samples = after(OutcomeCommitted(REF, End.COMPLETED, 0.5), OutcomeCommitted(REF, End.COMPLETED, None))

    assert samples.value("handler_seconds_count", **ECHO) == 1
    assert samples.value("handler_seconds_sum", **ECHO) == 0.5
    assert samples.value("handler_seconds_bucket", le="0.25", **ECHO) == 0
    assert samples.value("handler_seconds_bucket", le="1.0", **ECHO) == 1


def test_calls_are_timed_and_their_errors_counted_by_name():
    samples = after(ApiCalled("claim", 0.5), ApiCalled("claim", 0.25, "http_503"))

    assert samples.value("api_seconds_count", call="claim") == 2
    assert samples.value("api_seconds_sum", call="claim") == 0.75
    assert samples.value("api_errors_total", call="claim", error="http_503") == 1


def test_a_paused_type_shows_until_it_resumes():
    paused = TypePaused("PrismQ.Test.Echo", "quota used up", 60.0)

    assert after(paused).value("type_paused", **ECHO) == 1
    assert after(paused, paused, TypeResumed("PrismQ.Test.Echo")).value("type_paused", **ECHO) == 0


def test_what_a_worker_knows_from_the_start_stands_at_zero():
    samples = Samples(PrometheusMetrics(["PrismQ.Test.Echo"]))

    for name in ("claims_total", "running", "failed_early_total", "handler_seconds_count", "type_paused"):
        assert samples.value(name, **ECHO) == 0
    for end in End:
        assert samples.value("claim_ends_total", end=str(end), **ECHO) == 0
    for settlement in Settlement:
        assert samples.value("reports_total", settlement=str(settlement)) == 0


def test_the_errors_of_a_call_stand_at_zero_from_its_first_answer():
    assert after(ApiCalled("claim", 0.5)).value("api_errors_total", call="claim", error="unreachable") == 0


def test_a_handler_that_does_not_end_is_counted_by_type():
    assert after(HandlerOverran(REF, 70.0)).value("handler_stalls_total", **ECHO) == 1


def test_no_series_tells_when_a_counter_was_made():
    metrics = PrometheusMetrics(["T"])
    metrics(TaskClaimed(REF), ApiCalled("claim", 0.1))

    assert b"_created" not in metrics.expose()


def test_an_extra_that_is_there_and_broken_is_told_as_such(monkeypatch):
    def broken(name, *more):
        if name == "prometheus_client":
            raise ImportError("libssl is broken")
        return real(name, *more)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(SettingsError, match=r"cannot be imported \(ImportError: libssl is broken\)"):
        PrometheusMetrics()


def test_two_workers_in_one_process_keep_their_numbers_apart():
    first, second = PrometheusMetrics(), PrometheusMetrics()
    first(TaskClaimed(REF))

    assert Samples(first).value("claims_total", **ECHO) == 1
    assert Samples(second).value("claims_total", **ECHO) is None


def test_every_event_can_be_told(every_event):
    assert after(*every_event()).total("claims_total") == 1


def test_without_the_extra_there_are_no_metrics_and_asking_for_them_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    assert available_metrics((), lambda: None) is None
    with pytest.raises(SettingsError, match=r"pip install 'prismq-worker-sdk\[metrics\]'"):
        PrometheusMetrics()


TYPES = st.sampled_from(["PrismQ.Test.Echo", "PrismQ.Test.Other"])


@st.composite
def one_claim(draw):
    """The events of one claim in an order that can come."""
    ref = TaskRef("t", draw(TYPES), draw(st.one_of(st.none(), st.integers(1, 3))))
    end = draw(st.sampled_from(End))
    events = [TaskClaimed(ref)]
    committed = end not in {End.LAPSED, End.LOST}
    if committed:
        events.append(OutcomeCommitted(ref, end, draw(st.one_of(st.none(), st.floats(0, 4000)))))
    events.append(ClaimEnded(ref, end))
    if committed and draw(st.booleans()):
        settled = ReportSettled(ref, draw(st.sampled_from(Settlement)))
        events.insert(draw(st.integers(1, len(events))), settled)
    return events


@st.composite
def runs(draw):
    """Claims side by side, with calls between them."""
    calls = st.builds(
        ApiCalled, st.sampled_from(["claim", "complete"]), st.floats(0, 30), st.sampled_from(["", "http_503"])
    )
    lines = draw(st.lists(one_claim(), max_size=8)) + [[call] for call in draw(st.lists(calls, max_size=4))]
    order = draw(st.permutations([number for number, line in enumerate(lines) for _event in line]))
    left = [iter(line) for line in lines]
    return [next(left[number]) for number in order]


@settings(max_examples=60, deadline=None)
@given(runs())
def test_no_gauge_is_ever_negative_and_nothing_runs_once_every_claim_has_ended(events):
    metrics, statistics = PrometheusMetrics(), Statistics(FakeClock())
    running = 0
    for event in events:
        metrics(event)
        statistics(event)
        running += isinstance(event, TaskClaimed) - isinstance(event, ClaimEnded)
        samples = Samples(metrics)
        assert min(samples.gauges(), default=0) >= 0
        assert statistics.snapshot().waiting >= 0
        assert samples.total("running") == running

    assert running == 0


@settings(max_examples=60, deadline=None)
@given(runs())
def test_r38_metrics_and_statistics_tell_the_same_sums(events):
    metrics, statistics = PrometheusMetrics(), Statistics(FakeClock())
    for event in events:
        metrics(event)
        statistics(event)
    samples, found = Samples(metrics), statistics.snapshot()

    assert samples.total("claims_total") == found.claimed == sum(found.ends.values())
    assert {end: samples.total("claim_ends_total", end=end) for end in found.ends} == found.ends
    settled = {name: samples.total("reports_total", settlement=name) for name in found.settled}
    assert settled == found.settled
    assert samples.total("reports_waiting") == found.waiting
    assert found.committed + found.recovered == sum(found.settled.values()) + found.waiting
    for name, call in found.calls.items():
        assert samples.total("api_seconds_count", call=name) == call.count
        assert samples.total("api_errors_total", call=name) == call.errors


def test_parked_reports_are_told_those_of_earlier_processes_and_those_since():
    started = WorkerStarted(
        worker_id="w",
        api_url="http://s/api",
        dialect="v1",
        task_types=(),
        concurrency=1,
        state_dir="s",
        grace_seconds=1.0,
        recovered=0,
        parked=3,
    )
    samples = after(started, ReportSettled(REF, Settlement.PARKED), ReportSettled(REF, Settlement.LOST))

    assert samples.value("reports_parked") == 4
