"""Slots that are processes: kept, replaced, killed, and told as what they were when they crash."""

import json
import logging
import os
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from prismq_worker_sdk.decide.leases import ABANDON_AFTER
from prismq_worker_sdk.errors import Unavailable
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import End, HandlerOverran, Notice, TypePaused
from prismq_worker_sdk.model.outcome import Completed, Released
from prismq_worker_sdk.plugin_settings import plugin_settings_source
from prismq_worker_sdk.system import FileLock
from prismq_worker_sdk.worker.isolation import call as process_call
from prismq_worker_sdk.worker.isolation import pool as child_pool
from prismq_worker_sdk.worker.lease_loop import lease_loop
from tests.support.children import PROBES, Probes, children, probes
from tests.support.loops import Stepped, Workplace, grant
from tests.support.processes import wait_until

RELEASES = Capabilities(releases=True)


@pytest.fixture(scope="module")
def pool():
    log = logging.getLogger("prismq.task.output")
    log.setLevel(logging.INFO)  # a child has the levels of its start
    made = children()
    made.start()
    yield made
    made.close(5.0)
    log.setLevel(logging.NOTSET)


@pytest.fixture
def impatient():
    """Sockets that are made now end their waits at once."""
    socket.setdefaulttimeout(0.001)
    yield
    socket.setdefaulttimeout(None)


@pytest.fixture
def own_pool(place):
    """One that a test may close."""
    made = children()
    made.start()
    yield made
    made.close(5.0)


