"""R25: the verdicts and the tasks of one answer are applied in one transaction of the outbox, verdicts first."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import End, Notice, ReportSettled
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import ExchangeResponse, ReportAnswer
from prismq_worker_sdk.model.report import Settlement, Verdict
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from tests.support.loops import Stepped, Work
from tests.support.loops import grant as base_grant

LEASED = Capabilities(max_tasks=8, max_reports=8, renews=True, releases=True)
LOST, ACCEPTED = ReportAnswer(Verdict.LOST, "too late"), ReportAnswer(Verdict.ACCEPTED)


def grant(task_id, token, **params):
    return replace(base_grant(task_id, token=token, **params), lease_seconds=60.0)


@pytest.fixture
def sending(workplace):
    """A workplace, and its delivery loop that sends the report of t1 with a claim along."""

    def made(*works, **config):
        place = workplace(*works, capabilities=LEASED, **{"concurrency": 4, **config})
        loop = Stepped(delivery_loop(place.services))
        place.give(grant("t1", "one"))
        place.idle()
        loop.go_on()
        assert loop.report.identity.task_id == "t1"
        assert loop.request.claim is not None
        return place, loop

    return made


def forbid_single_holds(place):
    def hold(claim):
        raise AssertionError(f"{claim.task.id} was held in a transaction of its own")

    place.services.outbox.hold = hold


def test_r25_a_lost_result_answers_the_same_task_in_the_same_answer(sending):
    work = Work()
    place, loop = sending(work)
    forbid_single_holds(place)
    loop.answer(ExchangeResponse((LOST,), (grant("t1", "two"),)))

    assert work.ran == ["t1"]
    assert loop.report.identity.token == "two"
    assert loop.report.outcome == Completed('{"done":"t1"}')
    loop.answer(ExchangeResponse((ACCEPTED,)))
    assert place.ends() == [("t1", End.COMPLETED)] * 2
    assert place.faults() == ()


def test_r25_every_task_of_the_answer_is_held_with_the_verdicts(sending):
    place, loop = sending()
    forbid_single_holds(place)
    loop.answer(ExchangeResponse((ACCEPTED,), (grant("t2", "a"), grant("t3", "b"))))
    place.idle()

    assert sorted(place.works[0].ran) == ["t1", "t2", "t3"]
    assert place.faults() == ()


def test_r25_a_stored_failure_gives_way_to_its_task_that_came_with_another_verdict(sending):
    def end(ctx):
        if ctx.task.id == "t1":
            raise RuntimeError("broken")
        return 1

    place, loop = sending(Work(end))
    loop.answer(ExchangeResponse((LOST,), (grant("t1", "two"),)))
    place.idle()

    assert place.works[0].ran == ["t1", "t1"]
    assert [type(outcome) for outcome in place.outcomes()] == [Failed]
    assert place.faults() == ()


def test_a_task_that_an_answer_holds_twice_runs_once_under_its_last_claim(sending):
    work = Work(gated=True)
    work.gate.set()
    place, loop = sending(work)
    work.gate.clear()
    loop.answer(ExchangeResponse((ACCEPTED,), (grant("t2", "a"), grant("t2", "b"))))
    work.gate.set()
    place.idle()

    assert work.ran == ["t1", "t2"]
    (report,) = place.waiting()
    assert report.identity.token == "b"
    assert place.outbox.resolve_orphans(retried=lambda _attempt: True) == []
    assert place.faults() == ()


def test_a_task_that_an_answer_holds_twice_with_other_params_leaves_no_hold_behind(sending):
    work = Work(gated=True)
    work.gate.set()
    place, loop = sending(work)
    work.gate.clear()
    loop.answer(ExchangeResponse((ACCEPTED,), (grant("t2", "a", n=1), grant("t2", "b", n=2))))
    work.gate.set()
    place.idle()

    assert work.ran == ["t1", "t2"]
    assert sorted(report.identity.token for report in place.waiting()) == ["a", "b"]
    assert place.outbox.resolve_orphans(retried=lambda _attempt: True) == []
    assert place.faults() == ()


def test_r12_tasks_that_come_while_the_disk_refuses_verdicts_are_taken_on_once_it_has_room(sending):
    place, loop = sending()
    place.lock_disk()
    loop.answer(ExchangeResponse((ACCEPTED,), (grant("t2", "a"),)))
    assert loop.wait > 0
    assert "could not be written" in place.of(Notice)[-1].message
    assert place.works[0].ran == ["t1"]
    place.free_disk()
    loop.go_on()
    place.idle()

    assert place.works[0].ran == ["t1", "t2"]
    assert [event.settlement for event in place.of(ReportSettled)] == [Settlement.ACCEPTED]
    assert place.faults() == ()
