"""The two sums that must hold when a worker stops."""

from prismq_worker_sdk.decide.accounts import faults


def test_r38_books_that_balance_have_no_fault():
    assert faults(claimed=4, ended=4, committed=3, recovered=1, gone=4) == ()


def test_r38_a_claim_without_an_end_is_found():
    (fault,) = faults(claimed=1, ended=0, committed=0, recovered=0, gone=0)
    assert fault == "claimed 1, but 0 claims ended"


def test_r38_an_outcome_that_went_nowhere_is_found():
    assert len(faults(claimed=0, ended=0, committed=1, recovered=0, gone=0)) == 1
