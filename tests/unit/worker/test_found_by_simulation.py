"""Sequences of events that the simulator found; each lost, doubled or held up something once."""

from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import Settle, judge
from prismq_worker_sdk.errors import Permanent
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Released
from prismq_worker_sdk.model.protocol import (
    ExchangeResponse,
    LeaseAnswer,
    LeaseVerdict,
    ReportAnswer,
    Unreachable,
)
from prismq_worker_sdk.model.report import Settlement, Verdict
from prismq_worker_sdk.worker.claim_loop import claim_apart, claim_loop
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.lease_loop import lease_loop
from tests.support.loops import TYPE, Stepped, Work
from tests.support.loops import grant as base_grant
from tests.unit.worker.test_exchange import ACCEPTED, LEASED, accepted, delivering, grant


@pytest.fixture
def place(workplace):
    def made(*works, concurrency=4, **config):
        return workplace(*works, capabilities=LEASED, concurrency=concurrency, **config)

    return made


def test_r23_a_line_that_rests_goes_on_as_soon_as_the_server_answers_another_loop(workplace):
    here = workplace()
    deliver = Stepped(delivery_loop(here.services))
    here.run("t1", "t2")
    deliver.go_on()
    for _ in range(8):  # the line rests longer and longer
        deliver.answer(Unreachable("away", maybe_seen=False))
        here.clock.turn(40)
        deliver.go_on()
    deliver.answer(Unreachable("away", maybe_seen=False))
    assert deliver.wait > 5
    here.give()

    deliver.go_on()
    assert deliver.report.identity.task_id == "t2"


def test_r12_a_settled_outcome_keeps_its_slot_until_the_disk_forgets_its_hold(place):
    here = place(Work(gated=True))
    attempt = here.start("t1")
    here.fill_disk()
    here.lock_disk()
    deliver = Stepped(delivery_loop(here.services))
    here.works[0].gate.set()
    while deliver.effect is None or not hasattr(deliver.effect, "request"):
        attempt.changed.wait(0.05)
        deliver.go_on()
    deliver.answer(ExchangeResponse((ACCEPTED,)))
    assert here.services.attempts.all() == (attempt,)

    here.free_disk()
    here.services.wakeups.commit()
    here.idle()
    assert here.outbox.resolve_orphans(retried=lambda _attempt: True) == []
    assert here.faults() == ()


def test_r22_a_result_that_is_reported_from_memory_has_its_children(place):
    here = place(Work(lambda ctx: ctx.submit("Test.Child", {}), gated=True))
    attempt = here.start("t1")
    here.lock_disk()
    here.works[0].gate.set()
    deliver = Stepped(delivery_loop(here.services))
    while deliver.effect is None or not hasattr(deliver.effect, "request"):
        attempt.changed.wait(0.05)
        deliver.go_on()

    assert deliver.report.children == (Child("0", "Test.Child", "{}"),)
    here.free_disk()
    deliver.answer(ExchangeResponse((ACCEPTED,)))


def test_slots_that_a_claim_beside_reports_kept_in_vain_are_claimed_for_again(place):
    here = place(concurrency=1)
    deliver = delivering(here)
    here.give(grant("t1"))
    here.idle()
    deliver.go_on()
    claim = Stepped(claim_loop(here.services))
    woken = []
    here.services.wakeups.claim = lambda: woken.append(here.services.slots.free)
    deliver.answer(Unreachable("cut", maybe_seen=True))
    here.clock.turn(1)
    claim.go_on()
    here.clock.turn(60)
    while getattr(deliver.effect, "request", None) is None:
        deliver.go_on()
    accepted(deliver)

    assert woken, "the claim loop sleeps for ever"
    assert woken[-1] == 1


def test_r06_the_wait_of_a_claim_is_ended_again_until_it_is_answered(place):
    here = place()
    deliver = delivering(here)
    waiting = Stepped(claim_loop(here.services))
    here.stop()
    deliver.go_on()
    assert deliver.request.request_id == waiting.request.request_id
    deliver.answer(ExchangeResponse())
    assert 0 < deliver.wait < 1

    deliver.go_on()
    assert deliver.request.request_id == waiting.request.request_id
    deliver.answer(ExchangeResponse())
    waiting.answer(ExchangeResponse())
    assert deliver.go_on() is None or deliver.wait is None


