"""The proof of held interpreters, in small: it times renewals, and late ones do not pass."""

import pytest

from tests.prove import hold
from tests.prove.hold import Renewals, Size, failures, figures, table

SMALL = {"tasks": 1, "hold": 0.2, "lease": 10.0, "patience": 30.0}


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_small_part_runs_or_says_that_this_version_has_no_such_slots(isolation):
    result = hold.run(Size(isolation, **SMALL))

    assert result.get("missing") or (result["right"], result["again"]) == (1, 0)
    assert f"| {isolation} |" in table(figures([result]))


def test_a_renewal_is_late_by_what_it_took_beyond_a_third_of_the_lease():
    renewals = Renewals()
    renewals._seen["token"] += [0.0, 3.0, 7.5]

    assert renewals.lateness(9.0) == [0.0, 1.5]


def test_each_renewal_is_noted_for_its_claim():
    renewals = Renewals()
    for _ in range(2):
        renewals("POST", "/api/tasks/exchange", b'{"leases": [{"lease_token": "a"}, {"lease_token": "b"}]}')
    renewals("GET", "/api/health", b"")

    assert len(renewals.lateness(9.0)) == 2


GOOD = {"isolation": "process", "lease": 10.0, "hold": 30.0, "tasks": 4, "right": 4, "again": 0, "ends": {}}


@pytest.mark.parametrize(
    ("isolation", "spoilt"),
    [
        ("process", {"late": [0.0] * 98 + [1.1] * 2}),
        ("process", {"late": []}),
        ("process", {"right": 3}),
        ("process", {"again": 1}),
        ("thread", {"warned": 0}),
    ],
)
def test_whatever_was_not_promised_is_a_failure_of_the_proof(isolation, spoilt):
    good = GOOD | {"isolation": isolation, "warned": 1, "late": [0.0] * 99 + [1.1]}

    assert list(failures(figures([good]))) == []
    assert len(list(failures(figures([good | spoilt])))) == 1
