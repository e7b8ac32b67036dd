"""A loop on a thread of its own, and how it is watched."""

import threading

import pytest

from prismq_worker_sdk.model.protocol import ExchangeRequest, ExchangeResponse
from prismq_worker_sdk.worker.driver import STEP_LIMIT, Call, LoopThread, Wait, Waker, drive, wake_one
from tests.support.processes import wait_until


@pytest.fixture
def start(clock):
    threads = []

    def start(loop, perform=lambda request: ExchangeResponse()):
        thread = LoopThread("claim", loop, perform=perform, clock=clock, ended=lambda: None)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.waker.wake()
        thread.join(10)


def test_calls_are_answered_and_the_return_value_is_given():
    def loop():
        reply = yield Call(ExchangeRequest())
        nothing = yield Wait(0)
        return reply, nothing

    assert drive(loop(), lambda request: ExchangeResponse(tasks=()), Waker()) == (ExchangeResponse(), None)


def test_a_wake_up_before_the_rest_is_not_lost():
    waker = Waker()
    waker.wake()

    def loop():
        yield Wait(None)

    drive(loop(), lambda request: None, waker)


class Sleeping:
    def __init__(self, *, idle):
        self.idle = idle
        self.woken = 0

    def wake(self):
        self.woken += 1


@pytest.mark.parametrize(
    ("idle", "woken"),
    [
        ((True, True, True), (1, 0, 0)),
        ((False, False, True), (1, 0, 1)),
        ((False, True, True), (1, 1, 0)),
        ((False, False, False), (1, 1, 1)),
        ((False,), (1,)),
    ],
    ids=["the first", "one that is idle", "only one", "all, as one may be about to rest", "the only one"],
)
def test_of_loops_that_do_the_same_one_that_is_idle_is_woken(idle, woken):
    sleepers = [Sleeping(idle=one) for one in idle]

    wake_one(sleepers)

    assert tuple(one.woken for one in sleepers) == woken


def test_two_changes_wake_two_loops_beside_the_first_that_is_at_work():
    sleepers = [Sleeping(idle=False), Sleeping(idle=True), Sleeping(idle=True)]

    wake_one(sleepers)
    wake_one(sleepers)

    assert [one.woken for one in sleepers[1:]] == [1, 1]


def test_a_loop_is_idle_while_it_rests_until_something_changes():
    waker, seen = Waker(), []

    class Event:
        def wait(self, _seconds):
            seen.append(waker.idle)

        def clear(self):
            seen.append(waker.idle)

    waker._event = Event()
    waker.sleep(1.0)
    waker.sleep(1.0, idle=False)

    assert seen == [True, False, False, False]


def test_r31_a_loop_that_dies_says_which_and_why(start):
    def loop():
        yield Wait(0)
        raise KeyError("a bug")

    thread = start(loop())
    wait_until(lambda: not thread.alive, "the end of the loop", deadline=10)

    assert thread.trouble() == "the claim loop died: KeyError: 'a bug'"


def test_r31_a_call_that_raises_is_the_death_of_its_loop(start):
    def loop():
        yield Call(ExchangeRequest())

    def perform(request):
        raise MemoryError("no room")

    thread = start(loop(), perform)
    wait_until(lambda: not thread.alive, "the end of the loop", deadline=10)

    assert thread.trouble() == "the claim loop died: MemoryError: no room"


def watched(thread, clock, seconds):
    """What the supervisor sees, who looks every second."""
    for _ in range(int(seconds)):
        clock.turn(1)
        found = thread.trouble()
    return found


def test_r31_a_call_that_does_not_come_back_is_overdue(start, clock):
    called, gate = threading.Event(), threading.Event()

    def loop():
        yield Call(ExchangeRequest())

    def perform(request):
        called.set()
        gate.wait()
        return ExchangeResponse()

    thread = start(loop(), perform)
    assert called.wait(10)
    assert watched(thread, clock, STEP_LIMIT) is None
    clock.turn(0.1)
    assert thread.trouble() == "the claim loop hangs: one step took more than 120 s"
    gate.set()
    wait_until(lambda: not thread.alive, "the end of the loop", deadline=10)
    assert thread.trouble() is None


def test_r31_a_step_of_the_loop_itself_that_does_not_end_is_overdue(start, clock):
    begun, gate = threading.Event(), threading.Event()

    def loop():
        yield Call(ExchangeRequest())
        begun.set()
        gate.wait()

    thread = start(loop())
    assert begun.wait(10)
    assert watched(thread, clock, STEP_LIMIT + 1) is not None
    gate.set()


def test_r31_a_process_that_stood_still_in_the_middle_of_a_call_goes_on(start, clock):
    called, gate = threading.Event(), threading.Event()

    def loop():
        yield Call(ExchangeRequest())

    def perform(request):
        called.set()
        gate.wait()
        return ExchangeResponse()

    thread = start(loop(), perform)
    assert called.wait(10)
    clock.turn(10 * STEP_LIMIT)

    assert thread.trouble() is None
    gate.set()


def test_r31_a_loop_that_rests_is_never_overdue(start, clock):
    resting = threading.Event()

    def loop():
        resting.set()
        yield Wait(None)

    thread = start(loop())
    assert resting.wait(10)
    wait_until(lambda: thread._steps._busy_since is None, "the rest", deadline=10)
    clock.turn(100 * STEP_LIMIT)

    assert thread.alive
    assert thread.trouble() is None
