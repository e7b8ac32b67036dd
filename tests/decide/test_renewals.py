from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.decide.leases import (
    first_renewal,
    next_renewal,
    renewal_after_failure,
    together,
)

LEASES = st.floats(5, 3600)


def test_r07_the_first_renewal_comes_within_a_second_of_the_start():
    assert 100 < first_renewal(100) < 101


@given(LEASES)
def test_two_more_tries_fit_before_the_lease_runs_out(lease):
    sent_at = 1000.0
    tried = next_renewal(sent_at, lease)
    for failures in (1, 2):
        tried = renewal_after_failure(tried, lease, failures, jitter=1.0)

    assert tried < sent_at + lease


@given(LEASES, st.integers(1, 50), st.floats(0, 1))
def test_a_renewal_that_failed_is_tried_again_soon_but_not_at_once(lease, failures, jitter):
    wait = renewal_after_failure(50.0, lease, failures, jitter) - 50.0

    assert 0.2 < wait <= max(0.5, lease / 10) + 0.001


@given(LEASES)
def test_renewals_that_are_nearly_due_go_along_and_others_do_not(lease):
    assert together(10.0, 10.0 + lease / 20, lease)
    assert not together(10.0, 10.0 + lease / 4, lease)
