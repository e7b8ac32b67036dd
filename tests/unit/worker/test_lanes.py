"""Several claims and reports at once, on servers that give one task a call: only while they bring work, and no task
reported twice at a time."""

import threading
from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.claims import MOST_LANES, lanes, window_after
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.protocol import Conflict, ExchangeResponse, ReportAnswer, Throttled, Unreachable
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.delivery_loop import Delivery, delivery_lane, delivery_loop
from tests.support.loops import Stepped, grant

X = Capabilities(max_tasks=1, max_wait_seconds=20.0, lease_seconds=60.0, renews=True, finds_claims=True)
ACCEPTED = ExchangeResponse(reports=(ReportAnswer(Verdict.ACCEPTED),))


def test_only_a_server_that_gives_one_task_a_call_is_asked_by_several_loops():
    assert lanes(Capabilities(max_tasks=128), 16) == 1
    assert lanes(BASE, 3) == 3
    assert lanes(BASE, 1000) == MOST_LANES


def test_each_claim_that_brings_work_lets_one_more_go_along_and_the_first_without_leaves_one():
    assert window_after(1, 1, MOST_LANES) == 2
    assert window_after(MOST_LANES, 1, MOST_LANES) == MOST_LANES
    assert window_after(5, 0, MOST_LANES) == 1
    assert window_after(5, Conflict(), MOST_LANES) == 5
    assert window_after(5, Throttled("too many", 30.0, limited=True), MOST_LANES) == 1
    assert window_after(5, Unreachable("connection refused"), MOST_LANES) == 1


def test_a_loop_that_claims_alone_is_woken_by_none_of_its_own_claims(workplace):
    here = workplace(capabilities=replace(X, max_tasks=8))
    first, woken = Stepped(claim_loop(here.services)), []
    here.services.wakeups.claim = lambda: woken.append(True)

    first.hand_out(grant("t1"))

    assert here.services.shared.claim_window == 1
    assert not woken


@pytest.fixture
def claiming(workplace):
    """Two claim loops of a worker with some slots; each is told what the other one would wake it for."""

    def made(**config):
        here = workplace(**{"concurrency": 4, **config})
        return here, Stepped(claim_loop(here.services)), Stepped(claim_loop(here.services, 1))

    return made


def test_the_second_loop_claims_beside_the_first_once_a_claim_has_brought_work(claiming):
    here, first, second = claiming()
    woken = []
    here.services.wakeups.claim = lambda: woken.append(True)
    assert second.wait is None
    second.go_on()
    assert second.wait is None, "an idle worker asks once"

    first.hand_out(grant("t1"))
    assert woken
    second.go_on()
    assert first.request.claim is not None
    assert second.request.claim is not None


def test_a_loop_that_takes_the_last_slot_wakes_nobody(claiming):
    here, first, second = claiming(concurrency=3)
    first.hand_out(grant("t1"))
    woken = []
    here.services.wakeups.claim = lambda: woken.append(True)

    second.go_on()

    assert second.request.claim is not None
    assert not woken


def test_slots_that_become_free_together_are_asked_for_together(claiming):
    here, first, second = claiming(concurrency=4)
    first.hand_out(grant("t1"))
    woken = []
    here.services.wakeups.claim = lambda: woken.append(here.services.slots.free)

    second.go_on()

    assert second.request.claim is not None
    assert woken == [1], "the answer is not waited for"


def test_r04_claims_that_are_under_way_at_once_have_a_slot_each(claiming):
    here, first, second = claiming(concurrency=1)
    here.services.shared.claim_window = 2
    second.go_on()

    assert first.request.claim.max_tasks == 1
    assert second.wait is None
    assert here.services.slots.free == 0


def test_a_loop_whose_claim_was_in_vain_leaves_its_slot_to_the_first_and_rests_until_work_comes(claiming):
    here, first, second = claiming()
    first.hand_out(grant("t1"))
    second.go_on()
    woken = []
    here.services.wakeups.claim = lambda: woken.append(True)
    second.hand_out()

    assert woken
    assert second.wait is None
    assert here.services.shared.claim_window == 1


def test_r34_a_limit_that_is_used_up_is_tried_by_one_loop_alone(claiming):
    here, first, second = claiming()
    first.hand_out(grant("t1"))
    second.go_on()
    second.answer(ExchangeResponse(tasks=Throttled("its limit is used up", 30.0, limited=True)))
    here.clock.turn(second.wait)
    second.go_on()

    assert second.wait is None
    assert here.services.shared.claim_window == 1


