"""The worker's numbers, kept from its events."""

import dataclasses
import json
import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide import accounts as decide
from prismq_worker_sdk.model.events import (
    ApiCalled,
    ClaimEnded,
    End,
    OutcomeCommitted,
    ReportSettled,
    TaskClaimed,
    TaskRef,
    WorkerStarted,
)
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.statistics import Statistics, Times
from prismq_worker_sdk.testing.clock import FakeClock

REF = TaskRef("t-1", "PrismQ.Test.Echo", 1)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def statistics(clock):
    return Statistics(clock)


def started(recovered=0):
    return WorkerStarted(
        worker_id="worker-1",
        api_url="http://localhost:8000/api",
        dialect="v1",
        task_types=("PrismQ.Test.Echo",),
        concurrency=4,
        state_dir="state",
        grace_seconds=25.0,
        recovered=recovered,
    )


def a_run(tell):
    """Three stored reports, six claims with every end, and a report of every settlement."""
    tell(started(recovered=3))
    ends = {
        End.COMPLETED: (2, 1.0),
        End.FAILED: (1, 3.0),
        End.RELEASED: (1, 0.5),
        End.LAPSED: (1, None),
        End.LOST: (1, None),
    }
    for end, (number, seconds) in ends.items():
        for _time in range(number):
            tell(TaskClaimed(REF))
            if end not in {End.LAPSED, End.LOST}:
                tell(OutcomeCommitted(REF, end, seconds))
            tell(ClaimEnded(REF, end))
    for settlement in Settlement:
        tell(ReportSettled(REF, settlement))


def test_r38_the_two_sums_are_told_in_the_words_of_the_rule(statistics):
    a_run(statistics)
    tasks, reports, *_rest = statistics.snapshot().lines()

    assert tasks == (
        "tasks    claimed 6 = completed 2 + failed 1 + released 1 + lapsed 1 + lost 1; 66.7% succeeded in 0s"
    )
    assert reports == (
        "reports  committed 4 + recovered 3 = accepted 2 + superseded 1 + lost 1 + parked 1 + waiting 2"
        " (1 of the accepted unconfirmed)"
    )


def test_r38_both_sums_hold_after_a_run(statistics):
    a_run(statistics)
    found = statistics.snapshot()

    assert faults(found) == ()


def faults(found):
    return decide.faults(
        claimed=found.claimed,
        ended=sum(found.ends.values()),
        committed=found.committed,
        recovered=found.recovered,
        gone=sum(found.settled.values()) + found.waiting,
    )


def test_a_worker_that_has_done_nothing_shows_zeros_and_no_rate(statistics):
    found = statistics.snapshot()

    assert (found.claimed, found.committed, found.waiting, found.tasks_per_hour) == (0, 0, 0, 0.0)
    assert found.success_rate is None
    assert [line.split()[0] for line in found.lines()] == ["memory"]


def test_what_did_not_happen_is_left_out_of_the_sums(statistics, clock):
    statistics(started())
    statistics(TaskClaimed(REF))
    statistics(OutcomeCommitted(REF, End.COMPLETED, 0.5))
    statistics(ClaimEnded(REF, End.COMPLETED))
    statistics(ReportSettled(REF, Settlement.ACCEPTED))
    clock.turn(2.0)

    assert statistics.snapshot().lines() == [
        "tasks    claimed 1 = completed 1; 100.0% succeeded in 2s",
        "reports  committed 1 = accepted 1",
        "handler  mean 0.5s, p50 0.5s, p95 0.5s, longest 0.5s; memory 0 MiB now, 0 MiB at most",
    ]


def test_the_success_rate_is_of_completed_and_failed_tasks_alone(statistics):
    a_run(statistics)

    assert statistics.snapshot().success_rate == pytest.approx(2 / 3)


