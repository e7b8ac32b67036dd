"""What a start finds in the state folder."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from prismq_worker_sdk import Unavailable
from prismq_worker_sdk.decide.delivery import Park
from prismq_worker_sdk.errors import OutboxError, StateFolderError
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.events import Notice, TypePaused, WorkerStarted
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox import folder as outbox_folder
from prismq_worker_sdk.testing import FakeClock
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.delivery_loop import delivery_loop
from prismq_worker_sdk.worker.supervision.recovery import open_state, recover
from prismq_worker_sdk.worker.supervision.supervisor import announce, close_books
from tests.support.loops import Stepped, Work, Workplace, grant
from tests.support.outbox import settled


def crashed(place, task_id="t1"):
    """Leaves a held claim behind, as a process does that is killed while the task runs."""
    place.works[0].gate.clear()
    claim = place.start(task_id).claim
    place.works[0].gate.set()
    place.idle()
    place.transactions.run(lambda db: db.execute("DELETE FROM outcomes"))
    place.outbox.hold(claim)


def said(place):
    return [notice.message for notice in place.of(Notice)]


def test_r27_an_orphan_is_left_to_lapse_and_reported_as_failed_at_its_third_crash(workplace):
    place = workplace()
    crashed(place)
    for _ in range(2):
        place = workplace()
        assert recover(place.services, ()) == 0
        assert "task t1 was cut off by a crash" in said(place)[0]
        assert "left to lapse" in said(place)[0]
        crashed(place)
    place = workplace()

    assert recover(place.services, ()) == 1
    assert "reported as failed" in said(place)[0]
    (failed,) = place.outcomes()
    assert (failed.error_type, failed.retryable) == ("crashed", None)
    assert "3 times" in failed.error


def test_r27_where_the_server_takes_tasks_back_an_orphan_is_reported_at_once(workplace):
    crashed(workplace())
    place = workplace(capabilities=Capabilities(releases=True))

    assert recover(place.services, ()) == 1
    assert [(outcome.error_type, outcome.retryable) for outcome in place.outcomes()] == [("crashed", True)]


def test_r27_an_orphan_that_lapsed_is_run_when_it_is_handed_out_again(workplace):
    crashed(workplace())
    work = Work()
    place = workplace(work)
    recover(place.services, ())
    place.run("t1")

    assert work.ran == ["t1"]
    assert place.faults() == ()


def test_r27_stored_reports_are_sent_before_the_first_claim_even_when_they_rested(workplace):
    place = workplace()
    place.run("t1", "t2")
    place = workplace(stored_sent=False)
    recovered = recover(place.services, ())
    claiming = Stepped(claim_loop(place.services))
    delivery = Stepped(delivery_loop(place.services))

    assert recovered == 2
    for task_id in ("t1", "t2"):
        assert claiming.go_on().seconds is None
        assert delivery.report.identity.task_id == task_id
        delivery.verdict(Verdict.ACCEPTED)
    claiming.go_on()
    assert claiming.request.claim is not None
    assert place.faults() == ()


def test_r26_a_report_of_an_earlier_process_may_have_been_sent_by_it(workplace):
    workplace().run("t1")
    place = workplace()
    recover(place.services, ())

    assert Stepped(delivery_loop(place.services)).report.maybe_seen


def test_r25_a_task_whose_result_an_earlier_process_left_is_not_run(workplace):
    workplace(worker_id="w1").run("t1")
    work = Work()
    place = workplace(work, worker_id="w2")
    recover(place.services, ())
    place.give(grant("t1"))

    assert work.ran == []
    (report,) = place.waiting()
    assert (report.identity.worker_id, report.outcome) == ("w2", Completed('{"done":"t1"}'))
    assert place.faults() == ()


def test_r18_a_pause_lasts_over_a_restart_and_is_shown(workplace, clock):
    def unavailable(ctx):
        raise Unavailable("quota used up", retry_in=600)

    workplace(Work(unavailable)).run("t1")
    clock.turn(100.0)
    place = workplace()
    recover(place.services, ())

    (paused,) = place.of(TypePaused)
    assert (paused.task_type, paused.reason, paused.seconds) == ("Test.Some", "quota used up", 500.0)
    assert place.services.availability.closed(clock.monotonic()) == {"Test.Some": "quota used up"}
    assert Stepped(claim_loop(place.services)).wait == 500.0
    clock.turn(500.0)
    later = workplace()
    recover(later.services, ())
    assert later.services.availability.closed(clock.monotonic()) == {}


def test_r18_a_pause_whose_reason_is_no_text_is_kept_all_the_same(workplace):
    def unavailable(ctx):
        raise Unavailable("cannot read caf\udce9.csv", retry_in=600)

    workplace(Work(unavailable)).run("t1")
    place = workplace()
    recover(place.services, ())

    (paused,) = place.of(TypePaused)
    assert paused.reason == "cannot read caf\\udce9.csv"


def test_r01_reports_that_belong_to_another_server_are_told_and_kept(workplace):
    workplace(server="http://one.invalid/api").run("t1")
    place = workplace(server="http://two.invalid/api")

    assert recover(place.services, ()) == 0
    (told,) = said(place)
    assert told.startswith("1 results in this state folder belong to http://one.invalid/api;")
    back = workplace(server="http://one.invalid/api")
    assert recover(back.services, ()) == 1


def test_r39_a_start_takes_over_what_a_free_instance_left(tmp_path, clock):
    first = open_state(tmp_path, "0", clock)
    other = open_state(tmp_path, None, clock)
    left = Workplace(other.instance.path, clock=clock)
    left.run("t1")
    left.close()
    other.close()
    first.close()
    again = open_state(tmp_path, None, clock)

    assert [report.identity.task_id for report in again.outbox.due(9)] == ["t1"]
    assert again.troubles == ()
    again.close()


def test_r39_an_instance_that_cannot_be_taken_over_is_told_and_does_not_stop_the_start(
    tmp_path, workplace, clock
):
    folder = tmp_path / "state"
    first, other = (open_state(folder, None, clock) for _ in range(2))
    broken = other.instance.database
    other.close()
    first.close()
    with closing(sqlite3.connect(broken)) as db:
        db.execute("PRAGMA user_version = 99")
    again = open_state(folder, None, clock)
    place = workplace()
    recover(place.services, again.troubles)

    assert "this outbox has format 99" in said(place)[0]
    again.close()


def test_r37_what_the_remains_of_a_dead_worker_hold_is_told_and_is_something_left(
    tmp_path, workplace, clock, monkeypatch
):
    monkeypatch.setattr(outbox_folder, "REMAINS_LIMIT", 0.0)
    folder = tmp_path / "state"
    dead = open_state(folder, None, clock)
    left = Workplace(dead.instance.path, clock=clock)
    left.run("t1")
    left.close()
    dead.outbox.close()  # its lock is held on
    (dead.instance.path / "lock").write_text(f"{2**22 - 3}")
    state = open_state(folder, None, clock)
    place = workplace()
    recover(place.services, state.troubles)
    place.stop()
    closed = close_books(place.services, elsewhere=state.left_elsewhere())
    state.close()
    dead.instance.release()

    assert said(place)[0].startswith("instance-0 of ")
    assert "left running by a worker that is dead" in said(place)[0]
    assert closed == (
        75,
        "the test stops it; 1 report of a dead worker is left: start me again on this state folder",
    )


def test_a_state_folder_on_a_file_system_of_doubtful_locks_draws_a_warning(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(outbox_folder, "unproven_file_system", lambda path: "9p")
    state = open_state(tmp_path, None, clock)
    state.close()

    (told,) = state.found
    assert (told.level, "is on 9p" in told.message) == ("warning", True)


@pytest.mark.parametrize("whose", ["its own", "a free instance's"])
def test_r39_a_damaged_outbox_does_not_stop_the_start_and_is_kept(whose, tmp_path, clock):
    states = [open_state(tmp_path, None, clock) for _ in range(2)]
    damaged = states[whose != "its own"].instance.database
    for state in states:
        state.close()
    damaged.write_bytes(b"this is no database" * 500)
    again = open_state(tmp_path, None, clock)

    (told,) = again.found
    assert told.level == "error"
    assert told.message.startswith(
        f"the outbox {damaged} is damaged (file is not a database); it is kept as outbox.db.dam"
    )
    assert [kept.read_bytes() for kept in damaged.parent.glob("outbox.db.damaged-*")] == [
        b"this is no database" * 500
    ]
    again.outbox.hold(Claim(Identity("s", "v1", "t", "T", "d", "w"), Task(id="t", type="T"), 0.0, 1.0))
    again.close()


def test_an_outbox_that_breaks_while_it_is_in_use_says_so_and_what_to_do(tmp_path, clock):
    open_state(tmp_path, None, clock).close()
    state = open_state(tmp_path, None, clock)
    assert state.outbox.transactions.damage is None
    size = state.instance.database.stat().st_size
    with state.instance.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))

    try:
        with pytest.raises(
            OutboxError, match=r"is damaged .*; start the worker again: it sets the file aside"
        ):
            state.outbox.due(9)
        assert "is damaged" in state.outbox.transactions.damage
    finally:
        state.close()


def test_a_folder_that_was_replaced_while_in_use_is_noticed(tmp_path, clock):
    state = open_state(tmp_path, None, clock)
    assert state.disk.look().free > 0
    path = state.instance.database
    path.rename(path.with_name("moved"))
    with pytest.raises(OSError, match="No such file"):
        state.disk.look()
    shutil.copy(path.with_name("moved"), path)

    with pytest.raises(OSError, match=r"outbox\.db was replaced while in use; start the worker again"):
        state.disk.look()
    state.close()


def parked(place, *details):
    for number, detail in enumerate(details):
        place.run(f"p{number}")
        settled(place.outbox, place.outbox.after(0, 99)[-1], Park(detail))


def test_what_is_parked_is_told_at_the_start_and_at_the_end_for_every_server(workplace):
    parked(workplace(server="https://one.invalid/api"), "HTTP 413: too large", "HTTP 413: too large")
    parked(workplace(server="https://two.invalid/api"), "no such task")
    place = workplace(server="https://one.invalid/api")
    recovered = recover(place.services, ())
    announce(place.services, state_dir="state", recovered=recovered)

    (told,) = said(place)[-2:-1]
    assert told == (
        "3 reports are parked in this state folder and not sent: 2: HTTP 413: too large; 1 for "
        "https://two.invalid/api: no such task; see prismq-worker outbox list --state parked"
    )
    assert [event.parked for event in place.of(WorkerStarted)] == [3]
    place.stop()
    code, reason = close_books(place.services)
    assert (code, place.faults()) == (0, ())
    assert reason.endswith(
        "nothing is left; 3 reports are parked: see prismq-worker outbox list --state parked"
    )


def test_a_report_that_cannot_be_read_is_parked_and_told_and_the_books_add_up(workplace):
    before = workplace()
    before.run("bad", "good")
    before.transactions.run(lambda db: db.execute("UPDATE outcomes SET body = '{' WHERE task_id = 'bad'"))
    place = workplace(stored_sent=False)

    assert recover(place.services, ()) == 1
    assert said(place)[0].startswith(
        "the report of task bad is parked: the stored report cannot be read: JSONDecodeError"
    )
    loop = Stepped(delivery_loop(place.services))
    assert loop.report.identity.task_id == "good"
    loop.verdict(Verdict.ACCEPTED)
    assert place.faults() == ()
    assert place.outbox.count("parked") == 1


def test_parked_reports_that_are_too_old_are_deleted_with_a_word(workplace, clock):
    parked(workplace(), "HTTP 413")
    clock.turn(91 * 86_400)
    place = workplace()
    recover(place.services, ())

    assert said(place) == ["1 parked reports were too old or too many, and were deleted"]
    assert place.outbox.count("parked") == 0


def test_a_state_that_was_closed_is_free_for_others(tmp_path):
    state = open_state(tmp_path, "mine", FakeClock())
    with pytest.raises(StateFolderError):
        open_state(tmp_path, "mine", FakeClock())
    state.close()
    open_state(tmp_path, "mine", FakeClock()).close()


def test_a_claim_that_cannot_be_read_is_left_to_lapse_and_does_not_stop_the_start(workplace):
    place = workplace()
    for task_id in ("bad", "good"):
        crashed(place, task_id)
    place.transactions.run(
        lambda db: db.execute("UPDATE holds SET worker_id = CAST(x'ff77' AS TEXT) WHERE task_id = 'bad'")
    )
    place = workplace()
    recover(place.services, ())

    assert said(place)[0] == "1 stored claims cannot be read and are left to lapse"
    assert "task good was cut off" in said(place)[1]
    assert place.outbox.resolve_orphans(retried=lambda _attempt: False) == []
    assert place.faults() == ()