def test_r06_only_the_first_loop_waits_on_the_server_since_one_wait_at_a_time_can_be_ended(claiming):
    here, first, second = claiming(capabilities=replace(X, max_tasks=1))
    first.hand_out(grant("t1"))
    second.go_on()
    waiting = here.services.shared.waiting

    assert waiting.work == first.request.claim
    assert second.request.claim.wait_seconds == 0.0
    second.hand_out()
    assert here.services.shared.waiting is waiting


@pytest.fixture
def delivering(workplace):
    """A delivery loop and one beside it, with reports to send."""

    def made(*task_ids):
        here = workplace(concurrency=4)
        here.run(*task_ids)
        shared = Delivery(here.services)
        here.services.shared.stored_sent = True
        return here, shared

    return made


def test_reports_go_out_side_by_side_each_once(delivering):
    here, shared = delivering("t1", "t2", "t3")
    beside = Stepped(delivery_lane(shared))
    another = Stepped(delivery_lane(shared))

    assert [beside.report.identity.task_id, another.report.identity.task_id] == ["t1", "t2"]
    another.answer(ACCEPTED)
    assert another.report.identity.task_id == "t3"
    another.answer(ACCEPTED)
    assert another.wait is None
    beside.answer(ACCEPTED)
    assert here.waiting() == []
    assert not here.faults()


def test_r26_a_task_that_is_being_reported_is_reported_by_nobody_else(delivering):
    here, shared = delivering("t1")
    (first,) = here.waiting()
    again = replace(first, number=2)  # of another claim of the same task
    (taken,) = shared.sender.take(lambda: [first])

    assert shared.sender.take(lambda: [first, again]) == ()
    shared.sender.land([taken])
    assert shared.sender.take(lambda: [again]) == (again,)


def test_r26_what_another_loop_has_just_dealt_with_is_not_sent_again(delivering):
    here, shared = delivering("t1")
    looks = []

    def look():
        landing = threading.Thread(target=shared.sender.land, args=(here.waiting(),))
        landing.start()
        looks.append((landing, shared.sender._taking.locked()))
        return here.waiting()

    assert shared.sender.take(lambda: here.waiting())
    assert shared.sender.take(look) == (), "it landed between the look and the taking"
    for landing, locked in looks:
        landing.join()
        assert locked


def test_a_server_in_trouble_is_tried_by_one_loop_alone_until_it_answers(delivering):
    here, shared = delivering("t1", "t2", "t3")
    loop = Stepped(delivery_loop(here.services, shared))  # its first sweep
    for _ in range(3):
        loop.answer(Unreachable("connection refused", maybe_seen=False))
    beside = Stepped(delivery_lane(shared))
    assert beside.wait is None

    woken = []
    here.services.wakeups.deliver = lambda: woken.append(True)
    here.clock.turn(300.0)
    loop.go_on()
    loop.answer(ACCEPTED)
    assert woken
    beside.go_on()
    assert [loop.report.identity.task_id, beside.report.identity.task_id] == ["t2", "t3"]


def test_a_loop_that_delivers_wakes_the_next_while_more_waits_than_is_on_its_way(delivering):
    here, shared = delivering("t1", "t2")
    woken = []
    here.services.wakeups.deliver = lambda: woken.append(len(shared.sender.in_flight))

    loops = [Stepped(delivery_lane(shared)) for _ in range(2)]

    assert [loop.report.identity.task_id for loop in loops] == ["t1", "t2"]
    assert woken == [1], "the second took the last of them"


def test_a_loop_that_delivers_alone_wakes_nobody(workplace):
    here = workplace(concurrency=1)
    here.run("t1", "t2")
    here.services.shared.stored_sent = True
    woken = []
    here.services.wakeups.deliver = lambda: woken.append(True)
    loop = Stepped(Delivery(here.services).step())

    assert loop.report.identity.task_id == "t1"
    assert not woken


def test_what_fails_in_several_loops_at_once_is_one_failure_of_the_server(delivering):
    _here, shared = delivering("t1", "t2", "t3")
    loops = [Stepped(delivery_lane(shared)) for _ in range(3)]
    for loop in loops:
        loop.answer(Unreachable("connection reset"))

    assert shared.sender.failures == 1


def test_r36_a_flush_waits_for_what_is_under_way_in_the_other_loops(delivering):
    here, shared = delivering("t1")
    beside = Stepped(delivery_lane(shared))
    loop = Stepped(delivery_loop(here.services, shared))
    here.stop()
    here.advance()
    loop.go_on()

    assert loop.wait is None
    assert not here.services.shared.flushed
    beside.answer(ACCEPTED)
    loop.go_on()
    assert here.services.shared.flushed
    assert (beside.ended, loop.ended) == (True, True)
