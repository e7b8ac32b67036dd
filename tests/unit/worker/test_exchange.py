"""The loops against a server with the exchange: leases, batches, claims along, waits, orders."""

from dataclasses import replace

import pytest

from prismq_worker_sdk import Defer
from prismq_worker_sdk.decide.backoff import SERVER
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.events import End, Notice
from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ExchangeResponse,
    ExtensionGone,
    LeaseAnswer,
    LeaseVerdict,
    Probe,
    Rejected,
    ReportAnswer,
    ServerInfo,
    Throttled,
    Unreachable,
    WorkerCommand,
)
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.lease_loop import lease_loop
from tests.support.loops import TYPE, Stepped, Work
from tests.support.loops import grant as base_grant

LEASED = Capabilities(
    max_tasks=128,
    max_reports=128,
    max_wait_seconds=30.0,
    lease_seconds=60.0,
    renews=True,
    releases=True,
    creates=True,
    fences=True,
    finds_claims=True,
)
ACCEPTED = ReportAnswer(Verdict.ACCEPTED)


def grant(task_id="t1", seconds=60.0):
    return replace(base_grant(task_id, token=f"token-{task_id}"), lease_seconds=seconds)


@pytest.fixture
def place(workplace):
    def made(*works, concurrency=4, **config):
        return workplace(*works, capabilities=LEASED, concurrency=concurrency, **config)

    return made


def accepted(loop, *grants):
    """Answers a call: every report accepted, these tasks along."""
    number = len(loop.request.reports)
    return loop.answer(ExchangeResponse((ACCEPTED,) * number, grants))


def delivering(place):
    """A delivery loop behind its first sweep."""
    loop = Stepped(delivery_loop(place.services))
    while getattr(loop.effect, "request", None) is not None:
        accepted(loop)
    return loop


def renewing(place):
    return Stepped(lease_loop(place.services))


def renewed(loop, seconds=60.0, verdict=LeaseVerdict.RENEWED):
    answers = tuple(LeaseAnswer(verdict, seconds) for _ in loop.request.renewals)
    return loop.answer(ExchangeResponse(renewals=answers))


def test_all_free_slots_are_asked_for_at_once_and_the_server_may_wait(place):
    loop = Stepped(claim_loop(place(poll_interval=7.0).services))

    assert loop.request.claim.max_tasks == 4
    assert 3.5 <= loop.request.claim.wait_seconds <= 7.0
    assert loop.request.request_id
    assert loop.request.worker_id == "w1"


def test_a_narrow_type_is_never_handed_more_tasks_than_may_run_at_once(place):
    here = place(Work(gated=True, max_concurrent=2), concurrency=8)
    loop = Stepped(claim_loop(here.services))
    assert loop.request.claim.max_tasks == 2
    loop.hand_out(grant("t1"))
    assert loop.request.claim.max_tasks == 1
    loop.hand_out(grant("t2"))

    assert loop.wait is None


def test_a_claim_under_way_counts_against_the_room_of_its_types(place):
    here = place(Work(gated=True, max_concurrent=2), concurrency=8)
    first, second = Stepped(claim_loop(here.services)), Stepped(claim_loop(here.services))
    assert second.wait is None
    first.answer(Unreachable("refused", maybe_seen=False))

    assert second.go_on().request.claim.max_tasks == 2


def test_types_with_room_for_all_slots_are_asked_for_by_themselves_without_a_wait(place):
    here = place(Work(max_concurrent=1), Work(task_type="Test.Wide"), concurrency=8)
    loop = Stepped(claim_loop(here.services))
    wide = loop.request.claim
    assert (wide.task_types, wide.max_tasks, wide.wait_seconds) == (("Test.Wide",), 8, 0.0)
    loop.hand_out()

    whole = loop.request.claim
    assert (whole.task_types, whole.max_tasks) == ((TYPE, "Test.Wide"), 1)
    assert whole.wait_seconds > 0


def test_no_more_tasks_of_a_type_with_a_rate_are_asked_for_than_may_start(place):
    here = place(Work(rate="3/min"), concurrency=8)
    loop = Stepped(claim_loop(here.services))

    assert loop.request.claim.max_tasks == 3


