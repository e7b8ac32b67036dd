"""Pauses of limits: told with the next call of any kind, and by one of their own at once."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.model.protocol import (
    ExchangeResponse,
    LeaseAnswer,
    LeaseVerdict,
    LimitPause,
    Rejected,
    Unreachable,
)
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.lease_loop import lease_loop
from prismq_worker_sdk.worker.limit_pauses import AGAIN, AT_ONCE, LimitPauses
from tests.support.loops import Stepped, Work
from tests.unit.worker.test_exchange import LEASED, grant

LIMITED = replace(LEASED, limits=True)


@pytest.fixture
def place(workplace):
    return workplace(Work(gated=True), capabilities=LIMITED)


def paused(place, name="api", seconds=60.0):
    place.services.pauses.add(name, seconds, "429", place.clock.monotonic())


def test_a_pause_goes_out_at_once_when_nothing_else_is_to_be_said(place):
    loop = Stepped(lease_loop(place.services))
    paused(place)
    loop.go_on()

    assert loop.request.pauses == (LimitPause("api", 60.0, "429"),)
    assert loop.request.renewals == ()
    loop.answer(ExchangeResponse())
    assert place.services.pauses.next_due() is None
    assert loop.wait > 0


def test_a_pause_goes_with_a_renewal(place):
    place.give(grant("t1"))
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(1)
    paused(place)
    loop.go_on()
    assert (len(loop.request.renewals), len(loop.request.pauses)) == (1, 1)
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.RENEWED, 60.0),)))

    assert place.services.pauses.next_due() is None


def test_a_claim_that_waits_on_the_server_takes_no_pause_along(place):
    paused(place)
    loop = Stepped(claim_loop(place.services))

    assert loop.request.claim.wait_seconds > 0
    assert loop.request.pauses == ()


def test_a_server_without_limits_is_told_of_none(workplace):
    place = workplace(Work(gated=True), capabilities=LEASED)
    place.give(grant("t1"))
    paused(place)
    loop = Stepped(lease_loop(place.services))
    place.clock.turn(1)
    loop.go_on()

    assert loop.request.pauses == ()


def test_a_pause_that_was_not_answered_is_told_again_with_what_is_left_of_it(place):
    loop = Stepped(lease_loop(place.services))
    paused(place)
    loop.go_on()
    loop.answer(Unreachable("cut"))
    while getattr(loop.effect, "request", None) is None:
        place.clock.turn(loop.wait)
        loop.go_on()

    assert loop.request.pauses == (LimitPause("api", 60.0 - AGAIN, "429"),)


def test_a_pause_that_the_server_refuses_is_dropped(place):
    loop = Stepped(lease_loop(place.services))
    paused(place)
    loop.go_on()
    loop.answer(Rejected(422, "no such thing"))

    assert place.services.pauses.next_due() is None


def test_a_pause_made_longer_while_it_was_told_is_told_again():
    pauses = LimitPauses()
    pauses.add("a", 10, "", now=0.0)
    told = pauses.due(0.0)
    pauses.add("a", 5, "", now=1.0)
    assert pauses.due(0.0) == told
    pauses.add("a", 30, "", now=1.0)
    pauses.told(told, 2.0, 0.0)

    assert pauses.due(2.0) == (LimitPause("a", 29.0),)


def test_many_pauses_go_in_several_calls():
    pauses = LimitPauses()
    for number in range(AT_ONCE + 5):
        pauses.add(f"k{number}", 10, "", now=0.0)
    first = pauses.due(0.0)
    pauses.told(first, 0.0, 0.0)

    assert (len(first), len(pauses.due(0.0)), pauses.next_due()) == (AT_ONCE, 5, 0.0)
