"""Every example does what its docstring says, started by the command that stands there."""

import asyncio
import json
import signal
import socket
import sqlite3
import threading
from contextlib import ExitStack, closing

import pytest

from prismq_worker_sdk import TaskManagerClient
from prismq_worker_sdk.testing import HandlerHarness
from tests.support.examples import EXAMPLES, WAIT, commands_of
from tests.support.processes import Worker, wait_until


def listening():
    return socket.create_server(("127.0.0.1", 0))


def port_of(server):
    return server.getsockname()[1]


def say_once_all_are_there(servers, everybody):
    """Each port greets only when all have a caller at the same time."""

    def serve(number, server):
        connection, _ = server.accept()
        with connection:
            everybody.wait(WAIT)
            connection.sendall(f"220 port {number} \r\n".encode())

    for number, server in enumerate(servers):
        threading.Thread(target=serve, args=(number, server), daemon=True).start()


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_each_example_says_the_one_command_that_runs_it(example):
    (command,) = commands_of(example)

    assert f"examples/{example.name}" in command


def test_minimal_counts_words_and_names_a_wrong_parameter(example):
    minimal = HandlerHarness(example("minimal").count_words)

    assert minimal.run({"text": "one two  three"}).result == {"words": 3}
    assert "/text" in minimal.run({"text": 3}).outcome.error


def test_minimal_runs_in_a_worker(taskmanager, start):
    task_id = taskmanager.submit("Example.CountWords", {"text": "one two"})

    code, _, err = start("minimal", taskmanager.url, MAX_RUNS="1").end()
    assert code == 0, err
    assert taskmanager.show(task_id)["result"] == {"words": 2}


@pytest.fixture
def readings(tmp_path, example):
    """The class handler with its file, once for each attempt."""
    module = example("class_handler")
    settings = module.ReadingsSettings(readings_db=tmp_path / "readings.db")

    def attempt(number=1):
        return HandlerHarness(module.AddReading, settings=settings, attempt=number)

    return attempt


def test_class_handler_counts_a_reading_once_however_often_its_task_runs(readings):
    results = [readings(number).run({"sensor": "roof", "value": 3.5}).result for number in (1, 2)]

    assert results == [{"sensor": "roof", "readings": 1, "mean": 3.5}] * 2


def test_class_handler_says_that_another_try_may_help_when_it_cannot_write(readings, tmp_path):
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        db.execute("CREATE VIEW readings AS SELECT 1 AS key, 2 AS sensor, 3 AS value")
    found = readings().run({"sensor": "roof", "value": 1})

    assert (found.outcome.retryable, found.outcome.delay_seconds) == (True, 30)


def test_class_handler_closes_what_it_opened(example, tmp_path):
    module = example("class_handler")
    handler = module.AddReading()
    handler.settings = module.ReadingsSettings(readings_db=tmp_path / "readings.db")
    handler.setup()
    handler.teardown()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        handler._db.execute("SELECT 1")


def test_class_handler_shares_its_connection_between_the_slots_of_a_worker(taskmanager, start, tmp_path):
    for value in range(20):
        taskmanager.submit("Example.AddReading", {"sensor": "roof", "value": value})

    code, _, err = start("class_handler", taskmanager.url, MAX_RUNS="20").end()
    assert code == 0, err
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        assert db.execute("SELECT count(*), avg(value) FROM readings").fetchone() == (20, 9.5)


def test_class_handler_is_not_claimed_until_it_is_told_its_file(taskmanager, start):
    task_id = taskmanager.submit("Example.AddReading", {"sensor": "roof", "value": 1})
    worker = start("class_handler", taskmanager.url, READINGS_DB="")
    said = wait_until(
        lambda: next((line for line in worker.process.stderr if "READINGS_DB" in line), None), "the reason"
    )
    worker.process.send_signal(signal.SIGTERM)

    assert "set READINGS_DB to the file" in said
    assert worker.end()[0] == 0
    assert taskmanager.show(task_id)["status"] == "pending"


def test_async_handler_asks_all_ports_at_the_same_time(example):
    with ExitStack() as stack:
        servers = [stack.enter_context(listening()) for _ in range(3)]
        say_once_all_are_there(servers, threading.Barrier(3))
        ports = [port_of(server) for server in servers]
        found = HandlerHarness(example("async_handler").read_greetings).run(
            {"host": "127.0.0.1", "ports": ports}
        )

    assert found.result == {str(port): f"220 port {number}" for number, port in enumerate(ports)}
    assert found.progress[-1][0] == 100


def test_async_handler_takes_a_closed_port_for_one_that_says_nothing(example):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        params = {"host": "127.0.0.1", "ports": [port_of(bound)], "tries": 1}
        found = HandlerHarness(example("async_handler").read_greetings).run(params)

    assert found.result == {str(params["ports"][0]): None}


