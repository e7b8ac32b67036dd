"""A batch is stored as its parts would be, one after the other."""

from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import Again, Park, Settle
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Released
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.schema import TABLES, open_database
from prismq_worker_sdk.outbox.store import Answered, Commit, Drop, Held, Lapse
from tests.support.outbox import Immediate, commit, settled


@pytest.fixture
def place(tmp_path, clock):
    opened = ExitStack()

    class Place:
        def __init__(self, name):
            self.connection = opened.enter_context(closing(open_database(tmp_path / name)))
            self.outbox = Outbox(Immediate(self.connection), clock).of("http://s/api")

        def rows(self):
            """Everything that is stored, but for what is random."""
            found = {}
            for table in TABLES:
                cursor = self.connection.execute(f"SELECT * FROM {table}")
                names = [column for column, *_ in cursor.description]
                found[table] = sorted(
                    (
                        dict(zip(names, row, strict=True)) | {"uid": None, "replacement": None}
                        for row in cursor
                    ),
                    key=str,
                )
            return found

    with opened:
        yield Place


def results(claims):
    failed = Failed("no", "Permanent", retryable=False)
    outcomes = [Completed("[1]"), failed, Completed("{}")]
    return [
        Commit(claim.identity, outcome, attempt=2, maybe_seen=outcome is failed, wait=number * 5.0)
        for number, (claim, outcome) in enumerate(zip(claims, outcomes, strict=True))
    ]


def test_r10_r11_ends_of_a_batch_are_stored_as_one_by_one(place, line):
    claims = [line.claim(f"t{number}", token=f"k{number}") for number in range(3)]
    whole, single = place("whole.db"), place("single.db")
    whole.outbox.settle_and_hold((), claims)
    assert whole.outbox.end(*results(claims)) == [True, True, True]
    for claim in claims:
        single.outbox.hold(claim)
    for end in results(claims):
        assert single.outbox.end(end) == [True]
    assert whole.rows() == single.rows()


def test_r10_an_end_that_came_second_spoils_none_of_its_batch(place, line):
    claims = [line.claim(f"t{number}") for number in range(3)]
    here = place("outbox.db")
    here.outbox.settle_and_hold((), claims)
    here.outbox.end(Drop(claims[1].identity))
    assert here.outbox.end(*results(claims)) == [True, False, True]
    assert [one.identity.task_id for one in here.outbox.after(0, 9)] == ["t0", "t2"]
    assert here.rows()["holds"] == []


def test_every_kind_of_end_may_stand_in_one_batch(place, line):
    claims = [line.claim(f"t{number}", token=f"k{number}") for number in range(4)]
    here = place("outbox.db")
    here.outbox.settle_and_hold((), claims[:3])
    released = Released("not now", 5.0)
    ends = [
        Commit(claims[0].identity, released),
        Drop(claims[1].identity),
        Lapse(claims[2].identity),
        Commit(claims[3].identity, released, attempt=2, held=False),
    ]
    assert here.outbox.end(*ends) == [True, True, True, True]
    assert here.rows()["holds"] == []
    assert [one.outcome for one in here.outbox.due(9)] == [released, released]
    assert len(here.rows()["lapses"]) == 2


def test_r25_claims_of_a_batch_are_held_as_one_by_one(place, line, clock):
    def filled(name):
        here = place(name)
        for task, outcome in {"t1": Completed("[1]"), "t2": Failed("no", "E")}.items():
            before = line.claim(task, worker="before")
            here.outbox.hold(before)
            commit(here.outbox, before.identity, outcome)
        here.outbox.checkpoint(line.claim("t3").identity.task_key, '{"page": 2}')
        return here

    claims = [line.claim(f"t{number}") for number in range(5)]
    whole, single = filled("whole.db"), filled("single.db")
    held = whole.outbox.settle_and_hold((), claims)[1]
    assert held == [single.outbox.hold(claim) for claim in claims]
    assert held == [
        Held(),
        Answered(Completed("[1]"), superseded=1),
        Held(superseded=1),
        Held(checkpoint='{"page": 2}'),
        Held(),
    ]
    assert whole.rows() == single.rows()


def test_verdicts_of_a_batch_are_stored_as_one_by_one(place, line):
    def filled(name):
        here = place(name)
        for number in range(4):
            claim = line.claim(f"t{number}")
            here.outbox.hold(claim)
            here.outbox.checkpoint(claim.identity.task_key, "1")
            commit(here.outbox, claim.identity, Completed("[]"))
        return here

    accepted = Settle(Settlement.ACCEPTED)
    mixed = (
        [accepted] * 4,
        [accepted, Settle(Settlement.LOST, keep=True), Again("away", maybe_seen=True), accepted],
        [Park("too large", Failed("too large", "refused")), accepted, accepted, accepted],
    )
    for case, judgements in enumerate(mixed):
        whole, single = filled(f"whole{case}.db"), filled(f"single{case}.db")
        judged = [
            (replace(report, tries=1), judgement, 3.0)
            for report, judgement in zip(whole.outbox.due(9), judgements, strict=True)
        ]
        assert whole.outbox.settle_and_hold(judged, ())[0] == [True] * 4
        assert all(
            settled(single.outbox, report, judgement, retry_in=wait) for report, judgement, wait in judged
        )
        assert whole.rows() == single.rows()
        assert whole.outbox.settle_and_hold(judged[:1], ())[0] == [
            not isinstance(judgements[0], Settle | Park)
        ]


