"""`prismq-worker submit`: a task for the server, waited for or not."""

import json
import threading

import pytest

from prismq_worker_sdk.cli import tasks
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from tests.support.api import running_api
from tests.support.processes import wait_until


def register(api, *names):
    for name in names:
        body = {"version": "1", "param_schema": {"type": "object"}}
        assert api.call("PUT", f"/task-types/{name}", body).status_code in {200, 201}


@pytest.fixture
def submit(cli, api):
    """Submits to a server that knows the type `Test.Some`."""
    register(api, "Test.Some")
    return lambda *arguments: cli("submit", *arguments, "--api-url", api.url)


@pytest.fixture
def worker(api):
    """Ends the next task of a type on a thread: `worker("T.T", api.complete, result=1)`."""
    threads = []

    def end(task_type, how, **said):
        def work():
            task = wait_until(lambda: api.claim(types=[task_type]), f"a task of {task_type}")
            assert how(task["id"], **said) == 200

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield end
    for thread in threads:
        thread.join()


def test_without_wait_it_prints_the_id_alone_and_exits_with_0(submit, api):
    shown = submit("Test.Some", '{"q": "ü"}')

    assert (shown.code, shown.err) == (0, "")
    task = api.show(shown.out.strip())
    assert (task["type"], task["params"], task["status"]) == ("Test.Some", {"q": "ü"}, "pending")


