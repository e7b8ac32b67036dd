"""`submit` and `tasks` on the server in production."""

import json

import pytest

from tests.support.prismq_client import TYPE, running_prismq_client


@pytest.fixture
def production():
    with running_prismq_client() as running:
        running.register()
        yield running


@pytest.fixture
def submit(cli, production):
    return lambda *arguments: cli("submit", TYPE, *arguments, "--api-url", production.url)


@pytest.fixture
def tasks(cli, production):
    return lambda *arguments: cli("tasks", *arguments, "--api-url", production.url)


def test_a_new_task_is_told_by_its_id_alone(submit):
    shown = submit('{"n": 1}')

    assert (shown.code, shown.out, shown.err) == (0, "1\n", "")


def test_an_old_task_is_told_with_how_it_stands_and_what_to_do(submit, production):
    submit('{"n": 1}')
    assert submit('{"n": 1}').err == "task 1 was there already, pending; give --run-key to run it again\n"
    production.claim()
    production.complete(1)
    shown = submit('{"n": 1}')

    assert (shown.code, shown.out) == (0, "1\n")
    assert shown.err == "task 1 was there already, completed; give --run-key to run it again\n"


def test_a_run_key_runs_it_again_once(submit):
    submit('{"n": 1}')
    first, second = (submit('{"n": 1}', "--run-key", "monday") for _ in range(2))

    assert (first.out, first.err) == ("2\n", "")
    assert second.out == "2\n"
    assert (
        second.err
        == "task 2 was there already for this run key, pending; give another --run-key to run it again\n"
    )


def test_params_may_be_left_out(submit, production):
    assert submit().out == "1\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_with_wait_an_old_task_is_told_with_its_result_at_once(submit, production, as_json):
    submit('{"n": 1}')
    production.claim()
    production.complete(1, result={"shorts": ["ü"]})
    shown = submit('{"n": 1}', "--wait", *(["--json"] if as_json else []))

    assert shown.code == 0
    assert "was there already, completed" in shown.err
    text = shown.out if as_json else shown.out.split("\n", 1)[1]
    found = json.loads(text)
    assert (found["result"] if as_json else found) == {"shorts": ["ü"]}


def test_what_the_server_cannot_do_is_wrong_use(submit, tasks):
    for shown in (submit('{"n": 1}', "--priority", "5"), tasks("cancel", "1"), tasks("--worker", "w1")):
        assert (shown.code, shown.out) == (2, "")
        assert shown.err.startswith("prismq-worker: the TaskManager at http://")
        assert shown.err.count("\n") == 1


def test_params_that_the_server_refuses_are_told_field_by_field(submit, production):
    production.register(
        schema={"type": "object", "required": ["q"], "properties": {"n": {"type": "integer"}}}
    )
    shown = submit('{"n": "x"}')

    assert shown.code == 1
    assert shown.err.splitlines() == [
        f"prismq-worker: the server refused the task: the params do not fit the schema that is registered for {TYPE}",
        "  /q: is missing",
        "  /n: Type mismatch: expected integer, got string",
    ]


def test_tasks_are_listed_and_shown_without_what_the_server_does_not_tell(submit, tasks, production):
    submit('{"n": 1}')
    production.claim()
    listed, shown = tasks("--status", "processing"), tasks("show", "1")

    assert listed.out.split()[:3] == ["1", "processing", TYPE]
    assert (shown.code, shown.err) == (0, "")
    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert ["status", "claimed"] in lines
    assert ["params", '{"n": 1}'] in lines
    assert json.loads(tasks("show", "1", "--json").out)["claimed_by"] == "w1"


@pytest.mark.parametrize("unknown", ["99", "1abc", "5f0c1d3e-9f0a-4d2a-8f11-0242ac120002", "../stats"])
def test_an_unknown_id_is_told_in_one_sentence_and_exits_with_1(submit, tasks, unknown):
    submit('{"n": 1}')
    shown = tasks("show", unknown)

    assert (shown.code, shown.out) == (1, "")
    assert shown.err == f"prismq-worker: there is no task {unknown}\n"


@pytest.mark.parametrize("dialect", ["prismq-client", "auto"])
def test_the_dialect_of_the_settings_is_spoken(submit, production, monkeypatch, dialect):
    monkeypatch.setenv("PRISMQ_WORKER_DIALECT", dialect)
    submit('{"n": 1}')

    assert (("GET", "/health") in production.server.requests) is (dialect == "auto")