def test_tasks_per_hour_count_from_the_start_of_the_worker(clock, statistics):
    clock.turn(1000)
    a_run(statistics)
    clock.turn(1800)
    found = statistics.snapshot()

    assert found.seconds == 1800
    assert found.tasks_per_hour == 6.0
    assert found.lines()[0].endswith("; 66.7% succeeded in 30m, 6 an hour")


def test_handler_times_are_of_handlers_that_ran(statistics):
    a_run(statistics)
    statistics(OutcomeCommitted(REF, End.COMPLETED, None, answered=True))
    found = statistics.snapshot()

    assert found.handler_mean == pytest.approx((1.0 + 1.0 + 3.0 + 0.5) / 4)
    assert found.handler_max == 3.0
    assert 1.0 <= found.handler_p50 <= 1.25
    assert found.handler_p95 == 3.0


DURATIONS = st.lists(st.floats(0.001, 20_000), min_size=1, max_size=200)


@given(DURATIONS, st.floats(0, 1))
def test_a_quantile_is_right_to_within_a_quarter(durations, share):
    times = Times()
    for seconds in durations:
        times.add(seconds)
    rank = max(1, math.ceil(share * len(durations)))
    exact = sorted(durations)[rank - 1]

    assert exact <= times.quantile(share) <= exact * 1.25 * (1 + 1e-9)


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_quantiles_rise_with_their_share_up_to_the_longest(durations):
    times = Times()
    for seconds in durations:
        times.add(seconds)
    found = [times.quantile(share / 20) for share in range(21)]

    assert found == sorted(found)
    assert found[-1] == times.longest


def test_calls_are_counted_with_their_errors_and_latency_by_name(statistics):
    for seconds in (0.010, 0.010, 0.030):
        statistics(ApiCalled("claim", seconds))
    statistics(ApiCalled("complete", 0.2, "http_503"))
    statistics(ApiCalled("complete", 0.4, "unreachable"))
    found = statistics.snapshot()

    assert set(found.calls) == {"claim", "complete"}
    claim, complete = found.calls["claim"], found.calls["complete"]
    assert (claim.count, claim.errors) == (3, 0)
    assert claim.mean == pytest.approx(0.05 / 3)
    assert claim.p95 == 0.030
    assert (complete.count, complete.errors, complete.p95) == (2, 2, 0.4)


def test_memory_is_told_now_and_at_its_most(clock):
    readings = iter([300 * 2**20, 100 * 2**20])
    statistics = Statistics(clock, memory=lambda: next(readings))
    statistics(TaskClaimed(REF))
    statistics(ClaimEnded(REF, End.COMPLETED))

    assert statistics.snapshot().lines()[-1] == "memory 100 MiB now, 300 MiB at most"


def test_a_verdict_that_overtakes_its_commit_leaves_nothing_waiting_less_than_nothing(statistics):
    statistics(ReportSettled(REF, Settlement.ACCEPTED))
    early = statistics.snapshot().waiting
    statistics(OutcomeCommitted(REF, End.COMPLETED, 1.0))

    assert (early, statistics.snapshot().waiting) == (0, 0)


def test_a_summary_is_a_moment_and_can_be_told_as_json(statistics):
    before = statistics.snapshot()
    a_run(statistics)

    assert before.claimed == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.claimed = 1
    told = json.loads(json.dumps(statistics.snapshot().as_dict()))
    assert told["ends"] == {"completed": 2, "failed": 1, "released": 1, "lapsed": 1, "lost": 1}


def test_events_of_many_threads_are_all_counted(statistics):
    def run():
        for _time in range(500):
            statistics(TaskClaimed(REF))
            statistics(OutcomeCommitted(REF, End.COMPLETED, 0.1))
            statistics(ClaimEnded(REF, End.COMPLETED))
            statistics(ReportSettled(REF, Settlement.ACCEPTED))

    threads = [threading.Thread(target=run) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = statistics.snapshot()

    assert (found.claimed, found.committed, found.waiting) == (2000, 2000, 0)
    assert faults(found) == ()
