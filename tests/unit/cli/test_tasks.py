"""`prismq-worker tasks`: what the server holds, and steering it."""

import json

import pytest

from tests.support.family import Family

NOBODY = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
def tasks(cli, api):
    return lambda *arguments: cli("tasks", *arguments, "--api-url", api.url)


def ids(shown):
    return [line.split()[0] for line in shown.out.splitlines()]


def test_the_list_is_newest_first_with_status_type_and_error(tasks, api):
    first = api.submit("Test.One")
    api.claim(types=["Test.One"])
    api.clock.turn(1)
    second = api.submit("Test.Two", max_attempts=1)
    api.claim(types=["Test.Two"])
    api.fail(second, error="it broke " + "x" * 100)
    shown = tasks()

    assert (shown.code, shown.err) == (0, "")
    newest, oldest = shown.out.splitlines()
    assert newest.split()[:4] == [second, "failed", "Test.Two", "1/1"]
    assert newest.endswith("  it broke " + "x" * 71)
    assert oldest.split()[:4] == [first, "processing", "Test.One", "1/3"]


def test_an_empty_list_says_so_on_stderr(tasks):
    shown = tasks()

    assert (shown.code, shown.out, shown.err) == (0, "", "no task\n")


@pytest.mark.parametrize(("name", "value"), [("DEBUG", "app:*"), ("MAX_RUNS", "many"), ("WORKER_ID", "Zoë")])
def test_settings_of_a_worker_alone_stop_no_list(tasks, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    shown = tasks()

    assert (shown.code, shown.out, shown.err) == (0, "", "no task\n")


def test_the_list_is_narrowed_by_each_option(tasks, api):
    one, two = api.submit("Test.One", {"q": "needle"}), api.submit("Test.Two")
    api.claim(worker="w7", types=["Test.Two"])

    assert ids(tasks("--type", "Test.One")) == [one]
    assert ids(tasks("--status", "processing")) == [two]
    assert ids(tasks("--worker", "w7")) == [two]
    assert ids(tasks("--search", "needle")) == [one]
    assert ids(tasks("--type", "Test.One", "--status", "failed")) == []


def test_the_list_has_a_name_of_its_own_too(tasks, cli, api):
    task = api.submit("Test.One")

    assert (
        ids(tasks("list", "--type", "Test.One")) == ids(cli("tasks", "--api-url", api.url, "list")) == [task]
    )
    assert ids(tasks("list", "--status", "failed")) == []


def test_pages_follow_each_other_by_the_cursor(tasks, api):
    made = []
    for _ in range(3):
        made.append(api.submit())
        api.clock.turn(1)
    first = tasks("--limit", "2")
    assert first.err.startswith("more: --cursor ")
    second = tasks("--limit", "2", "--cursor", first.err.split()[-1])

    assert ids(first) + ids(second) == made[::-1]
    assert second.err == ""


@pytest.mark.parametrize("trace", [{}, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "v=1"}])
def test_the_list_as_json_is_one_object(tasks, api, trace):
    task_id = api.submit(**trace)
    shown = tasks("--json")

    found = json.loads(shown.out)
    whole = {name: one for name, one in api.show(task_id).items() if name in found["tasks"][0]}
    assert found == {"tasks": [whole], "next_cursor": None}
    assert {"params", "result", "created_at", "attempt", "priority", "progress", *trace} <= whole.keys()
    assert shown.err == ""


def test_show_tells_params_result_and_each_attempt(tasks, api):
    task_id = api.submit(params={"q": "ü"})
    api.claim(worker="w1")
    api.complete(task_id, result={"n": 3})
    shown = tasks("show", task_id)

    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert (shown.code, shown.err) == (0, "")
    assert ["id", task_id] in lines
    assert ["params", '{"q": "ü"}'] in lines
    assert ["result", '{"n": 3}'] in lines
    assert lines[-1][0] == "attempt"
    assert lines[-1][1].startswith("1     completed by w1 at ")


def test_show_tells_a_running_attempt_and_leaves_out_what_is_not_there(tasks, api):
    task_id = api.submit()
    api.claim(worker="w1")
    shown = tasks("show", task_id)

    assert shown.out.splitlines()[-1].startswith("attempt 1     running by w1 at ")
    assert "error" not in shown.out
    assert "null" not in shown.out


def test_show_as_json_is_the_task_as_the_server_has_it(tasks, api):
    task_id = api.submit(params={"q": "ü"})

    assert json.loads(tasks("show", task_id, "--json").out) == api.show(task_id)


def test_cancel_ends_a_pending_task_and_retry_makes_it_pending_again(tasks, api):
    task_id = api.submit()
    cancelled = tasks("cancel", task_id)
    assert (cancelled.code, api.show(task_id)["status"]) == (0, "failed")
    assert cancelled.out.split()[:3] == [task_id, "failed", "Test.Some"]

    again = tasks("retry", task_id)
    assert (again.code, api.show(task_id)["status"]) == (0, "pending")
    assert again.out.split()[:3] == [task_id, "pending", "Test.Some"]


def test_what_cannot_be_retried_is_told_and_exits_with_1(tasks, api):
    shown = tasks("retry", api.submit())

    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("prismq-worker: ")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
def test_an_unknown_id_is_told_in_one_sentence_and_exits_with_1(command, tasks):
    for unknown in (NOBODY, "no-uuid", "../stats", "a b?c#d", "ü"):
        shown = tasks(command, unknown)
        assert (shown.code, shown.out) == (1, ""), unknown
        assert shown.err.startswith("prismq-worker: ")
        assert shown.err.count("\n") == 1
        assert "unexpected" not in shown.err


def test_the_address_may_stand_before_the_subcommand(cli, api):
    task_id = api.submit()

    assert task_id in cli("tasks", "--api-url", api.url, "show", task_id).out


def test_an_error_with_line_breaks_forges_no_line_of_the_list(tasks, api):
    task_id = api.submit("Test.One", max_attempts=1)
    api.claim(types=["Test.One"])
    api.fail(task_id, error="it broke\n00000000  completed  Test.One\x1b[2K")
    (line,) = tasks().out.splitlines()

    assert line.endswith(r"it broke\n00000000  completed  Test.One\x1b[2K")


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
@pytest.mark.parametrize("task_id", ["", ".", ".."])
def test_what_cannot_be_an_id_is_wrong_use(cli, command, task_id):
    shown = cli("tasks", command, task_id)

    assert shown.code == 2
    assert f"'{task_id}' is the id of no task" in shown.err


def test_bytes_that_are_no_text_are_wrong_use(cli):
    shown = cli("tasks", "--search", "\udcff")

    assert shown.code == 2
    assert "is no UTF-8 text" in shown.err


def test_the_children_of_a_task_are_counted_and_listed(tasks, api):
    family = Family(api)
    parent = family.parent(3)
    (done,) = family.claim()
    family.report(done)
    shown = tasks("children", parent, "--limit", "2")

    told = dict(line.split() for line in shown.out.splitlines()[:5])
    assert told == {"pending": "2", "processing": "0", "completed": "1", "failed": "0", "open": "2"}
    assert len(shown.out.splitlines()) == 7
    assert "more: --cursor" in shown.err
    family.report(*family.claim(number=2))
    found = json.loads(tasks("children", parent, "--limit", "0", "--json").out)
    assert found["follower"] == family.followers()[0]["id"]
    assert (found["status"], found["open"], found["tasks"]) == ("completed", 0, [])


def test_children_of_a_task_that_is_not_there_are_an_error(tasks):
    shown = tasks("children", NOBODY)

    assert (shown.code, shown.out) == (1, "")
    assert NOBODY in shown.err