def test_async_handler_closes_its_connection_when_it_is_cancelled(example):
    async def cancel_while_it_waits(server):
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(example("async_handler").greeting(params, port_of(server)))
        call, _ = await loop.run_in_executor(None, server.accept)
        call.settimeout(WAIT)
        with call:
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            return await loop.run_in_executor(None, call.recv, 1)

    params = example("async_handler").GreetingParams(host="127.0.0.1", ports=[1], seconds=60)
    with listening() as server:
        server.settimeout(WAIT)
        assert asyncio.run(cancel_while_it_waits(server)) == b""


def test_async_handler_gives_its_task_back_when_the_worker_stops(taskmanager, start):
    with listening() as silent:
        silent.settimeout(WAIT)
        params = {"host": "127.0.0.1", "ports": [port_of(silent)], "seconds": 60}
        task_id = taskmanager.submit("Example.ReadGreetings", params)
        worker = start("async_handler", taskmanager.url, PRISMQ_WORKER_GRACE_PERIOD="2s")
        call, _ = silent.accept()
        with call:
            worker.process.send_signal(signal.SIGTERM)
            code, _, err = worker.end()

    assert code == 0, err
    assert taskmanager.show(task_id)["status"] != "failed"


def test_async_handler_runs_in_a_worker(taskmanager, start):
    with listening() as server:
        say_once_all_are_there([server], threading.Barrier(1))
        params = {"host": "127.0.0.1", "ports": [port_of(server)]}
        task_id = taskmanager.submit("Example.ReadGreetings", params)
        code, _, err = start("async_handler", taskmanager.url, MAX_RUNS="1").end()

    assert code == 0, err
    assert taskmanager.show(task_id)["result"] == {str(params["ports"][0]): "220 port 0"}


def test_parent_makes_a_child_of_each_paragraph_that_its_handler_takes(example):
    parent = HandlerHarness(example("parent_with_children").split_text).run(
        {"text": "One two.\n\n\n\nThree."}
    )
    child = HandlerHarness(example("parent_with_children").count_paragraph)

    assert parent.result == {"paragraphs": 2}
    assert [made.type for made in parent.children] == ["Example.CountParagraph"] * 2
    results = [child.run(json.loads(made.params)).result for made in parent.children]
    assert results == [{"number": 1, "words": 2}, {"number": 2, "words": 1}]


def test_r22_parent_fails_on_a_base_server_and_says_what_it_lacks(base_server, start, tmp_path):
    (task_id,) = base_server.state.add([{"type": "Example.SplitText", "params": {"text": "One.\n\nTwo."}}])
    worker = Worker(
        tmp_path / "worker",
        base_server.url,
        plugin=EXAMPLES / "parent_with_children.py",
        arguments=["--max-runs", "1"],
    )
    with ExitStack() as stack:
        stack.callback(worker.clean_up)
        assert worker.exit_code() == 0
    task = base_server.state.tasks[task_id]
    assert task["status"] == "failed"
    assert "needs a TaskManager with the exchange extension" in task["error"]


def test_parent_can_be_tried_without_a_server(start):
    code, out, err = start("parent_with_children", "http://127.0.0.1:9/api").end()

    assert code == 0, err
    assert '"paragraphs": 2' in out


def test_fan_in_tells_of_a_text_once_all_its_paragraphs_were_read(taskmanager, tmp_path):
    text = "One two.\n\nThree."
    client = TaskManagerClient(taskmanager.url)
    parent = client.submit("Example.ReadText", {"text": text})
    worker = Worker(tmp_path / "worker", taskmanager.url, plugin=EXAMPLES / "fan_in.py")
    with ExitStack() as stack:
        stack.callback(client.close)
        stack.callback(worker.clean_up)
        read = parent.wait_children(WAIT)
        told = client.wait(read.follower, WAIT)

    assert (read.counts["completed"], read.counts["failed"]) == (2, 0)
    assert told.result == {"letters": len(text), "read": 2, "unread": 0}


def test_embedding_ends_what_runs_and_says_its_numbers_at_sigterm(taskmanager, start):
    task_id = taskmanager.submit("Example.Greet", {"name": "Ada"})
    program = start("embedding", taskmanager.url)
    wait_until(lambda: taskmanager.show(task_id)["status"] == "completed", "the greeting")
    program.process.send_signal(signal.SIGTERM)
    code, out, err = program.end()

    assert code == 0, err
    assert out == "claimed 1, completed 1, exit code 0\n"
    assert taskmanager.show(task_id)["result"] == {"greeting": "Hello Ada!"}


def test_embedding_ends_by_itself_when_its_worker_does(taskmanager, start):
    taskmanager.submit("Example.Greet", {"name": "Ada"})
    code, out, err = start("embedding", taskmanager.url, MAX_RUNS="1").end()

    assert (code, out) == (0, "claimed 1, completed 1, exit code 0\n"), err