def test_r06_a_claim_whose_answer_was_lost_is_repeated_with_its_request_id_until_it_is_answered(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    first = loop.request
    for failure in (
        Unreachable("cut", maybe_seen=True),
        Unreachable("refused", maybe_seen=False),
        Throttled("busy"),
    ):
        loop.answer(failure)
        here.clock.turn(10)
        loop.go_on()
    again = loop.request
    assert (again.request_id, again.claim.max_tasks) == (first.request_id, first.claim.max_tasks)
    assert here.services.slots.free == 0
    loop.hand_out(grant("t1"))
    here.idle()

    assert here.ends() == [("t1", End.COMPLETED)]
    assert here.services.slots.free == 4 - loop.request.claim.max_tasks
    assert loop.request.request_id != first.request_id


def test_r05_the_lease_of_a_repeated_claim_counts_from_its_first_sending(place):
    here = place(Work(gated=True))
    loop = Stepped(claim_loop(here.services))
    loop.answer(Unreachable("cut", maybe_seen=True))
    here.clock.turn(20)
    loop.go_on()
    loop.hand_out(grant("t1"))

    (attempt,) = here.services.attempts.all()
    assert attempt.claim.expires_at == 60.0


def test_r05_a_claim_as_old_as_its_lease_is_not_repeated_but_asked_afresh(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    first = loop.request
    loop.answer(Unreachable("cut", maybe_seen=True))
    here.clock.turn(50)
    loop.go_on()

    assert loop.request.request_id != first.request_id
    assert here.services.slots.free == 0
    loop.hand_out(grant("t1"))
    here.idle()
    assert here.ends() == [("t1", End.COMPLETED)]


def test_r05_a_task_that_comes_after_its_lease_is_over_is_given_back_and_not_begun(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    here.clock.turn(61)
    loop.hand_out(grant("t1"))

    assert here.ends() == [("t1", End.RELEASED)]
    assert here.works[0].ran == []


def test_r16_the_time_limit_counts_from_the_start_however_long_the_claim_took(place):
    here = place(Work(gated=True, time_limit=100.0))
    loop = Stepped(claim_loop(here.services))
    loop.answer(Unreachable("cut", maybe_seen=True))
    here.clock.turn(40)
    loop.go_on()
    loop.hand_out(grant("t1"))

    (attempt,) = here.services.attempts.all()
    assert attempt.limit_at == 140.0


def test_a_claim_that_never_reached_the_server_gives_its_slots_back(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    loop.answer(Unreachable("refused", maybe_seen=False))

    assert here.services.slots.free == 4


def test_reports_go_out_in_one_call_and_a_claim_goes_along(place):
    here = place()
    loop = delivering(here)
    here.give(grant("t1"), grant("t2"))
    here.idle()
    loop.go_on()

    assert sorted(report.identity.task_id for report in loop.request.reports) == ["t1", "t2"]
    assert loop.request.claim.max_tasks == 4
    assert loop.request.claim.wait_seconds == 0
    accepted(loop, grant("t3"))
    here.idle()
    assert here.ends()[-1] == ("t3", End.COMPLETED)


def test_while_reports_go_out_the_claim_loop_rests(place):
    here = place()
    deliver = delivering(here)
    here.give(grant("t1"))
    here.idle()
    deliver.go_on()
    loop = Stepped(claim_loop(here.services))
    assert loop.wait is None
    accepted(deliver)
    assert here.services.shared.delivering is False

    assert loop.go_on().request.claim is not None


def test_r23_a_batch_that_does_not_pass_is_halved_and_claims_go_their_own_way(place):
    here = place(concurrency=8)
    loop = delivering(here)
    here.give(*(grant(f"t{number}") for number in range(8)))
    here.idle()
    sizes = []
    loop.go_on()
    while len(sizes) < 4:
        sizes.append(len(loop.request.reports))
        loop.answer(Rejected(400, "no"))
        while getattr(loop.effect, "request", None) is None:
            here.clock.turn(60)
            loop.go_on()

    assert sizes == [8, 4, 2, 1]
    assert loop.request.claim is None


def test_r23_a_call_that_fails_is_one_failure_however_many_reports_it_had(place):
    here = place(concurrency=8)
    loop = delivering(here)
    here.give(*(grant(f"t{number}") for number in range(8)))
    here.idle()
    loop.go_on()
    assert len(loop.request.reports) == 8

    loop.answer(Unreachable("connection reset"))

    assert loop.wait <= SERVER.seconds(1, 1.0)


def test_each_report_of_a_batch_gets_its_own_verdict(place):
    here = place()
    loop = delivering(here)
    here.give(grant("t1"), grant("t2"), grant("t3"))
    here.idle()
    loop.go_on()
    loop.answer(
        ExchangeResponse((ACCEPTED, ReportAnswer(Verdict.LOST, "gone"), ReportAnswer(Verdict.REFUSED, "no")))
    )

    (replacement,) = here.outcomes()
    assert isinstance(replacement, Failed)
    assert here.outbox.count("parked") == 1


def test_r07_a_claim_is_renewed_within_a_second_of_the_start_of_its_handler(place):
    here = place(Work(gated=True))
    here.give(grant("t1"))
    loop = renewing(here)
    assert loop.wait <= 1.0
    here.clock.turn(loop.wait)
    loop.go_on()

    assert [renewal.identity.token for renewal in loop.request.renewals] == ["token-t1"]


def running(place, **config):
    here = place(Work(gated=True), **config)
    here.give(grant("t1"))
    assert here.works[0].begun.wait(10), "the handler does not begin"
    loop = renewing(here)
    here.clock.turn(1)
    loop.go_on()
    return here, loop


def attempt_of(here):
    (attempt,) = here.services.attempts.all()
    return attempt


def test_a_renewed_claim_lasts_from_the_sending_of_its_renewal_and_is_renewed_at_a_third(place):
    here, loop = running(place)
    renewed(loop)

    assert attempt_of(here).claim.expires_at == 61.0
    seen = 0.0
    while getattr(loop.effect, "request", None) is None:
        here.clock.turn(loop.wait)
        seen += loop.wait
        loop.go_on()
    assert seen == pytest.approx(20.0, abs=0.1)


def test_r15_a_claim_that_the_server_calls_lost_ends_its_handler_and_is_not_renewed_again(place):
    here, loop = running(place)
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.LOST),)))
    here.clock.turn(100)

    assert attempt_of(here).cancelled is CancelReason.LOST
    assert loop.wait > 0


