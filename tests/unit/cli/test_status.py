"""`prismq-worker status`, `workers` and `top`: what goes on at a server, as people and programs read it."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from prismq_worker_sdk.cli import tables
from prismq_worker_sdk.errors import ServerUnreachable
from prismq_worker_sdk.wire.producer import TaskManagerClient
from prismq_worker_sdk.wire.producer_backend import TaskPage
from tests.support.processes import ROOT
from tests.support.taskmanager import TaskManager

ABOUT = {
    "version": "1",
    "host": "h",
    "pid": 1,
    "started_at": "2026-01-01T00:00:00Z",
    "state": "running",
    "slots": 1,
}


@pytest.fixture
def shown(cli, api):
    return lambda *arguments: cli(*arguments, "--api-url", api.url)


def exchange(api, worker="w1", **said):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": worker, **said})
    assert answer.ok, answer.text
    return answer.json()


@pytest.fixture
def busy(api):
    """A server with a running task, one that waits, a failed one, and a pause."""
    for _ in range(2):
        api.submit("Test.Some")
    failed = api.submit("Test.Other", max_attempts=1)
    api.claim(types=["Test.Other"])
    api.fail(failed)
    (task,) = exchange(api, claim={"task_types": ["Test.Some"], "max_tasks": 1})["tasks"]
    lease = {
        "task_id": task["id"],
        "lease_token": task["lease_token"],
        "progress": 42.4,
        "message": "at page 3",
    }
    exchange(api, leases=[lease])
    api.call("POST", "/task-types/Test.Other/pause", {"reason": "quota used up"})
    return task


def test_status_shows_types_what_runs_and_who_works(shown, busy):
    said = shown("status")

    assert (said.code, said.err) == (0, "")
    assert "1 running, 1 waiting, 0 later; in the last hour 0 completed, 1 failed" in said.out
    lines = said.out.splitlines()
    some = next(line.split() for line in lines if line.startswith("  Test.Some "))
    assert some[1:4] == ["1", "1", "0"]
    assert any("Test.Other" in line and "paused until it is resumed: quota used up" in line for line in lines)
    running = next(line for line in lines if line.startswith(f"  {busy['id'][:18]}"))
    assert "42 % at page 3" in running
    assert any(line.startswith("  w1 ") and f"runs {busy['id'][:18]}" in line for line in lines)


def test_status_is_whole_as_json(shown, busy):
    found = json.loads(shown("status", "--json").out)

    assert found["types"]["Test.Some"]["running"] == 1
    assert found["paused"]["Test.Other"]["reason"] == "quota used up"
    assert [one["id"] for one in found["running"]] == [busy["id"]]
    assert [one["worker_id"] for one in found["workers"]] == ["w1"]


def test_a_key_that_is_bound_to_types_sees_the_status_of_these(shown, api, busy, monkeypatch):
    new = {"name": "bound", "scope": "reader", "task_types": ["Test.Some"]}
    admin = api.call("POST", "/keys", {"name": "admin", "scope": "admin"}).json()["key"]
    bound = api.call("POST", "/keys", new, key=admin).json()["key"]
    monkeypatch.setenv("TASKMANAGER_API_KEY", bound)
    said = shown("status")
    assert (said.code, said.err) == (0, "")
    assert "Test.Some" in said.out
    assert "Test.Other" not in said.out


def test_status_of_an_empty_server_is_two_lines(shown):
    assert len(shown("status").out.splitlines()) == 2


def test_workers_are_listed_and_steered(shown, api):
    assert (shown("workers").out, shown("workers").err) == ("", "no worker was ever here\n")
    exchange(api)
    assert shown("workers").out.split()[0] == "w1"
    assert "told to be quiet" in shown("workers", "quiet", "w1").out
    assert exchange(api)["worker"] == "quiet"
    shown("workers", "resume", "w1")
    assert exchange(api)["worker"] == "run"
    assert json.loads(shown("workers", "terminate", "w1", "--json").out)["wanted"] == "terminate"
    gone = shown("workers", "quiet", "w2")
    assert (gone.code, gone.err) == (1, "prismq-worker: there is no worker w2\n")


@pytest.mark.parametrize("words", [("status",), ("tasks",), ("workers",)])
def test_watching_shows_it_again_until_it_is_ended(shown, api, monkeypatch, words):
    exchange(api)
    api.submit()
    looks = []

    def wait(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(tables.time, "sleep", wait)
    once = shown(*words).out
    said = shown(*words, "--watch")

    assert said.code == 130
    assert len(said.out.splitlines()) == 3 * len(once.splitlines())


def test_top_wants_a_terminal(shown):
    said = shown("top")

    assert said.code == 2
    assert "needs a terminal" in said.err


@pytest.fixture
def terminal():
    """Starts `top` on a terminal; gives what waits for a text on it, and the process."""
    open_ones = []

    def started(url, term="xterm"):
        leader, follower = pty.openpty()
        environment = {**os.environ, "TERM": term, "COLUMNS": "140", "LINES": "40"}
        heeding = ("env", "--default-signal=INT")  # a run in the background ignores it
        words = [*heeding, sys.executable, "-m", "prismq_worker_sdk", "top", "--api-url", url]
        process = subprocess.Popen(
            words, stdin=follower, stdout=follower, stderr=follower, env=environment, cwd=ROOT
        )
        os.close(follower)
        open_ones.append((process, leader))

        def await_text(text):
            said = b""
            while text not in said:
                assert select.select([leader], [], [], 60)[0], said
                said += os.read(leader, 65536)

        return await_text, process, leader

    yield started
    for process, leader in open_ones:
        process.kill()
        process.wait()
        os.close(leader)


def test_top_shows_a_terminal_what_goes_on_until_ctrl_c(api, busy, terminal):
    await_text, process, leader = terminal(api.url)
    await_text(b"42 % at page 3")
    process.send_signal(signal.SIGINT)
    with suppress(OSError):
        while os.read(leader, 65536):
            pass
    assert process.wait(60) == 130


def test_top_says_that_its_server_is_away_and_goes_on_when_it_is_back(tmp_path, terminal):
    server = TaskManager(tmp_path)
    try:
        await_text, _process, _leader = terminal(server.url)
        await_text(b"0 running")
        server.kill()
        await_text(b"not live: ")
        server.start()
        await_text(b"\x1b[Hhttp://")
    finally:
        server.kill()


def test_top_refuses_a_terminal_that_cannot_move_its_cursor(api, terminal):
    await_text, process, _leader = terminal(api.url, "dumb")
    await_text(b"move its cursor")
    assert process.wait(60) == 2


def test_watching_goes_on_while_the_server_is_away(shown, monkeypatch):
    looks = iter([[], ServerUnreachable("it did not answer"), [], KeyboardInterrupt()])

    def look(_client, **_wanted):
        found = next(looks)
        if isinstance(found, BaseException):
            raise found
        return TaskPage((), None)

    monkeypatch.setattr(tables.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(TaskManagerClient, "tasks", look)
    said = shown("tasks", "--watch")
    assert said.code == 130
    assert said.err.split("\n")[:3] == ["no task", "not live: it did not answer", "no task"]


def test_no_command_of_a_text_reaches_the_terminal(shown, api):
    hostile = "a\x1b[31mb\x1b]0;c\x07d\x9b31me\u202e"
    exchange(api, "w<b>", status={**ABOUT, "host": hostile, "trouble": hostile})
    api.call("POST", "/limits/quota/pause", {"seconds": 60, "reason": hostile})
    api.call("POST", "/task-types/Test.Some/pause", {"reason": hostile})
    task = api.submit("Test.Some", {"x": hostile}, max_attempts=1)
    for words in (
        ("status",),
        ("workers",),
        ("tasks",),
        ("tasks", "show", task),
        ("limits", "list"),
        ("types", "list"),
    ):
        for more in ((), ("--json",)):
            said = shown(*words, *more)
            assert said.code == 0
            assert said.out.replace("\n", "").isprintable(), words


def test_a_command_without_stdout_ends_in_order(api):
    words = f"{sys.executable} -m prismq_worker_sdk status --api-url {api.url} >&-"
    said = subprocess.run(["sh", "-c", words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "unexpected" not in said.stderr
