"""What a worker says of itself: with a call that is made anyway, where something has changed."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.model.protocol import ExchangeResponse, Rejected, Unreachable, WorkerCommand
from prismq_worker_sdk.model.told_status import LONGEST_TEXT, MOST_CLOSED, ClosedType, WorkerState
from prismq_worker_sdk.version import __version__
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.lease_loop import lease_loop
from prismq_worker_sdk.worker.own_status import own_status
from prismq_worker_sdk.worker.room import Space
from prismq_worker_sdk.worker.standing_by import SETTLE
from prismq_worker_sdk.worker.telling import LOOK_EVERY, TELL_AGAIN
from tests.support.loops import TYPE, Stepped, Work
from tests.unit.worker.test_exchange import LEASED, grant

LISTENS = replace(LEASED, takes_status=True)


@pytest.fixture
def place(workplace):
    return workplace(Work(gated=True), capabilities=LISTENS)


def pause(place, seconds=60.0, reason="quota"):
    place.services.availability.pause(TYPE, seconds, reason, now=place.clock.monotonic())


def unready(place, reason="no licence"):
    place.services.availability.set_ready(TYPE, reason)


def now_said(place):
    return own_status(place.services, place.clock.monotonic())


def nothing(loop):
    """Answers the claim that waits with no task."""
    return loop.answer(ExchangeResponse())


def test_the_first_call_says_who_the_worker_is(place):
    status = Stepped(claim_loop(place.services)).request.status

    assert (status.version, status.state, status.task_types) == (__version__, WorkerState.RUNNING, (TYPE,))
    assert (status.slots, status.closed, status.trouble) == (2, (), "")
    assert status.host
    assert status.pid
    assert status.started_at.endswith("+00:00")


def test_what_has_not_changed_is_not_said_again_for_ten_minutes(place):
    loop = Stepped(claim_loop(place.services))
    said = []
    for _ in range(4):
        said.append(loop.request.status)
        place.clock.turn(TELL_AGAIN / 2)
        nothing(loop)

    assert [one is not None for one in said] == [True, False, False, True]


def test_a_change_goes_with_the_next_call_but_no_sooner_than_two_seconds_after_the_last_look(workplace):
    place = workplace(Work(gated=True), Work(task_type="Test.Other"), capabilities=LISTENS)
    loop = Stepped(claim_loop(place.services))
    pause(place)
    place.clock.turn(LOOK_EVERY - 1)
    nothing(loop)
    assert loop.request.status is None
    place.clock.turn(1)
    nothing(loop)

    assert loop.request.status.closed == (ClosedType(TYPE, "quota", 60.0 - LOOK_EVERY),)


def test_a_change_goes_with_a_renewal(place):
    place.give(grant("t1"))
    place.services.status.heard(now_said(place), place.clock.monotonic())
    pause(place)
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(LOOK_EVERY)
    loop.go_on()

    assert len(loop.request.renewals) == 1
    assert loop.request.status.closed[0].reason == "quota"


@pytest.mark.parametrize("failure", [Unreachable("cut"), Rejected(400, "no")])
def test_what_was_not_answered_is_said_with_the_next_call(place, failure):
    loop = Stepped(claim_loop(place.services))
    first = loop.request.status
    loop.answer(failure)
    while not hasattr(loop.effect, "request"):
        place.clock.turn(loop.wait)
        loop.go_on()

    assert loop.request.status == first


def test_a_server_that_does_not_announce_it_is_told_nothing_and_asked_nothing_more(workplace):
    place = workplace(Work(gated=True), capabilities=LEASED)
    assert Stepped(claim_loop(place.services)).request.status is None
    unready(place)

    assert Stepped(claim_loop(place.services)).wait is None


def test_a_worker_that_can_claim_nothing_says_why_once_that_has_lasted_and_then_as_seldom_as_an_idle_one_claims(
    place,
):
    unready(place)
    loop = Stepped(claim_loop(place.services))
    assert loop.wait == SETTLE
    place.clock.turn(SETTLE)
    loop.go_on()
    assert (loop.request.claim, loop.request.status.closed) == (None, (ClosedType(TYPE, "no licence"),))
    loop.answer(ExchangeResponse())
    poll = place.services.config.poll_interval
    for _ in range(3):
        assert poll / 2 <= loop.wait <= poll
        place.clock.turn(loop.wait)
        loop.go_on()
        assert (loop.request.claim, loop.request.status) == (None, None)
        loop.answer(ExchangeResponse())


def test_a_worker_that_can_claim_nothing_hears_what_the_server_wants(place):
    unready(place)
    loop = Stepped(claim_loop(place.services))
    place.clock.turn(SETTLE)
    loop.go_on()
    loop.answer(ExchangeResponse(command=WorkerCommand.TERMINATE))

    assert place.services.shared.command is WorkerCommand.TERMINATE


def test_wake_ups_make_no_more_calls_while_nothing_can_be_claimed(place):
    unready(place)
    loop = Stepped(claim_loop(place.services))
    for _ in range(3):
        place.clock.turn(SETTLE / 4)
        loop.go_on()

    assert loop.wait == SETTLE / 4


def test_a_worker_whose_slots_are_busy_makes_no_call_for_it(place):
    for number in range(2):
        place.give(grant(f"t{number}"))

    assert Stepped(claim_loop(place.services)).wait is None


def test_a_worker_whose_disk_is_full_says_so(place):
    place.disk.space = Space(1)
    loop = Stepped(claim_loop(place.services))
    place.clock.turn(SETTLE)
    loop.go_on()

    assert "disk" in loop.request.status.trouble


def test_each_call_of_a_stop_says_that_the_worker_stops(place):
    loop = Stepped(claim_loop(place.services))
    nothing(loop)
    place.give(grant("t1"))
    place.services.lifecycle.ask_stop("test", grace=25.0, now=place.clock.monotonic())
    leases = Stepped(lease_loop(place.services))
    place.clock.turn(1)
    leases.go_on()

    assert leases.request.status.state is WorkerState.STOPPING


def test_a_quiet_worker_says_so(place):
    place.services.shared.command = WorkerCommand.QUIET

    assert now_said(place).state is WorkerState.QUIET


def test_reasons_are_redacted_and_bounded(workplace):
    secret = "a-long-secret-0123456789"
    place = workplace(Work(gated=True), capabilities=LISTENS, secrets=(secret,))
    pause(place, 1e9, f"key {secret} \ud800 {'ž' * LONGEST_TEXT}")
    (closed,) = now_said(place).closed

    assert secret not in closed.reason
    assert len(closed.reason.encode()) <= LONGEST_TEXT
    assert closed.seconds == 366 * 86400.0
    before = now_said(place)
    place.clock.turn(60)
    assert now_said(place) == before


def test_no_more_types_are_told_of_than_a_server_takes(workplace):
    works = [Work(task_type=f"Test.T{number}") for number in range(MOST_CLOSED + 5)]
    place = workplace(*works, capabilities=LISTENS)
    for work in works:
        place.services.availability.set_ready(work.handler.task_type, "no")

    assert len(now_said(place).closed) == MOST_CLOSED


def test_the_plugins_are_told_with_their_versions(workplace):
    work = Work(gated=True)
    work.handler = replace(work.handler, plugin="shop", plugin_version="3.1")
    place = workplace(work, capabilities=LISTENS)

    assert now_said(place).plugins == (("shop", "3.1"),)