def test_a_report_that_has_left_the_line_spoils_no_verdict_of_its_batch(place, line):
    here = place("outbox.db")
    for number in range(3):
        claim = line.claim(f"t{number}")
        here.outbox.hold(claim)
        commit(here.outbox, claim.identity, Completed("[]"))
    reports = here.outbox.due(9)
    accepted = Settle(Settlement.ACCEPTED)
    assert settled(here.outbox, reports[1], accepted)
    assert here.outbox.settle_and_hold([(one, accepted, 0.0) for one in reports], ())[0] == [
        True,
        False,
        True,
    ]
    assert here.outbox.count("waiting") == 0


class TestTheLineInMemory:
    """What is due is the same whether the line is in memory or the disk is asked."""

    @pytest.fixture
    def here(self, place):
        here = place("outbox.db")
        assert here.outbox.due(9) == []  # nothing waits: from here on the line is in memory
        return here

    @pytest.fixture
    def commit(self, here, line):
        def commit_one(task_id, outcome=None, **more):
            claim = line.claim(task_id, token=f"k-{task_id}")
            here.outbox.hold(claim)
            commit(here.outbox, claim.identity, outcome or Completed("[]"), **more)

        return commit_one

    @pytest.fixture
    def agrees(self, place, here, clock):
        def agrees():
            """What is due, and when the next is, by memory and by the file."""
            there = Outbox(Immediate(here.connection), clock).of("http://s/api")
            found = here.outbox.due(9)
            assert found == there.due(9)
            assert here.outbox.seconds_to_next() == there.seconds_to_next()
            return [report.identity.task_id for report in found]

        return agrees

    def test_it_follows_commits_verdicts_and_delays(self, here, commit, agrees, clock):
        commit("t1", children=(Child("1", "T", "{}"),), attempt=3)
        commit("t2", Failed("no", "E"), maybe_seen=True)
        commit("t3", wait=30.0)
        assert agrees() == ["t1", "t2"]
        first, second = here.outbox.due(9)
        settled(here.outbox, replace(first, tries=1, passed=2), Again("away", maybe_seen=True), retry_in=60.0)
        settled(here.outbox, second, Settle(Settlement.ACCEPTED))
        assert agrees() == []
        clock.turn(30.0)
        assert agrees() == ["t3"]
        clock.turn(31.0)
        assert agrees() == ["t1", "t3"]

    def test_r23_a_report_waits_no_longer_because_the_clock_was_set_back(self, here, commit, clock):
        assert here.outbox.due(1) == []  # from here on the line is known
        commit("t1", wait=30.0)
        clock.jump(-60.0)
        assert here.outbox.seconds_to_next() == 30.0
        clock.turn(30.0)
        assert [report.identity.task_id for report in here.outbox.due(1)] == ["t1"]

    def test_it_takes_along_the_last_checkpoint_of_what_did_not_complete(self, here, commit, agrees, line):
        key = line.claim("t1").identity.task_key
        here.outbox.checkpoint(key, "1")
        commit("t1", Failed("no", "E"))
        assert here.outbox.due(1)[0].checkpoint == "1"
        here.outbox.checkpoint(key, "2")
        assert here.outbox.due(1)[0].checkpoint == "2"
        assert agrees() == ["t1"]

    def test_what_takes_the_place_of_a_report_is_due(self, here, commit, agrees, line):
        commit("t1")
        commit("t2")
        here.outbox.hold(line.claim("t1", worker="later"))
        assert agrees() == ["t2", "t1"]
        settled(here.outbox, here.outbox.due(1)[0], Park("too large", Failed("too large", "refused")))
        assert agrees() == ["t1", "t2"]

    def test_a_long_line_is_left_to_the_disk(self, here, commit, agrees, monkeypatch):
        monkeypatch.setattr("prismq_worker_sdk.outbox.outbox.LONGEST", 3)
        for number in range(5):
            commit(f"t{number}")
        assert agrees() == ["t0", "t1", "t2", "t3", "t4"]
        for report in here.outbox.due(9):
            settled(here.outbox, report, Settle(Settlement.ACCEPTED))
        assert agrees() == []
        commit("t9")
        assert agrees() == ["t9"]

    def test_nothing_is_lined_up_that_the_disk_refused(self, here, commit, agrees):
        commit("t1")
        here.connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(Exception, match="could not be written"):
            commit("t2", Completed(f'"{"x" * 200_000}"'))
        assert agrees() == ["t1"]