def test_r09_a_task_whose_result_was_accepted_while_its_claim_was_on_its_way_is_not_run_again(workplace):
    here = workplace()
    late = Stepped(claim_loop(here.services))
    deliver = Stepped(delivery_loop(here.services))
    here.run("t1")
    here.clock.turn(1)
    deliver.go_on()
    deliver.verdict(Verdict.ACCEPTED)
    late.hand_out(base_grant("t1"))

    assert here.works[0].ran == ["t1"]
    assert here.ends() == [("t1", End.COMPLETED), ("t1", End.LAPSED)]


@pytest.mark.parametrize("answered", [True, False], ids=["accepted before", "on its way meanwhile"])
def test_r09_a_task_whose_failure_is_reported_after_its_claim_ran_out_is_not_begun_by_a_claim_beside_that(
    workplace, answered
):
    here = workplace(Work(_fails), server_claim_timeout=60.0)
    here.run("t1")
    here.clock.turn(70)
    late = Stepped(claim_loop(here.services))
    deliver = Stepped(delivery_loop(here.services))
    assert deliver.report.identity.task_id == "t1"
    if answered:
        deliver.verdict(Verdict.ACCEPTED)
    late.hand_out(base_grant("t1"))

    assert here.works[0].ran == ["t1"], (
        "the report may count for the new claim, and somebody else has the task"
    )
    assert here.ends() == [("t1", End.FAILED), ("t1", End.LAPSED)]


def test_r09_a_report_whose_claim_runs_out_on_its_way_is_a_late_one(workplace):
    here = workplace(Work(_fails), server_claim_timeout=60.0)
    here.run("t1")
    here.clock.turn(59)
    late = Stepped(claim_loop(here.services))
    deliver = Stepped(delivery_loop(here.services))
    assert deliver.report.identity.task_id == "t1"
    here.clock.turn(2)
    late.hand_out(base_grant("t1"))

    assert here.works[0].ran == ["t1"]


def test_r09_what_was_overtaken_is_forgotten_when_its_report_is_answered(workplace):
    here = workplace(Work(_fails), server_claim_timeout=60.0)
    here.run("t1")
    here.clock.turn(70)
    deliver = Stepped(delivery_loop(here.services))
    deliver.verdict(Verdict.CONFLICT)
    here.clock.turn(1)
    here.give(base_grant("t1"))
    here.idle()

    assert here.works[0].ran == ["t1", "t1"], "the task is handed out again, and nothing stands in its way"


def test_r09_a_task_that_failed_in_time_may_be_handed_out_again_beside_its_report(workplace):
    here = workplace(Work(_fails), server_claim_timeout=60.0)
    late = Stepped(claim_loop(here.services))
    deliver = Stepped(delivery_loop(here.services))
    here.run("t1")
    deliver.go_on()
    deliver.verdict(Verdict.ACCEPTED)
    late.hand_out(base_grant("t1"))
    here.idle()

    assert here.works[0].ran == ["t1", "t1"]


def _fails(ctx):
    raise Permanent("as planned")


def test_r36_handlers_are_told_to_end_while_a_renewal_is_not_answered(place):
    here = place(Work(gated=True))
    here.give(grant("t1"))
    (attempt,) = here.services.attempts.all()
    renewing = Stepped(lease_loop(here.services))
    here.clock.turn(1)
    renewing.go_on()
    assert renewing.request.renewals, "from here on the lease loop waits for an answer"
    supervisor = here.supervised()
    here.stop(grace=25.0)
    here.clock.turn(17)
    supervisor.go_on()

    assert attempt.cancelled is CancelReason.STOPPING


def test_r21_a_renewal_is_given_up_in_time_for_two_more_before_its_lease_ends(place):
    here = place(Work(gated=True))
    here.give(grant("t1"))
    loop = Stepped(lease_loop(here.services))
    here.clock.turn(1)
    loop.go_on()

    assert loop.request.within == LEASED.lease_seconds / 4


