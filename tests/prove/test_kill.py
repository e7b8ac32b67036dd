"""The proof of kills, in small: it counts what happens, and what went wrong does not pass."""

from types import SimpleNamespace

import pytest

from tests.prove import kill, kill_figures
from tests.prove.reruns import (
    CUT_OFF,
    KILLED_COMMITTED,
    KILLED_ENDING,
    KILLED_RUNNING,
    UNEXPLAINED,
    Judge,
    again,
    at_once_in_one_worker,
    read_runs,
    under_one_claim,
)
from tests.prove.servers import ClaimRecord


@pytest.mark.parametrize("server", kill.SERVERS)
def test_a_small_part_of_the_proof_finds_every_task_completed(server):
    size = kill.small(kill.SIZES[server])
    found = kill.figures([kill.run(size, seed=1)])

    assert kill.failures(found) == []
    assert (found[server]["right"], found[server]["kills"], found[server]["server_kills"]) == (12, 1, 1)
    assert found[server]["with_parts"] == size.with_parts
    assert found[server]["limited_claims"] >= 2 * size.with_parts
    assert "| tasks | 12 |" in kill.table(found)


def member(number, *, killed_at=None, committed=()):
    return SimpleNamespace(
        number=number, killed_at=killed_at, worker_id=lambda: f"w{number}", committed=lambda: list(committed)
    )


@pytest.fixture
def runs(tmp_path):
    def read(*lines):
        (tmp_path / "runs").write_text("".join(f"{line}\n" for line in lines))
        return read_runs(tmp_path / "runs")

    return read


LATER = "begin t 2 9 20.0"


@pytest.mark.parametrize(
    ("lines", "killed_at", "committed", "verdict", "reason"),
    [
        (["begin t 1 0 10.0"], 11.0, [], "failed", KILLED_RUNNING),
        (["begin t 1 0 10.0", "end t 1 0 10.5"], 11.0, [], "failed", KILLED_ENDING),
        (["begin t 1 0 10.0", "end t 1 0 10.5"], 11.0, ["t"], "expired", KILLED_COMMITTED),
        (["begin t 1 0 10.0", "end t 1 0 10.5"], None, ["t"], "expired", CUT_OFF),
        (["begin t 1 0 10.0", "cancelled-lost t 1 0 10.5"], None, [], "expired", "it was told to end: lost"),
        (["begin t 1 0 10.0", "end t 1 0 10.5"], None, ["t"], "completed", UNEXPLAINED),
    ],
)
def test_why_a_handler_ran_again_is_told_from_the_kill_the_log_and_the_claim(
    runs, lines, killed_at, committed, verdict, reason
):
    members = [member(0, killed_at=killed_at, committed=committed), member(9)]
    claims = [ClaimRecord("t", "w0", 9.9, verdict), ClaimRecord("t", "w9", 19.9, "completed")]
    found = runs(*lines, LATER)

    assert again(found, Judge(members, claims)) == {(reason, verdict): 1}
    assert under_one_claim(found, Judge(members, claims)) == 0


def test_two_runs_under_one_claim_and_runs_without_a_claim_are_counted(runs):
    judge = Judge([member(0), member(9)], [ClaimRecord("t", "w0", 9.9, "completed")])

    assert under_one_claim(runs("begin t 1 0 10.0", "end t 1 0 10.5", "begin t 1 0 11.0"), judge) == 1
    assert under_one_claim(runs("begin t 1 0 9.0"), judge) == 1


def test_r09_a_task_that_ran_twice_at_once_in_one_worker_is_counted(runs):
    ended = "end t 1 0 10.5"

    assert at_once_in_one_worker(runs("begin t 1 0 10.0", ended, "begin t 2 0 11.0")) == 0
    assert at_once_in_one_worker(runs("begin t 1 0 10.0", "begin t 2 1 10.2", ended)) == 0
    assert at_once_in_one_worker(runs("begin t 1 0 10.0", "begin t 2 0 10.2", ended)) == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        {"unfinished": 1},
        {"wrong": 1},
        {"failed": 1},
        {"completed_twice": 1},
        {"children_lost": 1},
        {"children_twice": 1},
        {"followers_lost": 1},
        {"followers_twice": 1},
        {"followers_wrong": 1},
        {"too_many_at_once": 1},
        {"too_many_in_a_period": 1},
        {"ends_changed": 1},
        {"claims_open": 1},
        {"twice_under_one_claim": 1},
        {"at_once_in_one_worker": 1},
        {"books_off": 1},
        {"kills_left": 1},
        {"left": {"outcomes": 1}},
        {"again": [[UNEXPLAINED, "completed", 1]]},
        {"worker_ends": {"1, the books are off": 1}},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)
def test_whatever_went_wrong_is_a_failure_of_the_proof(spoilt):
    good = (
        dict.fromkeys(kill_figures.SUMS, 0)
        | {name: {} for name in kill_figures.COUNTS}
        | {"server": "s", "again": []}
    )

    assert kill.failures(kill.figures([good])) == []
    assert len(kill.failures(kill.figures([good, good | spoilt]))) == 1
