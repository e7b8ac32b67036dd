import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide.retries import can_be_held, failed_early, held_back, too_often
from prismq_worker_sdk.model.outcome import Completed, Failed, Released

JITTER = st.floats(0, 1)
LEASE = 300.0


def rest(outcome, *, attempt=1, left=LEASE, jitter=0.5):
    return held_back(outcome, attempt=attempt, left=left, lease_seconds=LEASE, jitter=jitter)


@pytest.mark.parametrize("outcome", [Completed("1"), Failed("never", retryable=False)])
def test_only_what_is_worth_another_try_is_held_back(outcome):
    assert rest(outcome) == 0.0


def test_a_task_that_is_given_back_rests_like_a_failure_and_as_long_as_it_asks_for():
    assert rest(Released("later", 60.0)) == 60.0
    assert rest(Released("later")) == rest(Failed("broken"))


@given(delay=st.floats(0, 1000), left=st.floats(-100, LEASE))
def test_what_can_be_held_is_held_as_long_as_it_asks_for(delay, left):
    if can_be_held(delay, left=left, lease_seconds=LEASE):
        assert rest(Released("later", delay), left=left) >= min(delay, left - LEASE / 5)
    else:
        assert rest(Released("later", delay), left=left) < delay or left < LEASE / 5


@given(jitter=JITTER)
def test_a_failure_rests_longer_with_every_attempt_up_to_a_minute(jitter):
    rests = [rest(Failed("broken"), attempt=attempt, jitter=jitter) for attempt in range(1, 8)]

    assert rests == sorted(rests)
    assert 1.0 <= rests[0] <= 2.0
    assert 30.0 <= rests[-1] <= 60.0


def test_a_handler_s_own_wish_is_kept():
    assert rest(Failed("later", retryable=True, delay_seconds=45.0)) == 45.0
    assert rest(Failed("at once", retryable=True, delay_seconds=0.0)) == 0.0


@given(asked=st.floats(0, 1e9), left=st.floats(-1000, LEASE), attempt=st.integers(1, 1000))
def test_a_report_always_goes_out_while_its_claim_lasts(asked, left, attempt):
    for failed in (Failed("x", delay_seconds=asked), Failed("x")):
        waited = rest(failed, left=left, attempt=attempt)
        assert waited == 0.0 or waited <= left - LEASE / 5


def test_a_task_that_was_claimed_too_often_fails_without_work():
    failed = too_often(21, lapses=0, limit=20)

    assert failed.retryable is False
    assert "21" in failed.error
    assert "--max-attempts" in failed.error


@pytest.mark.parametrize(
    ("attempt", "lapses", "limit"),
    [(20, 0, 20), (1000, 0, 0), (None, 0, 1), (30, 10, 20)],
    ids=["at the limit", "no limit", "not told", "given back here ten times"],
)
def test_any_other_task_runs(attempt, lapses, limit):
    assert too_often(attempt, lapses=lapses, limit=limit) is None


@pytest.mark.parametrize(
    ("failed_at", "most", "maybe_seen", "early"),
    [
        (1, 3, True, True),
        (2, 3, False, True),
        (3, 3, False, False),
        (3, 3, True, False),
        (5, 9, True, True),
        (7, 0, False, True),  # nothing but a half-done failure ends so
        (2, 0, True, True),
        (3, 0, True, False),  # the answer to a failure for good may have been lost
    ],
)
def test_a_task_that_is_found_failed_with_attempts_left_failed_early(failed_at, most, maybe_seen, early):
    assert failed_early(failed_at, max_attempts=most, maybe_seen=maybe_seen) is early