def test_r29_a_wish_to_cancel_reaches_the_handler_and_the_claim_lives_on(place):
    here, loop = running(place)
    renewed(loop, verdict=LeaseVerdict.CANCEL)

    assert attempt_of(here).cancelled is CancelReason.ASKED
    assert attempt_of(here).claim.expires_at == 61.0


def test_a_renewal_that_fails_is_tried_again_soon(place):
    _here, loop = running(place)
    loop.answer(Unreachable("away"))

    assert 0 < loop.wait <= 6


def test_r23_the_line_goes_on_when_a_renewal_says_that_the_server_is_back(place):
    here, loop = running(place)
    here.services.server_status.failed(Unreachable("connection reset"), 1.0)
    woken = []
    here.services.wakeups.deliver = lambda: woken.append(True)

    renewed(loop)

    assert woken


def test_r30_progress_and_checkpoint_go_along_once(place):
    here, loop = running(place)
    (ctx,) = here.works[0].contexts
    renewed(loop)
    ctx.progress(40, "page 1")
    ctx.checkpoint({"page": 1})
    here.clock.turn(21)
    loop.go_on()
    (renewal,) = loop.request.renewals
    assert (renewal.progress, renewal.message, renewal.checkpoint) == (40.0, "page 1", '{"page":1}')
    renewed(loop)
    here.clock.turn(21)
    loop.go_on()

    assert loop.request.renewals[0].progress is None


def test_progress_is_told_within_two_seconds_and_in_no_more_calls_than_that_takes(place):
    here, loop = running(place)
    (ctx,) = here.works[0].contexts
    renewed(loop)
    ctx.progress(10, "page 1")
    ctx.checkpoint({"page": 1})
    here.clock.turn(loop.wait)
    assert here.clock.monotonic() < 8.0, "long before the lease is due"
    loop.go_on()
    (told,) = loop.request.renewals
    assert (told.progress, told.message, told.checkpoint) == (10.0, "page 1", None)

    renewed(loop)
    ctx.progress(20, "page 2")
    here.clock.turn(0.5)
    loop.go_on()
    assert loop.wait == pytest.approx(0.5), "the next look at the reports that wait"
    here.clock.turn(0.5)
    loop.go_on()
    assert loop.wait == pytest.approx(0.5)
    here.clock.turn(0.5)
    loop.go_on()
    assert loop.request.renewals[0].progress == 20.0


def test_the_first_news_of_a_while_wakes_the_loop_and_is_told_at_once(place):
    here, loop = running(place)
    (ctx,) = here.works[0].contexts
    renewed(loop)
    here.clock.turn(1.0)
    loop.go_on()
    woken = []
    here.services.wakeups.lease = lambda: woken.append(True)
    for number in range(5):
        ctx.progress(number)
    assert woken == [True], "once, until it has been told"
    here.clock.turn(0.5)
    loop.go_on()
    assert loop.request.renewals[0].progress == 4.0


def test_progress_that_meets_no_answer_is_told_again_when_the_lease_needs_it(place):
    here, loop = running(place)
    (ctx,) = here.works[0].contexts
    renewed(loop)
    ctx.progress(10)
    here.clock.turn(loop.wait)
    loop.go_on()
    loop.answer(Unreachable("away"))

    assert loop.wait > 0
    here.clock.turn(loop.wait)
    loop.go_on()
    assert loop.request.renewals[0].progress == 10.0