@pytest.fixture
def place(tmp_path, clock, pool):
    made = []

    def make(**options):
        made.append(Probes(tmp_path, pool, clock=clock, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def result(outcome):
    assert isinstance(outcome, Completed), outcome
    return json.loads(outcome.result)


def gone(pid):
    return wait_until(lambda: not psutil.pid_exists(pid), f"the end of process {pid}", deadline=5)


def test_a_handler_runs_in_a_process_of_its_own_which_is_kept_for_later_tasks(place):
    here = place()
    first, second = [result(here.does("Nothing", task_id))["pid"] for task_id in ("t1", "t2")]

    assert first == second != os.getpid()


def test_a_process_waits_for_work_whatever_timeout_a_library_gives_to_sockets(impatient, own_pool, place):
    here = place()
    here.services = replace(here.services, children=own_pool)
    here.does("Nothing", "t1")

    assert [type(one) for one in here.outcomes()] == [Completed]


def test_two_tasks_at_once_run_in_two_processes(place):
    here = place(concurrency=2)
    _attempt, pid = here.begins("Obstinate")
    other = result(here.does_meanwhile("Nothing", "t2"))["pid"]

    assert pid != other
    assert psutil.pid_exists(pid)


def test_a_secret_that_changes_in_its_file_reaches_a_process_that_runs(tmp_path, clock, monkeypatch):
    file = tmp_path / "token"
    file.write_text("first-token")
    monkeypatch.setenv("PROBE_TOKEN_FILE", str(file))
    (plugin,) = load([str(PROBES)]).loaded
    source = plugin_settings_source(plugin.settings_classes[0])
    told = []
    source.tell(told.append)
    handlers = [one.with_settings_from(source) for one in plugin.handlers]
    pool = children(size=1, handlers=handlers)
    pool.start()
    here = Probes(tmp_path, pool, handlers=handlers, clock=clock)
    (set_up_in, pid, first), (_again, same, second) = [
        (file.write_text(token), result(here.does("Owner", f"of {token}", folder=str(tmp_path))))[1]
        for token in ("first-token", "the-second-token")
    ]
    here.close()
    pool.close(5.0)

    assert (set_up_in, first, second) == (pid, "first-token", "the-second-token")
    assert same == pid
    assert told[-1] == "the-second-token"  # before the child could print it


def test_a_crashed_process_is_replaced_at_once_by_the_warm_spare(place, pool):
    here = place()
    first = result(here.does("Nothing"))["pid"]
    others = wait_until(lambda: set(pool.pids) - {first}, "the spare")
    here.does("Crashes", "t2", how="exit")

    assert result(here.does("Nothing", "t3"))["pid"] in others
    gone(first)


@pytest.mark.parametrize(
    ("how", "error", "kind"),
    [
        ("segv", "crashed: SIGSEGV", "crashed"),
        ("thread", "crashed: SIGSEGV", "crashed"),
        ("abort", "crashed: SIGABRT", "crashed"),
        ("exit", "crashed: exit code 3", "crashed"),
        ("well", "crashed: exit code 0, before the handler returned", "crashed"),
        ("close", "crashed: exit code 0, before the handler returned", "crashed"),
        ("replaced", "crashed: its process closed the line to the worker while it ran", "crashed"),
        ("kill", "crashed: SIGKILL (killed from outside, or out of memory)", "crashed"),
        ("memory", "out of memory", "out_of_memory"),
        ("nonsense", "crashed: it wrote into the line between its process and the worker", "crashed"),
    ],
)
def test_the_end_of_a_process_is_told_as_what_it_was_and_the_server_decides_about_another_try(
    place, how, error, kind
):
    here = place()
    failed = here.does("Crashes", how=how)

    assert (failed.error, failed.error_type, failed.retryable) == (error, kind, None)
    assert here.ends() == [("t1", End.FAILED)]
    assert result(here.does("Nothing", "t2"))
    assert here.faults() == ()


def test_a_kill_by_the_system_for_lack_of_memory_is_told_so(place, monkeypatch):
    kills = iter([7, 8, 8])
    monkeypatch.setattr(child_pool, "oom_kills", lambda: next(kills))
    pool = children()
    pool.start()
    try:
        here = place()
        here.services = replace(here.services, children=pool)
        first, second = (here.does("Crashes", task_id, how="kill") for task_id in ("t1", "t2"))
        assert (first.error, first.error_type) == ("out of memory", "out_of_memory")
        assert second.error_type == "crashed"
    finally:
        pool.close(5.0)


def test_the_stack_of_a_crash_is_in_the_log_with_its_task(place, caplog):
    here = place()
    here.does("Crashes", how="segv")
    lines = [record for record in caplog.records if record.name == "prismq.task.output"]

    said = wait_until(
        lambda: any("process_probes.py" in one.getMessage() for one in caplog.records), "the stack"
    )
    assert said
    assert {record.task.task_id for record in lines} == {"t1"}


def test_a_process_whose_output_a_handler_closed_is_not_used_again(place):
    here = place()
    tainted = result(here.does("ClosesItsOutput"))["pid"]

    assert result(here.does("Nothing", "t2"))["pid"] != tainted


def test_a_process_whose_descriptors_a_handler_has_leaked_is_not_used_again(place):
    here = place()
    tainted = result(here.does("LeaksDescriptors"))["pid"]

    assert result(here.does("Nothing", "t2"))["pid"] != tainted
    wait_until(lambda: not psutil.pid_exists(tainted), "its end", deadline=10)


def test_half_a_line_does_not_go_on_in_that_of_the_next_task(place, caplog):
    here = place(concurrency=1)
    for task_id in ("t1", "t2"):
        here.does("PrintsHalfALine", task_id, text=f"said by {task_id}")
    said = [record for record in caplog.records if record.name == "prismq.task.output"]
    wait_until(lambda: len([one for one in caplog.records if "said by" in one.getMessage()]) == 2, "both")

    assert "said by t1said by t2" not in [one.getMessage() for one in said]


def test_a_crash_is_seen_though_another_process_keeps_its_line_open(place):
    here = place()
    failed = here.does("CrashesBehindAFork", folder=str(here.folder))

    assert failed.error == "crashed: exit code 3"


def test_a_fork_that_comes_back_from_its_handler_ends(place):
    assert result(place().does("Forks")) == {"child": "ended"}


def test_r19_crashes_in_a_row_pause_the_type(place):
    here = place(max_consecutive_errors=2)
    for task_id in ("t1", "t2"):
        here.does("Crashes", task_id, how="exit")

    (paused,) = here.of(TypePaused)
    assert paused.task_type == "Probe.Crashes"
    assert "crashed: exit code 3" in paused.reason


@pytest.mark.parametrize("kind", ["Obstinate", "Holds"])
def test_r16_at_limit_and_10_s_the_process_is_killed_and_its_slot_is_used_again(place, kind):
    here = place(concurrency=1)
    os.mkfifo(here.folder / "pipe")
    attempt, pid = here.begins(kind)
    loop = Stepped(lease_loop(here.services))
    for step in (60.0, ABANDON_AFTER):
        assert here.outcomes() == []
        here.clock.turn(step)
        loop.go_on()
    here.idle()

    (failed,) = here.outcomes()
    assert failed.error_type == "time_limit"
    assert "nor 10 s after it was told to" in failed.error
    assert (attempt.stray, here.services.slots.lost, here.services.slots.free) == (False, 0, 1)
    assert here.of(HandlerOverran) == []
    assert [notice.level for notice in here.of(Notice) if "its process is killed" in notice.message] == [
        "error"
    ]
    gone(pid)
    assert result(here.does("Nothing", "t2"))
    assert here.faults() == ()


def test_a_handler_that_talks_all_the_time_hears_of_the_stop_too(place):
    here = place()
    here.begins("Talks")
    here.stop()
    here.idle()

    assert here.outcomes() == [Completed('"heard"')]


@pytest.mark.parametrize(("kind", "where"), [("Obstinate", "in obstinate"), ("Holds", "in hold")])
def test_r16_where_a_handler_was_that_is_to_be_killed_is_in_the_log(place, caplog, kind, where):
    here = place()
    os.mkfifo(here.folder / "pipe")
    attempt, _pid = here.begins(kind)
    attempt.cancel(CancelReason.TIME_LIMIT, here.clock.monotonic())
    here.clock.turn(60.0 + ABANDON_AFTER - process_call.LOOK_BEFORE)

    wait_until(lambda: where in caplog.text, "the stack")
    assert here.outcomes() == []


def test_a_kill_that_comes_too_late_hits_nobody(place):
    here = place()
    attempt, pid = here.begins("Obstinate")
    here.go()
    here.idle()

    assert attempt.kill() is False
    assert result(here.does("Nothing", "t2"))["pid"] == pid


def test_r36_shortly_before_the_deadline_of_a_stop_what_still_runs_is_killed_and_given_back(place):
    here = place(capabilities=RELEASES)
    _attempt, pid = here.begins("Obstinate")
    here.stop(grace=25.0)
    loop = here.supervised()
    here.clock.turn(17.0)
    loop.go_on()
    assert here.outcomes() == []
    assert loop.wait <= 6.0
    here.clock.turn(6.0)
    loop.go_on()
    here.idle()

    assert [type(outcome) for outcome in here.outcomes()] == [Released]
    gone(pid)


def test_r36_the_end_of_the_pool_is_the_end_of_what_runs(place, own_pool):
    here = place(capabilities=RELEASES)
    here.services = replace(here.services, children=own_pool)
    _attempt, pid = here.begins("Obstinate")
    own_pool.close(1.0)
    here.idle()

    assert not psutil.pid_exists(pid)
    assert here.outcomes() == [Released("the worker ended the process of the handler")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGQUIT])
def test_r20_signals_of_the_group_are_the_business_of_the_worker(place, number):
    here = place()
    _attempt, pid = here.begins("Obstinate")
    os.kill(pid, number)
    here.go()
    here.idle()

    (completed,) = here.outcomes()
    assert result(completed).startswith("None False")
    assert result(here.does("Nothing", "t2"))["pid"] == pid


@pytest.mark.parametrize("working", [False, True])
def test_r20_handlers_of_signals_that_an_earlier_task_has_set_are_gone(place, working):
    here = place()
    pid = result(here.does("Signals"))["pid"]
    if working:
        _attempt, its = here.begins("Obstinate", "t2")
        assert its == pid
    os.kill(pid, signal.SIGTERM)
    if working:
        here.go()
        here.idle()

    assert result(here.does("Nothing", "t3"))["pid"] == pid


def test_r20_programs_that_a_handler_starts_can_be_stopped_by_signals(place):
    assert result(place().does("Stoppable")) == -signal.SIGTERM


def test_r20_a_child_holds_the_lock_of_the_state_folder_as_long_as_it_lives(tmp_path):
    lock = FileLock.acquire(tmp_path / "lock")
    pool = children()
    pool.start(lock=lock.descriptor)
    pool.give_back(pool.take())
    lock.release()
    try:
        assert FileLock.acquire(tmp_path / "lock") is None
    finally:
        pool.close(5.0)
    free = FileLock.acquire(tmp_path / "lock")
    assert free is not None
    free.release()


def test_r20_nothing_is_left_of_children_no_process_and_no_descriptor(tmp_path, clock):
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    own = psutil.Process()
    earlier = set(own.children())
    pool = children()
    pool.start()
    here = Probes(tmp_path, pool, clock=clock)
    for number in range(3):
        here.does("Crashes", f"c{number}", how="kill")
        here.does("Nothing", f"n{number}")
    here.close()
    pool.close(5.0)

    assert set(own.children()) == earlier
    wait_until(lambda: len(list(descriptors.iterdir())) == before, "descriptors as before", deadline=5)


def test_setup_and_teardown_run_once_in_the_process_that_does_the_work(place, own_pool):
    here = place()
    here.services = replace(here.services, children=own_pool)
    first, second = (result(here.does("Owner", one, folder=str(here.folder))) for one in ("t1", "t2"))

    assert first == second == [first[1], first[1], "canary-of-the-settings"]
    assert first[1] != os.getpid()
    own_pool.close(5.0)
    assert (here.folder / "torn down").read_text() == str(first[1])


def test_a_thread_that_a_handler_left_running_holds_up_no_end(place, own_pool):
    here = place()
    here.services = replace(here.services, children=own_pool)
    here.does("Lingers")
    (worked,) = [child for child in own_pool._living if child.runs]
    own_pool.close(30.0)

    assert worked.code() == 0  # it was not killed


def test_a_set_up_that_raises_gives_the_task_back_and_pauses_its_type(place):
    here = place(capabilities=RELEASES)
    released = here.does("Unset")

    assert isinstance(released, Released)
    (paused,) = here.of(TypePaused)
    assert paused.reason.startswith("setup() raised OSError: no such disk (process_probes.py:")
    assert "in setup\n" in paused.trace
    assert paused.trace.endswith("\nOSError: no such disk")


def test_a_set_up_that_leaves_the_interpreter_is_one_that_raises(place):
    here = place(capabilities=RELEASES)

    assert isinstance(here.does("Leaves"), Released)
    (paused,) = here.of(TypePaused)
    assert paused.reason.startswith("setup() raised SystemExit: no licence (process_probes.py:")


def test_a_process_that_has_grown_too_large_is_replaced_after_its_task(place):
    here = place(max_memory_per_child=200 * 2**20)
    small = result(here.does("Nothing"))["pid"]
    large = result(here.does("Grows", "t2", bytes=300 * 2**20))["pid"]
    fresh = result(here.does("Nothing", "t3"))["pid"]

    assert small == large != fresh
    (told,) = [one.message for one in here.of(Notice) if "is replaced" in one.message]
    assert told.startswith(f"process {large} has ")
    gone(large)


def test_what_a_handler_prints_is_a_line_of_the_log_with_its_task(place, caplog):
    here = place()
    here.does("Prints")

    def printed():
        return {one.getMessage() for one in caplog.records if one.name == "prismq.task.output"}

    wait_until(lambda: printed() >= {"printed", "written", "of another program"}, "the lines")


def test_a_process_that_ended_while_it_waited_for_work_costs_no_task(place, pool):
    here = place()
    first = result(here.does("Nothing"))["pid"]
    os.kill(first, signal.SIGKILL)
    second = here.does("Nothing", "t2")

    assert result(second)["pid"] != first


def test_a_task_is_given_back_when_no_process_can_load_the_handlers(tmp_path, clock, monkeypatch):
    plugin = tmp_path / "moody.py"
    plugin.write_text(
        "import os\n"
        "from prismq_worker_sdk import task_handler\n"
        "if 'MOOD' in os.environ: raise RuntimeError('not today')\n"
        "@task_handler('Test.Moody')\n"
        "def moody(params: dict, ctx): ...\n"
    )
    (handler,) = load([str(plugin)]).handlers
    monkeypatch.setenv("MOOD", "bad")
    pool = children(handlers=[handler])
    pool.start()
    try:
        with pytest.raises(Unavailable, match="not today"):
            pool.take()
        with pytest.raises(Unavailable, match="RuntimeError"):
            pool.for_readiness(handler).setup()
        monkeypatch.delenv("MOOD")
        pool.for_readiness(handler).setup()
    finally:
        pool.close(5.0)


def test_handlers_in_threads_are_set_up_here_as_ever(pool):
    handler = probes()[0]
    other = children(handlers=[])

    assert other.for_readiness(handler) is handler


def test_a_task_that_waits_for_its_process_can_be_told_to_end(tmp_path, clock):
    pool = children()  # never started: no child comes
    here = Probes(tmp_path, pool, clock=clock, capabilities=RELEASES)
    try:
        here.give(grant("t1", "Probe.Nothing"))
        (attempt,) = here.services.attempts.all()
        attempt.cancel("stopping")
        here.idle()
        assert here.ends() == [("t1", End.RELEASED)]
    finally:
        here.close()


@pytest.mark.parametrize(("renews", "waited"), [(True, 5.0), (False, 0.0)])
def test_r16_the_wait_for_a_process_is_no_part_of_the_handlers_time(place, clock, renews, waited):
    """Where nothing is renewed the claim's own end stands, whatever the handler waited for."""
    here = place(capabilities=Capabilities(renews=renews))
    attempt, _pid = here.begins("Obstinate")
    before = attempt.limit_at

    class Slow(process_call.HandlerProcesses):
        def take(self, *, ended):
            clock.turn(5.0)
            assert not ended()
            return "a child"

    assert Slow([], size=1)._taken(here.services, attempt) == "a child"
    assert attempt.limit_at == before + waited


def test_the_model_of_the_params_is_made_in_the_process_only_so_that_its_validators_hold_up_nobody(place):
    outcome = place().does("Modelled", name="x")

    assert outcome.error_type == "invalid_params"
    assert "made in " in outcome.error
    assert f"made in {os.getpid()}" not in outcome.error


def test_params_that_do_not_fit_their_schema_take_no_process(place, own_pool):
    here = place()
    here.services = replace(here.services, children=own_pool)
    own_pool.close(5.0)

    assert here.does("Modelled", name=1).error_type == "invalid_params"


ODD = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from prismq_worker_sdk import PluginSettings, hookimpl, task_handler

class Settings(PluginSettings):
    odd_number: int = 1

def double(number):
    return 2 * number

@task_handler("Odd.Pool")
def pool(params: dict, ctx):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as workers:
        return list(workers.map(double, [ctx.settings.odd_number]))

@task_handler("Odd.Plain")
def plain(params: dict, ctx):
    return ctx.settings.odd_number

@hookimpl
def prismq_plugin_settings():
    return Settings
"""


@pytest.mark.parametrize(
    ("name", "kind", "found"), [("a_pool", "Pool", [2]), ("random", "Plain", 1), ("greet.v2", "Plain", 1)]
)
def test_a_file_of_any_name_works_in_processes_and_a_process_pool_finds_it(
    tmp_path, clock, monkeypatch, name, kind, found
):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / f"{name}.py").write_text(ODD)
    (plugin,) = load([str(tmp_path / f"{name}.py")]).loaded
    (handler,) = [one for one in plugin.handlers if one.task_type == f"Odd.{kind}"]
    handler = handler.with_settings(plugin.settings_classes[0]())
    own = children(handlers=[handler])
    own.start()
    here = Workplace(tmp_path, SimpleNamespace(handler=handler, gate=threading.Event()), clock=clock)
    here.services = replace(here.services, children=own)
    try:
        here.give(grant("t1", handler.task_type))
        here.idle()
        assert [result(outcome) for outcome in here.outcomes()] == [found]
    finally:
        here.services = replace(here.services, children=None)
        own.close(5.0)
        here.close()
