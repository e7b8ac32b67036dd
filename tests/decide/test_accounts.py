"""The two sums that must hold when a worker stops."""

from prismq_worker_sdk.decide.accounts import Accounts


def test_r38_books_that_balance_have_no_fault():
    books = Accounts(
        claimed=4, completed=2, failed=1, lapsed=1, committed=3, recovered=1, accepted=3, waiting=1
    )

    assert books.faults() == ()


def test_r38_a_claim_without_an_end_is_found():
    assert Accounts(claimed=1).faults() == ("claimed 1, but 0 claims ended",)


def test_r38_an_outcome_that_went_nowhere_is_found():
    assert len(Accounts(committed=1).faults()) == 1
