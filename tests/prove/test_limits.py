"""The proof of limits, in small: it counts claims in every stretch, and one too many does not pass."""

from tests.prove.fleet import most
from tests.prove.limits import Sizes, failures, figures, run, table


def test_a_small_part_counts_what_two_workers_claim():
    result = run("one server, SQLite", Sizes(workers=2, units=5, period=2.0, seconds=5.0))

    assert 0 < result["most"] <= 5
    assert "one server, SQLite" in table(figures([result]))


def test_the_fullest_stretch_is_found_wherever_it_begins():
    assert most([0.0, 4.0, 5.0, 9.9, 14.0], 10.0) == 4
    assert most([0.0, 10.0, 20.0], 10.0) == 1
    assert most([], 10.0) == 0


def test_one_claim_too_many_or_too_little_use_is_a_failure_of_the_proof():
    good = {
        "place": "here",
        "units": 30,
        "period": 60.0,
        "claims": 150,
        "allowed": 150,
        "most": 30,
        "begun_most": 30,
    }

    assert list(failures(figures([good]))) == []
    assert len(list(failures(figures([good | {"most": 31}])))) == 1
    assert len(list(failures(figures([good | {"claims": 140}])))) == 1