def test_params_may_be_left_out_and_the_address_come_from_the_environment(cli, api, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_URL", api.url)
    shown = cli("submit", "Test.Some")

    assert api.show(shown.out.strip())["params"] == {}


def test_as_json_it_prints_one_object_without_waiting_too(submit):
    found = json.loads(submit("Test.Some", "--json").out)

    assert (found["type"], found["status"], found["result"]) == ("Test.Some", "pending", None)


def test_every_option_reaches_the_server(submit, api):
    given = ("--priority", "7", "--max-attempts", "2", "--delay", "5m", "--dedupe-key", "one")
    first, second = submit("Test.Some", "{}", *given), submit("Test.Some", "{}", *given)
    task = api.show(first.out.strip())

    assert first.out == second.out
    assert first.err == ""
    assert second.err == f"task {first.out.strip()} was there already for this dedupe key, pending\n"
    assert (task["priority"], task["max_attempts"]) == (7, 2)
    assert task["not_before"] is not None
    assert api.claim() is None


@pytest.mark.parametrize("as_json", [False, True])
def test_with_wait_it_prints_the_result_of_a_completed_task_and_exits_with_0(as_json, submit, api, worker):
    worker("Test.Some", api.complete, result={"shorts": ["ü"]})
    shown = submit("Test.Some", "{}", "--wait", *(["--json"] if as_json else []))

    assert shown.code == 0
    task_id = shown.err.removeprefix("task ").strip()
    if as_json:
        found = json.loads(shown.out)
        assert found["id"] == task_id
        assert (found["status"], found["result"]) == ("completed", {"shorts": ["ü"]})
    else:
        line, result = shown.out.split("\n", 1)
        assert line.split()[:4] == [task_id, "completed", "Test.Some", "1/3"]
        assert json.loads(result) == {"shorts": ["ü"]}


def test_with_wait_a_failed_task_is_told_with_its_error_and_exits_with_1(submit, api, worker):
    worker("Test.Some", api.fail, error="no such thing")
    shown = submit("Test.Some", "{}", "--wait", "--max-attempts", "1")

    assert shown.code == 1
    assert shown.out.split(maxsplit=3)[1:3] == ["failed", "Test.Some"]
    assert shown.out.endswith("  no such thing\n")


def test_a_task_that_is_not_finished_in_time_goes_on_and_exits_with_1(submit, api):
    shown = submit("Test.Some", "{}", "--wait", "--timeout", "0s")

    task_id = shown.err.splitlines()[0].removeprefix("task ")
    assert (shown.code, shown.out) == (1, "")
    assert shown.err.splitlines()[1] == f"prismq-worker: task {task_id} is still pending after 0 s"
    assert api.show(task_id)["status"] == "pending"


def test_params_that_the_server_refuses_are_told_field_by_field(submit, api):
    schema = {
        "type": "object",
        "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["q"],
    }
    body = {"version": "2", "param_schema": schema, "allow_breaking": True}
    answer = api.call("PUT", "/task-types/Test.Some", body)
    assert answer.status_code in {200, 201}
    shown = submit("Test.Some", '{"n": "x"}')

    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("prismq-worker: the server refused the task: ")
    assert shown.err.splitlines()[1:] == ["  /q: is missing", "  /n: 'x' is not of type 'integer'"]


def test_a_name_that_is_no_type_is_refused_by_the_server(submit):
    shown = submit("not a type")

    assert (shown.code, shown.out) == (1, "")
    assert "the server refused the task" in shown.err
    assert "Traceback" not in shown.err


def test_the_key_is_sent_and_a_wrong_one_is_told_without_showing_it(cli, tmp_path, monkeypatch):
    keys = (ApiKey.of("canary-right-key", Scope.PRODUCER),)
    (tmp_path / "server").mkdir()
    with running_api(tmp_path / "server", keys=keys) as api:
        monkeypatch.setenv("TASKMANAGER_API_URL", api.url)
        monkeypatch.setenv("TASKMANAGER_API_KEY", "canary-wrong-key")
        refused = cli("submit", "Test.Some")
        monkeypatch.delenv("TASKMANAGER_API_KEY")
        (tmp_path / "key").write_text("canary-right-key\n")
        monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", str(tmp_path / "key"))
        accepted = cli("submit", "Test.Some")

    assert (refused.code, accepted.code) == (1, 0)
    assert "refuses the API key" in refused.err
    assert "set TASKMANAGER_API_KEY" in refused.err
    assert "canary" not in refused.err + refused.out


def test_a_key_and_a_key_file_together_are_refused_before_anything_is_sent(cli, unused_url, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", "one")
    monkeypatch.setenv("TASKMANAGER_API_KEY_FILE", "two")
    shown = cli("submit", "Test.Some", "--api-url", unused_url)

    assert shown.code == 2
    assert "both TASKMANAGER_API_KEY and TASKMANAGER_API_KEY_FILE" in shown.err


def test_a_type_that_nobody_registered_or_ever_worked_on_draws_a_note_that_names_a_like_one(cli, api):
    register(api, "Zoo.Form", "Zoo.Feed")
    shown = cli("submit", "Zoo.Frm", "--api-url", api.url)

    assert (shown.code, api.show(shown.out.strip())["status"]) == (0, "pending")
    assert shown.err == (
        "note: Zoo.Frm is not registered, and no task of it was ever worked on; did you mean Zoo.Form? "
        "`prismq-worker plugins --publish` registers the types of your plugins\n"
    )


def test_a_type_that_was_worked_on_before_draws_no_note(cli, api):
    first = cli("submit", "Zoo.Form", "--api-url", api.url)
    assert "check its name" in first.err
    api.claim(types=["Zoo.Form"])

    assert cli("submit", "Zoo.Form", "--api-url", api.url).err == ""


def test_a_server_of_this_machine_that_is_just_starting_is_waited_for(cli, tmp_path, monkeypatch):
    listening = iter([False, False, True])
    monkeypatch.setattr(tasks, "_listens", lambda place: next(listening))
    monkeypatch.setattr(tasks, "PATIENCE", 60.0)
    monkeypatch.setattr(tasks, "LOOK_EVERY", 0.0)
    with running_api(tmp_path) as api:
        shown = cli("submit", "Test.Some", "--api-url", api.url)

    assert shown.code == 0
    assert shown.err.startswith(f"waiting for a server at {api.url.split('/')[2]} …\n")
    assert list(listening) == []


def test_an_address_without_its_path_is_told_with_the_one_that_was_probably_meant(cli, api):
    bare = api.url.removesuffix("/api")
    shown = cli("submit", "Test.Some", "--api-url", bare)

    assert shown.code == 1
    assert shown.err.endswith(f"did you mean --api-url {bare}/api?\n")
