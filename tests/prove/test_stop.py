"""The proof of stops, in small: it sees what a stop comes to, and what was not promised does not pass."""

import pytest

from tests.prove import stop
from tests.prove.stop import CASES, Case, Scene, backlog, faults, figures, finishing, table


def test_a_small_stop_is_measured_from_the_signal_to_the_exit(tmp_path):
    with Scene(tmp_path, seconds=0.3) as scene:
        found = finishing(scene)

    assert (found["code"], found["claims"]) == (0, {"completed": stop.SLOTS})
    assert (found["reports"], found["holds"]) == (0, 0)


def test_a_small_backlog_stays_in_the_outbox_when_the_server_is_gone(tmp_path):
    with Scene(tmp_path, backlog=20, grace=2.0) as scene:
        found = backlog(scene)

    assert (found["code"], found["reports"], found["claims"]) == (75, 20, {"None": 20})


CASE = Case("x", "it idles", lambda scene: {}, longest=1.0, claims=(("released", 4),))
GOOD = {"seconds": 0.5, "code": 0, "claims": {"released": 4}, "reports": 0, "holds": 0}


@pytest.mark.parametrize(
    "spoilt",
    [{"seconds": 2.1}, {"code": 75}, {"claims": {"None": 4}}, {"reports": 1}, {"holds": 1}],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_whatever_was_not_promised_of_a_stop_is_a_failure_of_the_proof(spoilt):
    assert list(faults(CASE, GOOD)) == []
    assert len(list(faults(CASE, GOOD | spoilt))) == 1


def test_a_case_that_this_version_does_not_know_has_a_row_that_says_so():
    shown = table(figures([{"case": CASES[-1].name, "stops": []}, {"case": "careful", "stops": [GOOD]}]))

    assert "| process slots: look at nothing | not in this version |" in shown
    assert "| 30 s handlers that look at `ctx` | 0.50 | 0.50 | 1 | 0 | 4 released | 0 |" in shown
