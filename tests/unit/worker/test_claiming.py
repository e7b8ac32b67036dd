"""The claim loop: what it asks for, when, and what becomes of what it gets."""

import pytest

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import End, Notice, ServerLost, TypePaused
from prismq_worker_sdk.model.outcome import Failed
from prismq_worker_sdk.model.protocol import (
    BadGrant,
    Conflict,
    ExchangeResponse,
    NoKey,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.room import Space
from tests.support.loops import ROOM, Stepped, Work, grant

MANY = Capabilities(max_tasks=128)


def test_r04_slots_are_reserved_while_the_claim_is_on_its_way(workplace):
    place = workplace(Work(gated=True), concurrency=3, capabilities=MANY)
    loop = Stepped(claim_loop(place.services))

    assert loop.request.claim.max_tasks == 3
    assert place.services.slots.free == 0
    loop.hand_out(grant("t1"))
    assert loop.request.claim.max_tasks == 2
    assert place.services.slots.free == 0


def test_r04_an_empty_answer_and_a_failure_give_the_slots_back(workplace):
    place = workplace(concurrency=3)
    loop = Stepped(claim_loop(place.services))
    loop.hand_out()
    assert place.services.slots.free == 3
    place.clock.turn(loop.wait)
    loop.go_on()
    loop.answer(Unreachable("cut"))
    assert place.services.slots.free == 3


def test_r04_a_claim_asks_for_no_more_than_the_runs_that_are_left(workplace):
    place = workplace(concurrency=4, capabilities=MANY, max_runs=3)
    loop = Stepped(claim_loop(place.services))

    assert loop.request.claim.max_tasks == 3
    loop.hand_out(grant("t1"), grant("t2"))
    place.idle()
    assert loop.request.claim.max_tasks == 1
    loop.hand_out(grant("t3"))
    place.idle()
    assert loop.wait is None


def test_r04_with_every_slot_taken_the_loop_waits_for_a_change(workplace):
    work = Work(gated=True)
    place = workplace(work, concurrency=1)
    loop = place.give(grant("t1"))

    assert loop.wait is None
    work.gate.set()
    place.idle()
    loop.go_on()
    assert loop.request.claim is not None


def test_r04_a_claim_in_flight_when_the_worker_stops_is_dealt_with(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    place.stop()
    loop.hand_out(grant("t1"))

    assert loop.ended
    place.idle()
    assert place.works[0].ran == ["t1"]
    assert place.ends() == [("t1", End.COMPLETED)]


def test_r36_a_claim_that_arrives_when_handlers_are_being_cancelled_lapses(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    place.stop(grace=25.0)
    place.clock.turn(17.0)
    loop.hand_out(grant("t1"))

    assert loop.ended
    assert place.works[0].ran == []
    assert place.ends() == [("t1", End.LAPSED)]
    assert place.services.slots.free == 2


def test_r05_a_lease_counts_from_the_sending_of_its_claim(workplace):
    place = workplace(Work(gated=True), server_claim_timeout=100.0)
    place.clock.turn(50.0)
    loop = Stepped(claim_loop(place.services))
    place.clock.turn(20.0)
    loop.hand_out(grant("t1"))
    (attempt,) = place.services.attempts.all()

    assert attempt.claim.expires_at == 150.0
    assert attempt.limit_at == 140.0


def test_r03_a_bad_task_fails_for_good_and_its_neighbours_run(workplace):
    place = workplace(capabilities=MANY)
    place.give(BadGrant("t1", "Test.Some", "params is a list"), grant("t2"))
    place.idle()

    assert place.works[0].ran == ["t2"]
    assert sorted(place.ends()) == [("t1", End.FAILED), ("t2", End.COMPLETED)]
    (failed,) = [outcome for outcome in place.outcomes() if isinstance(outcome, Failed)]
    assert (failed.error_type, failed.retryable) == ("unreadable_task", False)
    assert "params is a list" in failed.error
    assert place.faults() == ()


def test_r03_a_bad_task_without_an_id_lapses_and_its_neighbours_run(workplace):
    place = workplace(capabilities=MANY)
    place.give(BadGrant(None, "", "no id"), grant("t2"))
    place.idle()

    assert place.works[0].ran == ["t2"]
    assert sorted(place.ends()) == [("?", End.LAPSED), ("t2", End.COMPLETED)]
    assert place.faults() == ()


def test_a_task_of_a_type_that_nobody_asked_for_lapses(workplace):
    place = workplace()
    loop = place.give(grant("t1", "Test.Other"))

    assert loop.wait > 0
    assert place.ends() == [("t1", End.LAPSED)]
    assert place.services.slots.free == 2
    assert any("Test.Other" in notice.message for notice in place.of(Notice))


def test_only_types_with_room_are_asked_for(workplace):
    narrow = Work(gated=True, task_type="Test.Narrow", max_concurrent=1)
    place = workplace(narrow, Work(task_type="Test.Wide"), concurrency=3)
    loop = Stepped(claim_loop(place.services))

    assert loop.request.claim.task_types == ("Test.Narrow", "Test.Wide")
    loop.hand_out(grant("t1", "Test.Narrow"))
    assert loop.request.claim.task_types == ("Test.Wide",)


def test_a_type_with_a_rate_is_asked_for_again_when_a_start_is_free(workplace):
    place = workplace(Work(rate="2/min"))
    loop = place.give(grant("t1"))
    place.idle()
    loop.hand_out(grant("t2"))
    place.idle()

    assert loop.wait == pytest.approx(30.0)
    place.clock.turn(30.0)
    loop.go_on()
    assert loop.request.claim.task_types == ("Test.Some",)


def test_idle_waits_grow_to_the_poll_interval_and_a_task_ends_them(workplace):
    place = workplace(poll_interval=4.0)
    loop = place.give(grant("t0"))
    place.idle()
    waits = []
    for _ in range(8):
        loop.hand_out()
        waits.append(loop.wait)
        place.clock.turn(loop.wait)
        loop.go_on()

    assert waits[0] <= 0.1
    assert 2.0 <= waits[-1] <= 4.0
    loop.hand_out(grant("t1"))
    assert loop.request.claim is not None


def test_a_rest_is_not_cut_short_by_other_changes(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    loop.answer(Throttled("busy", retry_after=30.0))
    asked = loop.wait
    place.clock.turn(10.0)
    loop.go_on()

    assert asked >= 30.0
    assert loop.wait == pytest.approx(asked - 10.0)


def test_a_rest_ends_when_the_worker_stops(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    loop.answer(Unreachable("gone"))
    place.stop()
    loop.go_on()

    assert loop.ended


def test_r34_a_conflict_is_tried_again_quickly_three_times_and_then_at_the_poll_interval(workplace):
    place = workplace(poll_interval=10.0)
    loop = Stepped(claim_loop(place.services))
    waits = []
    for _ in range(4):
        loop.answer(ExchangeResponse(tasks=Conflict()))
        waits.append(loop.wait)
        place.clock.turn(loop.wait)
        loop.go_on()

    assert max(waits[:3]) <= 0.2
    assert waits[3] >= 5.0
    assert place.services.server_status.trouble() is None


def test_r34_a_refused_key_pauses_claiming_until_it_is_taken_again(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    loop.answer(Unauthorised("HTTP 401"))

    assert loop.wait > 0
    assert place.services.server_status.trouble() == "the server refuses the API key"
    assert place.services.lifecycle.running
    place.clock.turn(loop.wait)
    loop.go_on()
    loop.answer(Unauthorised("HTTP 401"))
    assert len([notice for notice in place.of(Notice) if notice.level == "error"]) == 1
    place.clock.turn(loop.wait)
    loop.go_on()
    loop.hand_out(grant("t1"))
    assert place.services.server_status.trouble() is None
    place.idle()


def test_r34_a_key_file_that_cannot_be_read_is_told_though_the_old_key_was_refused_before(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    for answer in (Unauthorised("HTTP 401"), NoKey("TASKMANAGER_API_KEY_FILE names /k, which is empty")):
        loop.answer(answer)
        place.clock.turn(loop.wait)
        loop.go_on()

    told = [notice.message for notice in place.of(Notice) if notice.level == "error"]
    assert told[1].startswith(
        "there is no API key to send (TASKMANAGER_API_KEY_FILE names /k, which is empty);"
    )
    assert all("for another TASKMANAGER_API_KEY start the worker again" in one for one in told)
    assert place.services.server_status.trouble() == "there is no API key to send"
    loop.hand_out()
    assert place.services.server_status.trouble() is None


def test_r33_a_foreign_answer_later_is_taken_for_a_server_that_is_away(workplace):
    place = workplace(poll_interval=0.1)
    loop = Stepped(claim_loop(place.services))
    waits = []
    for _ in range(6):
        loop.answer(UnrecognisedServer("HTML of a proxy"))
        waits.append(loop.wait)
        place.clock.turn(loop.wait)
        loop.go_on()

    assert waits[-1] > 4 * waits[0]
    assert len(place.of(ServerLost)) == 1
    assert "has not answered" in place.services.server_status.trouble()
    loop.hand_out()
    assert place.services.server_status.trouble() is None


def test_r27_nothing_is_claimed_before_the_stored_reports_were_sent(workplace):
    place = workplace(stored_sent=False)
    loop = Stepped(claim_loop(place.services))

    assert loop.wait is None
    place.services.shared.stored_sent = True
    loop.go_on()
    assert loop.request.claim is not None


def test_r12_without_room_for_the_results_of_every_slot_nothing_is_claimed(workplace):
    place = workplace(concurrency=4)
    place.disk.space = Space(4 * 8 * 2**20 - 1)
    loop = Stepped(claim_loop(place.services))

    for _ in range(2):
        place.clock.turn(loop.wait)
        loop.go_on()
    (told,) = place.of(Notice)
    assert "32 MiB are needed" in told.message
    place.disk.space = Space(ROOM)
    place.clock.turn(loop.wait)
    loop.go_on()
    assert loop.request.claim is not None


def test_a_state_folder_that_cannot_be_looked_at_holds_claims_back_and_does_not_end_the_loop(workplace):
    place = workplace()

    def unreadable():
        raise OSError("input/output error")

    place.disk.look = unreadable
    loop = Stepped(claim_loop(place.services))

    assert loop.wait > 0
    assert "input/output error" in place.of(Notice)[0].message


def test_a_claim_that_cannot_be_written_down_lapses_and_the_queue_is_not_emptied(workplace):
    place = workplace()
    loop = Stepped(claim_loop(place.services))
    place.fill_disk()
    loop.hand_out(grant("x" * 200_000))

    assert place.works[0].ran == []
    assert [end for _, end in place.ends()] == [End.LAPSED]
    assert place.services.slots.free == 2
    assert loop.wait > 0
    place.free_disk()


def test_r18_a_paused_type_is_asked_for_again_when_its_time_is_over(workplace):
    place = workplace()
    place.services.availability.pause("Test.Some", 60.0, "quota used up", now=place.clock.monotonic())
    loop = Stepped(claim_loop(place.services))

    assert loop.wait == 60.0
    assert place.of(TypePaused)[0].reason == "quota used up"
    place.clock.turn(60.0)
    loop.go_on()
    assert loop.request.claim.task_types == ("Test.Some",)