def test_r21_a_claim_whose_report_waits_is_renewed_like_one_that_runs(place):
    here = place()
    here.give(grant("t1"))
    here.idle()
    loop = renewing(here)
    here.clock.turn(1)
    loop.go_on()

    assert [renewal.identity.task_id for renewal in loop.request.renewals] == ["t1"]
    loop.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.LOST),)))
    assert here.outcomes() == [Completed('{"done":"t1"}')]


def test_r36_a_task_that_comes_too_late_is_given_back(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    here.stop(grace=0.0)
    loop.hand_out(grant("t1"))

    (released,) = here.outcomes()
    assert isinstance(released, Released)
    assert here.ends() == [("t1", End.RELEASED)]
    assert here.faults() == ()


def test_r04_tasks_beyond_what_was_asked_for_are_given_back(place):
    here = place(Work(gated=True), concurrency=1)
    here.give(grant("t1"), grant("t2"))

    assert [attempt.ref.task_id for attempt in here.services.attempts.all()] == ["t1"]
    assert here.ends() == [("t2", End.RELEASED)]


def test_r03_an_unreadable_task_that_comes_twice_keeps_the_books_right(place):
    here = place()
    for _ in range(2):
        here.services.shared.delivering = False
        here.give(BadGrant("t1", TYPE, "its params are a list", token="k"))

    assert [type(outcome) for outcome in here.outcomes()] == [Failed]
    assert here.faults() == ()


def test_r06_a_stop_ends_the_claim_that_waits_by_a_repeat_of_it(place):
    here = place()
    claiming = Stepped(claim_loop(here.services))
    deliver = delivering(here)
    here.stop()
    deliver.go_on()

    assert deliver.request.request_id == claiming.request.request_id
    assert deliver.request.claim.wait_seconds == 0
    deliver.answer(ExchangeResponse())
    claiming.answer(ExchangeResponse())
    assert claiming.ended


def test_r40_a_quiet_worker_claims_nothing_but_keeps_asking(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    loop.answer(ExchangeResponse(command=WorkerCommand.QUIET))
    while getattr(loop.effect, "request", None) is None:
        here.clock.turn(loop.wait)
        loop.go_on()
    assert loop.request.claim is None
    loop.answer(ExchangeResponse(command=WorkerCommand.RUN))

    assert loop.request.claim is not None
    assert here.of(Notice)[0].message.startswith("the server wants this worker quiet")


def test_r35_a_vanished_extension_is_probed_for_and_the_base_is_used(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    loop.answer(ExtensionGone("HTTP 404"))
    assert loop.request == Probe()
    loop.answer(ServerInfo("v1", BASE))
    while getattr(loop.effect, "request", None) is None:
        here.clock.turn(loop.wait)
        loop.go_on()

    assert loop.request.claim.max_tasks == 1
    assert loop.request.request_id == ""


def test_r35_a_claim_that_went_along_unanswered_is_sent_again_to_a_server_that_has_only_the_base_by_now(
    place,
):
    here = place()
    loop = delivering(here)
    here.give(grant("t1"))
    here.idle()
    before = here.services.slots.reserved
    loop.go_on()
    assert loop.request.claim is not None
    loop.answer(Unreachable("connection reset"))
    here.services.can = BASE
    here.clock.turn(loop.wait)
    loop.go_on()

    assert loop.request.claim is not None
    loop.answer(ExchangeResponse(reports=(ACCEPTED,) * len(loop.request.reports)))
    assert here.services.slots.reserved == before


def test_r18_a_deferred_task_is_reported_as_released_with_its_delay(place):
    def later(_ctx):
        raise Defer("later", retry_in=90)

    here = place(Work(later))
    here.give(grant("t1"))
    here.idle()

    assert here.outcomes() == [Released("later", 90.0)]
    assert here.ends() == [("t1", End.RELEASED)]


def test_r22_children_travel_inside_the_report(place):
    here = place(Work(lambda ctx: ctx.submit("T.Child", {"n": 1}) or "done"))
    here.give(grant("t1"))
    here.idle()
    (report,) = here.waiting()

    assert [(child.type, child.params) for child in report.children] == [("T.Child", '{"n":1}')]


def test_r30_a_report_of_what_did_not_complete_takes_the_last_checkpoint_along(place):
    def broken(ctx):
        ctx.checkpoint({"page": 7})
        raise ValueError("x")

    here = place(Work(broken))
    here.give(grant("t1"))
    here.idle()

    assert here.waiting()[0].checkpoint == '{"page":7}'