def test_r36_a_task_that_comes_while_the_worker_drains_goes_back_at_once(place):
    here = place()
    loop = Stepped(claim_loop(here.services))
    here.stop()
    loop.hand_out(grant("t1"))

    assert here.works[0].ran == []
    assert here.outcomes() == [Released("it came while the worker stops")]
    assert here.faults() == ()


def test_r25_a_task_that_comes_while_the_worker_drains_is_answered_with_the_result_that_is_here(place):
    here = place()
    here.give(grant("t1"))
    here.idle()
    claim_apart(here.services)
    loop = Stepped(claim_loop(here.services))
    here.stop()
    loop.hand_out(replace(grant("t1"), token="later"))

    assert [(report.identity.token, type(report.outcome)) for report in here.waiting()] == [
        ("later", Completed)
    ]


def test_r27_an_orphan_whose_claim_had_another_end_is_lost_and_not_parked(place):
    here = place()
    here.give(grant("t1"))
    here.idle()
    (report,) = here.waiting()
    orphan = replace(report, outcome=Failed("crashed: the worker ended", "crashed", retryable=True))

    judgement = judge(orphan, ReportAnswer(Verdict.REFUSED, "reported before"))
    assert isinstance(judgement, Settle)
    assert judgement.settlement is Settlement.LOST


def test_r21_more_waiting_claims_than_one_call_takes_are_all_renewed(place):
    here = place(concurrency=4)
    here.services.can = replace(LEASED, max_tasks=2)
    here.give(*(grant(f"t{number}") for number in range(2)))
    here.idle()
    claim_apart(here.services)
    here.give(*(grant(f"t{number}") for number in range(2, 4)))
    here.idle()
    loop = Stepped(lease_loop(here.services))
    here.clock.turn(1)
    loop.go_on()
    renewed = set()
    while getattr(loop.effect, "request", None) is not None:
        renewed |= {renewal.identity.task_id for renewal in loop.request.renewals}
        answers = tuple(LeaseAnswer(LeaseVerdict.RENEWED, 60.0) for _ in loop.request.renewals)
        loop.answer(ExchangeResponse(renewals=answers))

    assert renewed == {"t0", "t1", "t2", "t3"}


def test_a_claim_that_waits_is_asked_anew_when_another_type_can_be_claimed(place):
    here = place(Work(), Work(task_type="Test.Other"))
    here.services.availability.set_ready("Test.Other", "not yet")
    deliver = delivering(here)
    waiting = Stepped(claim_loop(here.services))
    assert waiting.request.claim.task_types == (TYPE,)
    deliver.go_on()
    assert deliver.wait is None
    here.services.availability.set_ready("Test.Other", None)
    deliver.go_on()

    assert deliver.request.request_id == waiting.request.request_id
    assert deliver.request.claim.wait_seconds == 0


def test_a_claim_that_waits_is_asked_anew_when_the_pause_of_a_type_is_over(place):
    here = place(Work(), Work(task_type="Test.Other"))
    here.services.availability.pause("Test.Other", 30.0, "quota", now=0.0)
    deliver = delivering(here)
    waiting = Stepped(claim_loop(here.services))
    deliver.go_on()
    assert deliver.wait == 30.0
    here.clock.turn(30)
    deliver.go_on()

    assert deliver.request.request_id == waiting.request.request_id


def test_r21_a_claim_that_began_and_ended_between_two_looks_is_renewed_until_its_verdict(place):
    here = place()
    deliver = delivering(here)
    here.give(grant("t1"))
    here.idle()
    renew = Stepped(lease_loop(here.services))
    deliver.go_on()
    accepted(deliver, grant("t2"))
    here.idle()
    here.clock.turn(renew.wait)
    renew.go_on()
    renew.answer(ExchangeResponse(renewals=(LeaseAnswer(LeaseVerdict.LOST, None),)))
    for _ in range(2):  # the look, and the renewal that is due after it
        here.clock.turn(renew.wait)
        renew.go_on()

    assert [renewal.identity.task_id for renewal in renew.request.renewals] == ["t2"]
