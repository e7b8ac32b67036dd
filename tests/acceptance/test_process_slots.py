"""Real workers whose handlers run in processes of their own: crashed, held, killed, and never in each other's way."""

import json
import os
import signal
import time
from collections import Counter

import psutil
import pytest

from tests.acceptance.test_embedded import TaskManager
from tests.support.children import PROBES
from tests.support.processes import wait_until

PROCESS = ("--isolation", "process")
LEASE = 2


@pytest.fixture
def manager(tmp_path):
    running = TaskManager(tmp_path, lease=f"{LEASE}s")
    yield running
    running.kill()


def children(worker):
    return psutil.Process(worker.process.pid).children(recursive=True)


def runs(process):
    """Whether it does anything still; its remains may wait for whoever has inherited them."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def begun(folder):
    file = folder / "begun"
    return file.exists() and int(file.read_text())


def test_a_hundred_tasks_each_run_exactly_once_in_processes_of_their_own(server, start_worker):
    ids = server.state.add([{"type": "Test.Counted", "params": {"n": n}} for n in range(100)])
    worker = start_worker(server.url, "--max-runs", "100", *PROCESS)

    assert worker.exit_code() == 0
    assert server.state.seen()["counts"] == {"completed": 100}
    assert Counter(worker.runs()) == Counter(ids)
    assert server.state.violations == []
    ran_in = {line.split()[2] for line in worker.runs_file.read_text().splitlines()}
    assert 1 <= len(ran_in) <= 4
    assert str(worker.process.pid) not in ran_in


@pytest.mark.parametrize("kind", ["Probe.Sleeps", "Probe.Holds"])
def test_r20_a_killed_worker_leaves_no_process_and_its_task_is_recovered(
    manager, start_worker, tmp_path, kind
):
    os.mkfifo(tmp_path / "pipe")
    task = manager.client.submit(kind, {"folder": str(tmp_path)}, max_attempts=1)
    worker = start_worker(manager.url, *PROCESS, plugin=PROBES)
    wait_until(lambda: begun(tmp_path), "the start of the task")
    left = children(worker)
    assert begun(tmp_path) in {child.pid for child in left}
    os.kill(worker.process.pid, signal.SIGKILL)  # the worker alone, not its group
    worker.process.wait()

    wait_until(lambda: not any(map(runs, left)), "the end of every process", deadline=1.0)
    again = start_worker(manager.url, *PROCESS, plugin=PROBES)
    ended = task.wait(30)
    assert (str(ended.status), ended.error) == ("failed", "crashed: the worker ended while the task ran")
    assert again.terminate() == 0


def test_a_handler_that_crashes_its_process_every_time_ends_as_failed(manager, start_worker):
    task = manager.client.submit("Probe.Crashes", {"how": "segv"}, max_attempts=2)
    worker = start_worker(manager.url, *PROCESS, plugin=PROBES)
    ended = task.wait(60)

    assert (str(ended.status), ended.error, ended.attempt) == ("failed", "crashed: SIGSEGV", 2)
    assert worker.terminate() == 0
    crashes = [line for line in worker.events("committed") if line["task"] == task.id]
    assert [line["error_type"] for line in crashes] == ["crashed"] * 2
    assert any("in crashes" in line["message"] or "<lambda>" in line["message"] for line in worker.lines())


def test_on_a_base_server_a_crash_is_reported_at_once(server, start_worker):
    crashed, good = server.state.add([{"type": "Test.Crashes"}, {"type": "Test.Counted"}])
    worker = start_worker(server.url, "--max-runs", "2", "--concurrency", "1", *PROCESS)

    assert worker.exit_code() == 0
    assert (server.state.tasks[crashed]["status"], server.state.tasks[crashed]["error"]) == (
        "failed",
        "crashed: exit code 9",
    )
    assert server.state.tasks[good]["status"] == "completed"


def test_r16_a_handler_that_holds_the_interpreter_keeps_its_claim_and_is_killed_at_the_deadline(
    manager, start_worker, tmp_path
):
    os.mkfifo(tmp_path / "pipe")
    task = manager.client.submit("Probe.Holds", {"folder": str(tmp_path)})
    worker = start_worker(manager.url, "--grace-period", "4s", *PROCESS, plugin=PROBES)
    wait_until(lambda: begun(tmp_path), "the start of the task")
    other = manager.client.submit("Probe.Nothing", {})
    assert other.wait(30).result["pid"] != begun(tmp_path)

    held_since = (tmp_path / "begun").stat().st_mtime
    wait_until(lambda: time.time() - held_since > 2 * LEASE, "two leases")
    held = manager.client.get(task.id)
    assert (str(held.status), held.attempt) == ("processing", 1)

    assert worker.terminate() == 0
    assert str(manager.client.get(task.id).status) == "pending"
    (ended,) = worker.events("claim_ended")
    assert (ended["end"], ended["task"]) == ("released", task.id)


def test_a_handler_that_holds_the_interpreter_of_the_worker_is_named_with_its_stack(
    server, start_worker, tmp_path
):
    os.mkfifo(tmp_path / "pipe")
    (task_id,) = server.state.add([{"type": "Probe.Holds", "params": {"folder": str(tmp_path)}}])
    worker = start_worker(server.url, plugin=PROBES)
    wait_until(lambda: (tmp_path / "holding").exists(), "the hold")
    process = psutil.Process(worker.process.pid)
    threads = len(process.threads())
    wait_until(
        lambda: len(process.threads()) < threads, "the end of the timer of faulthandler"
    )  # it has fired
    wait_until(lambda: time.time() - (tmp_path / "holding").stat().st_mtime > 4.5, "more than 3 s")
    (tmp_path / "pipe").write_text("x")
    wait_until(lambda: "the interpreter was held" in worker.text(), "the warning")

    assert worker.terminate() == 0
    (warning,) = [line for line in worker.lines() if "the interpreter was held" in line["message"]]
    assert warning["level"] == "WARNING"
    assert f"by task {task_id} (Probe.Holds)" in warning["message"]
    assert "in hold" in warning["message"]


def test_with_json_every_line_of_stderr_is_one_object_whatever_a_process_prints(server, start_worker):
    server.state.add(
        [
            {"type": "Probe.Prints"},
            {"type": "Probe.Logs"},
            {"type": "Probe.Crashes", "params": {"how": "segv"}},
        ]
    )
    canary = "canary-of-a-plugin"
    worker = start_worker(
        server.url, "--max-runs", "3", *PROCESS, plugin=PROBES, environment={"PROBE_TOKEN": canary}
    )

    assert worker.exit_code() == 0
    said = {line["message"] for line in worker.lines()}
    assert {"printed", "written", "of another program", "page read"} <= said
    assert canary not in worker.text()
    assert worker.process.stdout.read() == b""


def test_secrets_of_a_plugin_are_on_no_command_line(server, start_worker):
    canary = "canary-of-a-plugin"
    server.state.add([{"type": "Probe.Context"}])
    worker = start_worker(server.url, *PROCESS, plugin=PROBES, environment={"PROBE_TOKEN": canary})
    wait_until(lambda: worker.events("committed"), "the end of the task")
    shown = json.dumps([child.cmdline() for child in children(worker)])

    assert len(children(worker)) == 2  # the one that worked, and the spare
    assert canary not in shown
    assert worker.terminate() == 0
    assert [task["result"]["token"] for task in server.state.tasks.values()] == [canary]
    assert canary not in worker.text()


def test_a_group_wide_stop_signal_lets_the_running_task_end(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Gated"}])
    worker = start_worker(server.url, *PROCESS)
    wait_until(lambda: worker.runs(), "the start of the task")
    os.killpg(worker.process.pid, signal.SIGTERM)
    wait_until(lambda: worker.events("phase_draining"), "the drain")
    worker.gate_file.touch()

    assert worker.exit_code() == 0
    assert server.state.tasks[task_id]["status"] == "completed"
