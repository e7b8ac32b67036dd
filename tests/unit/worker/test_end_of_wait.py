"""A claim that waits is ended by a repeat: two answers, and every task of either is started, once (R6, R9)."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from tests.support.loops import TYPE, Stepped, Work
from tests.support.loops import grant as base_grant
from tests.support.processes import wait_until

LEASED = Capabilities(
    max_tasks=128,
    max_reports=128,
    max_wait_seconds=30.0,
    lease_seconds=60.0,
    renews=True,
    releases=True,
    fences=True,
    finds_claims=True,
)
OTHER = "Test.Other"


def grant(task_id, token=None, task_type=TYPE):
    return replace(
        base_grant(task_id, token=token or f"token-{task_id}", task_type=task_type), lease_seconds=60.0
    )


class Waiting:
    """A worker whose claim waits for one type; the other type has just resumed, and the wait is being ended."""

    def __init__(self, here):
        self.here = here
        here.services.availability.pause(OTHER, 5.0, "quota", now=0.0)
        self.claiming = Stepped(claim_loop(here.services))
        assert self.claiming.request.claim.task_types == (TYPE,)
        self.delivering = Stepped(delivery_loop(here.services))
        here.clock.turn(5.0)
        self.delivering.go_on()
        assert self.delivering.request.request_id == self.claiming.request.request_id

    def ran(self):
        return sorted(task_id for work in self.here.works for task_id in work.ran)


@pytest.fixture
def waiting(workplace):
    def made(concurrency=2, **work):
        works = (Work(**work), Work(task_type=OTHER, **work))
        return Waiting(workplace(*works, capabilities=LEASED, concurrency=concurrency))

    return made


def test_r06_tasks_of_the_repeat_are_started_though_the_claim_itself_was_answered_empty(waiting):
    it = waiting()
    it.delivering.hand_out(grant("t1"), grant("t2"))
    it.claiming.hand_out()
    it.here.idle()

    assert it.ran() == ["t1", "t2"]
    assert it.here.services.slots.free + it.here.services.slots.reserved == 2
    assert not it.here.faults()


@pytest.mark.parametrize("first", ["claim", "repeat"])
def test_r09_tasks_that_both_answers_have_are_started_once(waiting, first):
    it = waiting()
    loops = (it.claiming, it.delivering) if first == "claim" else (it.delivering, it.claiming)
    loops[0].hand_out(grant("t1"))
    it.here.idle()
    loops[1].hand_out(grant("t1"))
    it.here.idle()

    assert it.ran() == ["t1"]
    assert it.here.ends() == [("t1", End.COMPLETED)]


def test_r09_a_task_that_is_done_is_not_started_again_by_a_late_answer_to_the_repeat(waiting):
    it = waiting()
    it.claiming.hand_out(grant("t1"))
    it.here.idle()
    it.delivering.hand_out(grant("t1"))
    it.here.idle()

    assert it.ran() == ["t1"]
    assert not it.here.faults()


def test_r06_what_a_repeat_that_came_after_the_wait_was_given_is_started_where_there_is_room(waiting):
    it = waiting(concurrency=3, gated=True)
    it.claiming.hand_out(grant("t1"))
    it.here.services.availability.pause(OTHER, 60.0, "quota", now=it.here.clock.monotonic())
    it.claiming.hand_out()  # the rest of the slots was asked for, in vain
    it.delivering.hand_out(grant("t2"), grant("o1", task_type=OTHER))
    wait_until(lambda: it.ran() == ["t1", "t2"], "both tasks")

    assert it.here.ends() == [("o1", End.RELEASED)]
    for work in it.here.works:
        work.gate.set()
    it.here.idle()
    assert not it.here.faults()


def test_r04_what_a_late_repeat_was_given_goes_back_where_every_slot_is_taken(waiting):
    it = waiting(concurrency=1, gated=True)
    it.claiming.hand_out(grant("t1"))
    it.delivering.hand_out(grant("t2"))

    assert it.here.ends() == [("t2", End.RELEASED)]
    it.here.works[0].gate.set()
    it.here.idle()
    assert (it.ran(), it.here.faults()) == (["t1"], ())


def test_r09_a_claim_whose_own_answer_is_lost_does_not_start_again_what_the_repeat_brought(waiting):
    it = waiting()
    it.delivering.hand_out(grant("t1"))
    it.here.idle()
    asked = it.claiming.request.request_id
    it.claiming.answer(Unreachable("connection reset"))
    it.here.clock.turn(it.claiming.wait)
    it.claiming.go_on()
    assert it.claiming.request.request_id == asked
    it.claiming.hand_out(grant("t1"), grant("t2"))
    it.here.idle()

    assert it.ran() == ["t1", "t2"]
    assert not it.here.faults()


def test_r36_tasks_of_a_repeat_that_a_stop_sent_go_back(waiting):
    it = waiting()
    it.here.stop()
    it.delivering.hand_out(grant("t1"))
    it.claiming.hand_out(grant("t1"))

    assert it.here.ends() == [("t1", End.RELEASED)]
    assert it.claiming.ended
    assert not it.here.faults()
