"""A task that is handed out again while its first attempt still runs here."""

import threading
from dataclasses import replace

from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import End
from prismq_worker_sdk.model.outcome import Completed
from tests.support.loops import Work, grant
from tests.support.processes import wait_until


def test_r09_a_running_task_that_is_handed_out_again_runs_once_and_is_reported_under_the_new_claim(workplace):
    work = Work(gated=True)
    place = workplace(work)
    place.give(grant("t1", token="first"))
    wait_until(work.begun.is_set, "the start")
    place.give(grant("t1", token="second"))

    assert place.services.slots.free == 1
    assert place.ends() == [("t1", End.LAPSED)]
    work.gate.set()
    place.idle()
    assert work.ran == ["t1"]
    assert place.ends() == [("t1", End.LAPSED), ("t1", End.COMPLETED)]
    (report,) = place.waiting()
    assert report.identity.token == "second"
    assert place.faults() == ()


def test_r09_the_lease_of_a_taken_over_claim_counts_from_its_own_sending(workplace):
    work = Work(gated=True)
    place = workplace(work, server_claim_timeout=100.0)
    attempt = place.start("t1")
    place.clock.turn(60.0)
    place.give(grant("t1"))

    assert attempt.claim.sent_at == 60.0
    assert attempt.limit_at == 150.0


def test_r16_taking_over_a_claim_does_not_lengthen_the_time_limit_of_the_handler(workplace):
    work = Work(gated=True, time_limit="2m")
    place = workplace(work, server_claim_timeout=100.0)
    attempt = place.start("t1")
    place.clock.turn(60.0)
    place.give(grant("t1"))

    assert attempt.limit_at == 120.0


def test_r09_a_task_with_a_cancelled_attempt_here_is_left_to_lapse(workplace):
    work = Work(gated=True)
    place = workplace(work)
    attempt = place.start("t1")
    attempt.cancel(CancelReason.TIME_LIMIT)
    place.give(grant("t1"))

    assert place.ends() == [("t1", End.LAPSED)]
    assert place.services.slots.free == 1
    work.gate.set()
    place.idle()
    assert work.ran == ["t1"]


def test_r09_a_task_with_a_stray_here_is_left_to_lapse(workplace):
    work = Work(gated=True)
    place = workplace(work)
    attempt = place.start("t1")
    assert attempt.abandon()
    place.services.slots.lose(attempt)
    place.give(grant("t1"))

    assert place.ends() == [("t1", End.LAPSED)]
    assert len(place.services.attempts.all()) == 1


def test_r09_a_handler_that_ends_in_the_middle_of_taking_over_is_reported_under_the_new_claim(workplace):
    work = Work(gated=True)
    place = workplace(work)
    attempt = place.start("t1")
    committed = threading.Event()

    class Interrupted:
        """The real outbox; the handler ends right after the claim was changed in it."""

        def __getattr__(self, name):
            return getattr(place.outbox, name)

        def rehold(self, old, new):
            changed = place.outbox.rehold(old, new)
            work.gate.set()
            committed.wait(0.2)
            return changed

        def end(self, *ends):
            first = place.outbox.end(*ends)
            committed.set()
            return first

    place.services = replace(place.services, outbox=Interrupted())
    place.give(grant("t1", token="second"))
    place.idle()

    assert attempt.claim.identity.token == "second"
    assert place.outcomes() == [Completed('{"done":"t1"}')]
    assert place.faults() == ()


def test_a_handler_that_ended_just_before_answers_the_new_claim_with_its_result(workplace):
    place = workplace()
    place.run("t1")
    place.give(grant("t1", token="second"))

    assert place.works[0].ran == ["t1"]
    assert [report.identity.token for report in place.waiting()] == ["second"]
    assert place.faults() == ()
