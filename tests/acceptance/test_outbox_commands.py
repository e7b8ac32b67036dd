"""The command line on a state folder that real workers use."""

import json
import os
import subprocess
import sys

from tests.support.processes import control, wait_until


def outbox(worker, *arguments):
    """A command of its own process; its exit code, stdout and stderr."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "prismq_worker_sdk",
            "outbox",
            *arguments,
            "--state-dir",
            str(worker.state_dir),
        ],
        env=clean,
        cwd=worker.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def listed(worker):
    code, out, err = outbox(worker, "list", "--json")
    assert (code, err) == (0, "")
    return {(found["task_id"], found["state"]): found for found in json.loads(out)}


def test_the_list_reads_while_a_worker_runs_and_what_it_left_is_delivered_without_it(server, start_worker):
    (gated,) = server.state.add([{"type": "Test.Gated"}])
    server.state.faults = {"complete": {"kinds": ["http_503"]}}
    worker = start_worker(server.url, "--grace-period", "1s")
    wait_until(lambda: worker.runs() == [gated], "the handler")
    assert list(listed(worker)) == [(gated, "held")]

    worker.gate_file.touch()
    found = wait_until(lambda: listed(worker).get((gated, "waiting")), "the report")
    assert (found["ref"], found["kind"]) == ("instance-0/1", "completed")
    code, out, err = outbox(worker, "drop", "instance-0/1", "--yes")
    assert (code, out) == (2, "")
    assert "a worker runs on instance-0: stop it first" in err
    assert worker.terminate() == 75
    assert "committed 1 = waiting 1" in worker.text()

    server.state.faults = {}
    assert outbox(worker, "deliver", "--api-url", server.url)[:2] == (
        0,
        "accepted 1, lost 0, parked 0, left 0\n",
    )
    assert server.state.tasks[gated]["result"] == {"gated": True}
    assert server.state.violations == []


def test_r38_after_retry_and_drop_the_books_of_the_next_worker_add_up(server, start_worker):
    ids = server.state.add([{"type": "Test.Counted", "params": {"n": number}} for number in range(3)])
    server.state.faults = {"complete": {"kinds": ["http_503"]}}
    first = start_worker(server.url, "--grace-period", "1s")
    wait_until(lambda: len(first.runs()) == 3 and first.stored() == 3, "three reports")
    assert first.terminate() == 75
    code, out, _err = outbox(first, "drop", "instance-0/2", "--yes")
    assert (code, json.loads(out)["task_id"] in ids) == (0, True)

    server.state.faults = {}
    again = start_worker(server.url)
    wait_until(lambda: again.stored() == 0, "the delivery")
    assert again.terminate() == 0
    assert "recovered 2 = accepted 2" in again.text()
    assert control(server.url)["counts"]["completed"] == 2
