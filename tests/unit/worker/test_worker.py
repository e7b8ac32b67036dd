"""A whole worker in this process, against a strict base server over real HTTP."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from prismq_worker_sdk import PluginSettings, TaskHandler, Worker
from prismq_worker_sdk.errors import OutboxError, SettingsError, UsageError
from prismq_worker_sdk.handlers.task_handler import as_handler
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.events import (
    ClaimEnded,
    End,
    HandlerOverran,
    Notice,
    Phase,
    PhaseChanged,
    ReportDelayed,
    ReportSettled,
    ServerLost,
    ServerRegained,
    TypePaused,
    WorkerStarted,
    WorkerStopped,
)
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.outbox import folder
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.plugin_settings import plugin_settings_source
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.worker import claim_loop, driver, lease_loop, room, standing_by
from prismq_worker_sdk.worker.config import WorkerConfig
from tests.support.base_server import BaseServer
from tests.support.loops import TYPE, Work
from tests.support.outbox import commit
from tests.support.processes import wait_until

SOON = 10.0


class Settings:
    def __init__(self, **given):
        self._given = given

    def config(self):
        return WorkerConfig(**self._given)


class Running:
    """A worker and what it told."""

    def __init__(self, works, **config):
        self.works = works
        self.events = []
        self.begun = False
        self.worker = Worker(
            [work.handler for work in works], settings=Settings(**config), listeners=[self.events.append]
        )

    def begin(self):
        self.worker.start()
        self.begun = True

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def seen(self, kind, number=1):
        wait_until(lambda: len(self.of(kind)) >= number, kind.__name__, deadline=SOON)

    def ended(self):
        code = self.worker.wait(SOON)
        assert code is not None, self.events[-5:]
        return code

    def said(self):
        return [notice.message for notice in self.of(Notice)]

    def clean_up(self):
        for work in self.works:
            work.gate.set()
        self.worker.stop(0.0)
        if self.begun:
            self.ended()


@pytest.fixture
def server():
    with BaseServer() as running:
        yield running


@pytest.fixture
def make(tmp_path, server):
    made = []

    def make(*works, **config):
        given = {"api_url": server.url, "state_dir": tmp_path / "state", "poll_interval": 0.02} | config
        made.append(Running(works or (Work(),), **given))
        return made[-1]

    yield make
    for running in made:
        running.clean_up()


@pytest.fixture
def start(make):
    def start(*works, **config):
        running = make(*works, **config)
        running.begin()
        return running

    return start


def add(server, number=1, **more):
    return server.state.add([{"type": TYPE, **more}] * number)


def status(server, task_id):
    return server.state.tasks[task_id]["status"]


def reports(server):
    calls = [exchange for exchange in server.state.exchanges if exchange["call"] in {"complete", "fail"}]
    return [(call["task"], call["worker_id"], call["status"]) for call in calls]


class LateSettings(PluginSettings):
    late_token: SecretStr


class Unserved(TaskHandler):
    task_type = "Late.Unserved"

    def ready(self):
        return f"nobody takes {self.settings.late_token.get_secret_value()}"

    def process(self, params: dict, ctx):
        return None


def test_a_secret_that_a_plugin_reads_later_is_known_to_the_redactor(make, tmp_path, monkeypatch):
    monkeypatch.setenv("LATE_TOKEN_FILE", str(tmp_path / "token"))
    handler = as_handler(Unserved()).with_settings_from(plugin_settings_source(LateSettings))
    running = make(SimpleNamespace(handler=handler, gate=threading.Event()))
    (tmp_path / "token").write_text("a-token-that-came-late")
    running.begin()
    running.seen(TypePaused)

    assert [event.reason for event in running.of(TypePaused)] == ["nobody takes [redacted]"]


def test_tasks_are_claimed_run_and_reported_and_the_numbers_say_so(server, start):
    ids = add(server, 5)
    running = start(max_runs=5)

    assert running.ended() == 0
    assert {status(server, task_id) for task_id in ids} == {"completed"}
    assert sorted(running.works[0].ran) == sorted(ids)
    assert running.worker.stats.ends["completed"] == 5
    assert server.state.violations == []
    assert running.events[-1] == WorkerStopped(0, "--max-runs 5 is reached; nothing is left")


def test_r01_a_report_goes_out_under_the_id_of_its_claim_from_a_later_process_with_another(server, start):
    (task_id,) = add(server)
    server.state.faults = {"complete": {"kinds": ["reset"]}}
    first = start(worker_id="first")
    first.seen(ReportDelayed)
    first.worker.stop(0.0)
    assert first.ended() == 75
    server.state.faults = {}
    second = start(worker_id="second")
    wait_until(lambda: status(server, task_id) == "completed", "the delivery", deadline=SOON)
    second.worker.stop()

    assert second.ended() == 0
    assert second.works[0].ran == []
    assert [worker_id for _, worker_id, _ in reports(server) if worker_id] == ["first"]


def test_r01_a_report_waits_for_its_own_server(server, start):
    (task_id,) = add(server)
    server.state.faults = {"complete": {"kinds": ["reset"]}}
    first = start()
    first.seen(ReportDelayed)
    first.worker.stop(0.0)
    first.ended()
    server.state.faults = {}
    with BaseServer() as other:
        elsewhere = start(api_url=other.url)
        elsewhere.seen(WorkerStarted)
        wait_until(lambda: other.state.exchanges[1:], "the first claim", deadline=SOON)
        elsewhere.worker.stop()
        assert elsewhere.ended() == 0
        assert reports(other) == []
    back = start()
    wait_until(lambda: status(server, task_id) == "completed", "the delivery", deadline=SOON)
    back.worker.stop()
    assert back.ended() == 0


def test_r03_a_task_that_cannot_be_read_fails_and_the_others_run(server, start):
    (bad,) = add(server, params=["a", "list"])
    (good,) = add(server)
    running = start(max_runs=2)

    assert running.ended() == 0
    assert (status(server, bad), status(server, good)) == ("failed", "completed")
    assert "cannot be read" in server.state.tasks[bad]["error"]
    assert running.works[0].ran == [good]


def test_r04_max_runs_is_never_exceeded_however_many_slots_are_free(server, start):
    add(server, 10)
    running = start(concurrency=8, max_runs=3)

    assert running.ended() == 0
    assert len(running.works[0].ran) == 3
    assert len([task for task in server.state.tasks.values() if task["status"] == "pending"]) == 7


def test_r16_with_every_slot_lost_to_a_stray_the_worker_drains_and_exits_with_75(server, start, monkeypatch):
    monkeypatch.setattr("prismq_worker_sdk.decide.leases.ABANDON_AFTER", 0.05)
    monkeypatch.setattr(lease_loop, "ABANDON_AFTER", 0.05)
    (task_id,) = add(server)
    running = start(Work(gated=True, time_limit=0.05), concurrency=1)

    assert running.ended() == 75
    assert status(server, task_id) == "failed"
    assert "time limit" in server.state.tasks[task_id]["error"]
    assert len(running.of(HandlerOverran)) == 1
    assert "every slot is lost" in running.events[-1].reason


def test_r19_a_worker_whose_only_type_goes_on_failing_exits_with_1(server, start):
    def broken(ctx):
        raise RuntimeError("broken")

    add(server, 5)
    running = start(Work(broken), concurrency=1, max_consecutive_errors=3)

    assert running.ended() == 1
    assert len(running.works[0].ran) == 3
    assert "every task type is paused by errors" in running.events[-1].reason


def test_r26_a_report_whose_answer_was_lost_is_unconfirmed(server, start):
    (task_id,) = add(server)
    server.state.faults = {"complete": {"kinds": ["lost_answer"], "times": 1}}
    running = start()
    wait_until(lambda: running.of(ReportSettled), "the verdict", deadline=SOON)
    running.worker.stop()

    assert running.ended() == 0
    assert status(server, task_id) == "completed"
    assert [event.settlement for event in running.of(ReportSettled)] == [Settlement.UNCONFIRMED]


def test_r27_stored_reports_go_out_before_the_first_claim(server, start):
    add(server, 3)
    server.state.faults = {"complete": {"kinds": ["reset"]}}
    first = start()
    first.seen(ClaimEnded, 3)
    first.worker.stop(0.0)
    assert first.ended() == 75
    server.state.faults = {}
    before = len(server.state.exchanges)
    second = start()
    second.seen(ReportSettled, 3)
    second.worker.stop()
    assert second.ended() == 0

    calls = [exchange["call"] for exchange in server.state.exchanges[before:]]
    assert calls[:4] == ["health", "complete", "complete", "complete"]


def test_r31_a_loop_that_dies_stops_the_worker_with_a_clear_message(server, start, monkeypatch):
    def broken(services, arrivals, held=None):
        raise LookupError("a bug in the claim loop")

    monkeypatch.setattr(claim_loop, "accept", broken)
    add(server)
    running = start(grace_period=0.3)

    assert running.ended() == 1
    assert "the claim loop died: LookupError: a bug in the claim loop" in running.events[-1].reason


def test_r31_a_loop_that_hangs_stops_the_worker_with_a_clear_message(server, start, monkeypatch):
    gate = threading.Event()

    def hanging(services, arrivals, held=None):
        gate.wait()

    monkeypatch.setattr(claim_loop, "accept", hanging)
    monkeypatch.setattr(driver, "STEP_LIMIT", 0.05)
    add(server)
    running = start(grace_period=0.3)

    assert running.ended() == 1
    assert "the claim loop hangs" in running.events[-1].reason
    gate.set()


def test_r31_a_worker_with_a_dead_loop_is_not_live(server, start, monkeypatch):
    def broken(services, arrivals, held=None):
        raise LookupError("a bug")

    monkeypatch.setattr(claim_loop, "accept", broken)
    add(server)
    running = start(grace_period=3600.0)
    wait_until(lambda: not running.worker.health().live, "the death of the loop", deadline=SOON)

    assert not running.worker.health().ready
    assert "the claim loop died: LookupError: a bug" in running.worker.health().reasons


def test_r33_a_worker_is_ready_while_its_server_answers(server, start):
    running = start()
    wait_until(lambda: running.worker.health().ready, "readiness", deadline=SOON)
    server.state.away = True
    running.seen(ServerLost)
    assert not running.worker.health().ready
    assert running.worker.health().live
    server.state.away = False
    running.seen(ServerRegained)
    wait_until(lambda: running.worker.health().ready, "readiness", deadline=SOON)


def test_r40_a_worker_that_is_told_to_be_quiet_is_not_ready_and_says_why(start):
    running = start()
    wait_until(lambda: running.worker.health().ready, "readiness", deadline=SOON)
    services = running.worker._supervisor._services
    services.apply_command(WorkerCommand.QUIET)
    assert running.worker.health() == Health(
        live=True, ready=False, reasons=("the server wants this worker quiet",)
    )
    services.apply_command(WorkerCommand.RUN)
    assert running.worker.health().ready


def test_a_server_that_is_away_too_long_ends_the_worker_where_that_was_asked_for(server, start):
    running = start(unreachable_timeout=0.05)
    running.seen(WorkerStarted)
    server.state.away = True

    assert running.ended() == 1
    assert "the server has not answered for" in running.events[-1].reason


def test_r36_an_idle_worker_goes_through_every_phase_and_exits(server, start):
    running = start(poll_interval=3600.0, grace_period=3600.0)
    running.seen(WorkerStarted)
    running.worker.stop()

    assert running.ended() == 0
    phases = [event.phase for event in running.of(PhaseChanged)]
    assert phases == [Phase.DRAINING, Phase.FLUSHING, Phase.STOPPED]


def test_r36_a_running_task_ends_and_is_reported_while_the_worker_drains(server, start):
    (task_id, other) = add(server, 2)
    work = Work(gated=True)
    running = start(work, concurrency=1, grace_period=3600.0)
    assert work.begun.wait(SOON)
    running.worker.stop()
    running.seen(PhaseChanged)
    work.gate.set()

    assert running.ended() == 0
    assert (status(server, task_id), status(server, other)) == ("completed", "pending")


def test_r36_flushing_reports_what_rests_in_its_back_off(server, start):
    (task_id,) = add(server)
    server.state.faults = {"complete": {"kinds": ["http_500"]}}
    running = start(grace_period=3600.0)
    running.seen(ReportDelayed, 3)
    server.state.faults = {}
    running.worker.stop()

    assert running.ended() == 0
    assert status(server, task_id) == "completed"


def test_r36_a_second_wish_to_stop_ends_the_worker_now(server, start):
    add(server)
    work = Work(gated=True)
    running = start(work, grace_period=3600.0)
    assert work.begun.wait(SOON)
    running.worker.stop()
    running.worker.stop(0.0)

    assert running.ended() == 75
    assert [event.end for event in running.of(ClaimEnded)] == [End.LAPSED]


def test_a_worker_that_is_stopped_before_it_found_its_server_ends(make, unused_port):
    running = make(api_url=f"http://127.0.0.1:{unused_port}/api", startup_timeout=3600.0)
    running.begin()
    running.seen(ServerLost)
    running.worker.stop()

    assert running.ended() == 0


def test_a_worker_that_was_stopped_before_its_start_ends_at_once(server, make):
    running = make()
    running.worker.stop()
    running.begin()

    assert running.ended() == 0
    assert server.state.exchanges == []


def test_a_worker_is_started_once(start):
    running = start()

    with pytest.raises(UsageError, match="started before"):
        running.worker.start()


def test_a_worker_as_a_context_runs_inside_and_has_ended_after_it(server, make):
    (task_id,) = add(server)
    running = make()
    with running.worker as worker:
        wait_until(lambda: status(server, task_id) == "completed", "the task", deadline=SOON)

    assert worker.wait(0.0) == 0


def test_a_taken_health_port_is_said_before_anything_is_claimed(server, make, unused_port):
    running = make(health_port=unused_port)

    with pytest.raises(SettingsError):
        running.worker.start()
    assert server.state.exchanges == []


def test_a_given_worker_id_draws_a_warning_where_claims_have_no_token(start):
    running = start(worker_id="mine")
    running.seen(WorkerStarted)
    wait_until(lambda: any("'mine' was given by you" in said for said in running.said()), deadline=SOON)


@pytest.mark.parametrize(("key", "warned"), [("password", 1), ("a1b2c3d4e5f6", 0)])
def test_a_key_that_may_be_an_ordinary_word_is_warned_of_once(start, key, warned):
    running = start(key=lambda: key)
    running.seen(WorkerStarted)
    running.worker.stop()
    running.ended()

    assert sum("made like an ordinary word" in said for said in running.said()) == warned


def test_generated_worker_ids_differ(make):
    assert make().worker.worker_id != make().worker.worker_id


def test_a_listener_that_raises_stops_nothing(server, tmp_path):
    def raising(event):
        raise RuntimeError("a listener's own trouble")

    (task_id,) = add(server)
    settings = Settings(api_url=server.url, state_dir=tmp_path, max_runs=1, poll_interval=0.02)
    worker = Worker([Work().handler], settings=settings, listeners=[raising])
    worker.start()

    assert worker.wait(SOON) == 0
    assert status(server, task_id) == "completed"


def test_r12_a_worker_whose_disk_is_full_is_not_ready_and_says_why_until_there_is_room(start, monkeypatch):
    free = [1 << 40]
    look = room.OutboxDisk.look
    monkeypatch.setattr(room.OutboxDisk, "look", lambda disk: replace(look(disk), free=free[0]))
    monkeypatch.setattr(standing_by, "DISK_PAUSE", 0.02)
    worker = start().worker
    wait_until(lambda: worker.health().ready, "readiness", deadline=SOON)
    free[0] = 1 << 20
    health = wait_until(lambda: not worker.health().ready and worker.health(), "the trouble", deadline=SOON)

    assert health.live
    assert [reason[:44] for reason in health.reasons] == ["the disk of the state folder has 1 MiB left,"]
    free[0] = 1 << 40
    wait_until(lambda: worker.health().ready, "readiness again", deadline=SOON)


def test_r12_a_worker_whose_only_slot_waits_for_a_locked_outbox_is_not_ready_and_says_why(
    server, start, tmp_path
):
    work = Work(gated=True)
    worker = start(work, concurrency=1).worker
    add(server)
    wait_until(work.begun.is_set, "the start of the task", deadline=SOON)
    transactions = worker._supervisor._services.outbox.transactions
    transactions.run(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchone())
    assert worker.health().ready
    with closing(sqlite3.connect(tmp_path / "state/instance-0/outbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        work.gate.set()
        health = wait_until(
            lambda: not worker.health().ready and worker.health(), "the trouble", deadline=SOON
        )

    assert health.live
    (reason,) = health.reasons
    assert reason.startswith("another program holds the outbox locked (database is locked)")


def test_r37_a_worker_that_is_kept_from_the_results_of_a_dead_one_exits_with_75(start, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "REMAINS_LIMIT", 0.0)
    dead = folder.take_instance(tmp_path / "state")
    outbox = Outbox.open(dead.database, SystemClock())
    identity = Identity("http://some.server/api", "v1", "t1", TYPE, "d", "w1")
    outbox.hold(Claim(identity, Task(id="t1", type=TYPE), 0.0, 300.0))
    commit(outbox, identity, Completed("1"))
    outbox.close()
    (dead.path / "lock").write_text(str(2**22 - 3))
    running = start()
    running.worker.stop()
    code = running.ended()
    dead.release()

    assert code == 75
    assert "1 report of a dead worker is left" in running.of(WorkerStopped)[0].reason


def test_an_outbox_that_breaks_while_the_worker_runs_ends_it_with_what_to_do(start):
    running = start()
    running.seen(WorkerStarted)
    transactions = running.worker._supervisor._services.outbox.transactions

    def broken(_db):
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = 11  # SQLITE_CORRUPT
        raise error

    with pytest.raises(OutboxError, match="start the worker again: it sets the file aside"):
        transactions.run(broken)

    assert running.ended() == 1
    assert "the outbox is damaged (database disk image is malformed)" in running.events[-1].reason


def test_a_damaged_outbox_is_told_loudly_at_the_start_and_tasks_are_done(server, start, tmp_path):
    (tmp_path / "state" / "instance-0").mkdir(parents=True)
    (tmp_path / "state" / "instance-0" / "outbox.db").write_bytes(b"this is no database" * 500)
    add(server)
    running = start(max_runs=1)

    assert running.ended() == 0
    (told,) = [notice for notice in running.of(Notice) if notice.level == "error"]
    assert "is damaged (file is not a database); it is kept as outbox.db.damaged-" in told.message
