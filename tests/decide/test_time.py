"""Limits, leases, back-off, streaks, rates, shutdown: everything that counts seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide.backoff import (
    SERVER,
    Backoff,
    Streak,
    after_failure,
    extend,
    pause_of,
    retry_pause,
)
from prismq_worker_sdk.decide.crashes import orphaned
from prismq_worker_sdk.decide.leases import ABANDON_AFTER, Abandon, Cancel, Look, time_limit, watch
from prismq_worker_sdk.decide.rate_limits import Bucket
from prismq_worker_sdk.decide.shutdown import exit_code, grace_of, next_phase, stop_plan
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import Phase
from prismq_worker_sdk.model.outcome import Failed
from prismq_worker_sdk.model.protocol import Throttled, Unreachable
from prismq_worker_sdk.model.retry import RetryPolicy

JITTER = st.floats(0, 1)


@given(st.integers(1, 10_000), JITTER)
def test_a_back_off_stays_between_its_floor_and_its_ceiling(tries, jitter):
    wait = SERVER.seconds(tries, jitter)

    assert 0.05 <= wait <= 30.0


@given(st.floats(0, 3600), st.integers(1, 100), JITTER, st.booleans())
def test_what_a_server_asks_for_is_the_least_wait(asked, failures, jitter, limited):
    assert after_failure(Throttled("503", asked, limited=limited), failures, jitter) >= asked


@pytest.mark.parametrize(("asked", "longest"), [(1.0, 2.0), (5.0, 10.0), (60.0, 70.0), (600.0, 660.1)])
def test_a_fleet_that_was_asked_to_wait_comes_back_over_as_long_again_or_some_seconds(asked, longest):
    assert after_failure(Throttled("503", asked), 1, 1.0) == pytest.approx(longest)


def test_a_server_that_asks_for_no_wait_at_all_is_tried_less_and_less_often():
    assert after_failure(Throttled("503", 0.0), 30, 1.0) == after_failure(Unreachable("cut"), 30, 1.0) == 30.0


def test_r34_a_limit_of_requests_is_waited_for_no_longer_than_it_lasts():
    assert after_failure(Throttled("429", 5.0, limited=True), 30, 1.0) == pytest.approx(5.6)


def test_full_jitter_may_be_nothing_at_all():
    assert Backoff(1.0, 8.0).seconds(3, 0.0) == 0.0
    assert Backoff(1.0, 8.0).seconds(3, 1.0) == 4.0


def test_r13_an_in_claim_retry_ends_after_the_attempts_of_its_policy():
    policy = RetryPolicy(max_attempts=3, initial=0.5, factor=2, ceiling=30)

    assert retry_pause(policy, 1, 1.0) == 0.5
    assert retry_pause(policy, 2, 1.0) == 1.0
    assert retry_pause(policy, 3, 1.0) is None


def test_r17_a_longer_wait_than_the_policys_is_left_to_the_server():
    policy = RetryPolicy(max_attempts=3, initial=0.5, factor=2)

    assert retry_pause(policy, 1, 1.0, asked=0.5) == 0.5
    assert retry_pause(policy, 1, 0.0, asked=0.5) == 0.0, "chance decides how long, not where"
    assert retry_pause(policy, 1, 1.0, asked=60.0) is None


def test_a_wait_that_grows_beyond_all_numbers_is_the_longest():
    assert Backoff(0.5, 30.0, factor=1e9).seconds(60, 1.0) == 30.0


def test_r16_a_handler_is_cancelled_at_its_limit_and_abandoned_ten_seconds_later():
    def look(now, cancelled=None):
        return watch(now=now, limit_at=100.0, expires_at=1000.0, cancelled=cancelled)

    assert look(99.0) == Look(100.0)
    assert look(100.0) == Cancel(CancelReason.TIME_LIMIT)
    assert look(105.0, CancelReason.TIME_LIMIT) == Look(110.0)
    assert look(100.0 + ABANDON_AFTER, CancelReason.TIME_LIMIT) == Abandon()


def test_r15_a_claim_that_runs_out_by_the_local_clock_is_cancelled_as_expired():
    assert watch(now=50.0, limit_at=100.0, expires_at=50.0, cancelled=None) == Cancel(CancelReason.EXPIRED)


@given(st.floats(1, 7200), st.floats(1, 3600))
def test_a_handler_is_held_to_the_claim_timeout_where_claims_cannot_be_renewed(wanted, lease):
    held = time_limit(wanted, lease, renews=False)

    assert held <= wanted
    assert held < lease
    assert time_limit(wanted, lease, renews=True) == wanted


def test_r36_the_last_eight_seconds_of_the_grace_period_are_for_cancelling_and_flushing():
    plan = stop_plan(100.0, 25.0)

    assert (plan.cancel_at, plan.deadline) == (117.0, 124.0), "the last second is for the end of the process"
    assert stop_plan(100.0, 3.0).cancel_at == 102.0
    assert stop_plan(100.0, 0.0).deadline == 100.0


def test_r36_a_worker_drains_flushes_and_stops_in_this_order():
    plan = stop_plan(0.0, 25.0)

    def follow(phase, *, now=1.0, busy=False, flushed=False):
        return next_phase(phase, now=now, plan=plan, busy=busy, flushed=flushed)

    assert follow(Phase.DRAINING, busy=True) is Phase.DRAINING
    assert follow(Phase.DRAINING) is Phase.FLUSHING
    assert follow(Phase.FLUSHING) is Phase.FLUSHING
    assert follow(Phase.FLUSHING, flushed=True) is Phase.STOPPED
    assert follow(Phase.DRAINING, busy=True, now=25.0) is Phase.STOPPED


def test_r37_exit_0_only_with_nothing_left():
    def code(*, failed=False, balanced=True, waiting=0, strays=0):
        return exit_code(failed=failed, balanced=balanced, waiting=waiting, strays=strays)

    assert code() == 0
    assert code(waiting=1) == 75
    assert code(strays=1) == 75
    assert code(balanced=False) == 1
    assert code(failed=True, waiting=1) == 1


def test_r19_errors_in_a_row_are_counted_over_distinct_tasks():
    streak = Streak()
    for task in ("a", "a", "a", "b", "b"):
        streak, pausing = extend(streak, task, limit=3)
        assert not pausing
    streak, pausing = extend(streak, "c", limit=3)

    assert pausing


def test_r19_a_type_that_goes_on_failing_rests_longer_up_to_five_minutes():
    streak = Streak(frozenset("abc"))
    rests = []
    for task in range(8):
        streak, _ = extend(streak, str(task), limit=3)
        rests.append(pause_of(streak, 1.0))

    assert rests == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


def test_r19_no_limit_means_no_pause():
    assert extend(Streak(), "a", limit=0) == (Streak(), False)


def test_r27_an_orphan_lapses_until_its_third_crash_here_where_the_server_counts_no_attempts():
    assert orphaned(crashes=1, retried=False) is None
    assert orphaned(crashes=2, retried=False) is None
    third = orphaned(crashes=3, retried=False)
    assert isinstance(third, Failed)
    assert third.error_type == "crashed"
    first = orphaned(crashes=1, retried=True)
    assert isinstance(first, Failed)
    assert first.retryable is True


@given(st.lists(st.floats(0, 5), max_size=60))
def test_a_rate_lets_no_more_through_than_its_burst_and_its_refill(gaps):
    bucket, now, starts = Bucket(3, 10.0, 3.0, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        if bucket.wait(now) <= 0:
            bucket, starts = bucket.take(now), starts + 1

    assert starts <= 3 + now * 3 / 10.0 + 1e-6


def test_r36_a_second_signal_sets_the_deadline_to_now_unless_it_is_only_a_terminal_that_goes_away():
    assert grace_of("SIGTERM", running=True) is None
    assert grace_of("SIGHUP", running=True) is None
    assert grace_of("SIGQUIT", running=False) == 0.0
    assert grace_of("SIGHUP", running=False) is None
