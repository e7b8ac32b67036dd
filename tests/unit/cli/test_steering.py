"""`prismq-worker tasks retry|cancel|delete|priority|expedite|delay`: one task, or all that options name."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.cli import steering
from prismq_worker_sdk.taskmanager.bulk import go_on
from tests.support.api import TYPE


@pytest.fixture
def tasks(cli, api, monkeypatch):
    monkeypatch.setattr(steering, "time", SimpleNamespace(sleep=lambda _seconds: api.chore(go_on)))
    return lambda *arguments: cli("tasks", *arguments, "--api-url", api.url)


def failed(api, error="it broke"):
    task_id = api.submit(max_attempts=1)
    api.claim()
    api.fail(task_id, error=error)
    return task_id


def said(shown):
    return shown.code, shown.out.strip()


def test_a_dry_run_says_how_many_tasks_it_would_be(tasks, api):
    failed(api, "timeout")
    failed(api, "no such video")

    assert said(tasks("retry", "--status", "failed", "--dry-run")) == (0, "2 tasks")
    assert said(tasks("retry", "--error", "timeout", "--dry-run")) == (0, "1 task")
    shown = tasks("retry", "--error", "none", "--dry-run", "--json")
    assert json.loads(shown.out) == {"found": 0}


def test_all_tasks_that_options_name_are_tried_again(tasks, api):
    first, other = failed(api, "timeout"), failed(api, "no such video")
    shown = tasks("retry", "--error", "timeout", "--yes")

    assert said(shown) == (0, "1 tried again, 0 passed over")
    assert shown.err.startswith("job ")
    assert [api.show(one)["status"] for one in (first, other)] == ["pending", "failed"]


def test_what_nobody_says_yes_to_is_not_done(tasks, api, monkeypatch):
    task_id = failed(api)
    asked = []
    monkeypatch.setattr(steering.click, "confirm", lambda text, **_: asked.append(text))

    assert said(tasks("delete", "--status", "failed")) == (0, "1 deleted, 0 passed over")
    assert asked == ["delete 1 task?"]
    monkeypatch.undo()
    assert api.call("GET", f"/tasks/{task_id}").status_code == 404


def test_without_an_answer_nothing_is_done(cli, api, monkeypatch):
    task_id = failed(api)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    shown = cli("tasks", "delete", "--status", "failed", "--api-url", api.url)

    assert shown.code == 130
    assert api.show(task_id)["status"] == "failed"


def test_waiting_tasks_are_cancelled_and_get_another_priority(tasks, api):
    first, second = api.submit(), api.submit("Test.Other")

    assert said(tasks("priority", "7", "--type", TYPE, "--yes")) == (0, "1 changed, 0 passed over")
    assert said(tasks("cancel", "--type", "Test.Other", "--yes")) == (0, "1 cancelled, 0 passed over")
    assert (api.show(first)["priority"], api.show(second)["status"]) == (7, "failed")


def test_one_task_is_steered_by_its_id(tasks, api):
    task_id = api.submit(delay_seconds=60)
    line = f"{task_id}  pending     {TYPE}"

    assert said(tasks("priority", "3", task_id)) == (0, line)
    assert said(tasks("delay", task_id, "--for", "2h")) == (0, line)
    assert api.show(task_id)["priority"] == 3
    assert said(tasks("expedite", task_id)) == (0, line)
    assert api.show(task_id)["not_before"] is None
    assert said(tasks("delete", task_id)) == (0, task_id)
    assert api.call("GET", f"/tasks/{task_id}").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("retry",), 2, "give the ID of a task, or options"),
        (("delete", "--yes"), 2, "give the ID of a task, or options"),
        (("cancel", "some-id", "--type", TYPE), 2, "not both (task_type)"),
        (("retry", "some-id", "--dry-run"), 2, "not both (dry_run)"),
        (("delete", "none"), 1, "there is no task none"),
        (("expedite", "none"), 1, "there is no task none"),
        (("retry", "--status", "completed", "--yes"), 1, "not for completed ones"),
        (("retry", "--ended-after", "yesterday", "--yes"), 1, "such as 2026-11-29T12:00:00Z"),
        (("delete", "--ended-before", "30", "--yes"), 1, "such as 2026-11-29T12:00:00Z"),
    ],
)
def test_what_makes_no_sense_has_its_sentence(tasks, arguments, code, words):
    shown = tasks(*arguments)

    assert (shown.code, shown.out) == (code, "")
    assert words in shown.err


def test_the_list_is_narrowed_by_error_parent_and_times(tasks, api):
    broken, child = failed(api, "timeout"), api.submit(parent_id="p")

    def listed(*arguments):
        return [line.split()[0] for line in tasks("list", *arguments).out.splitlines()]

    assert listed("--error", "TIMEOUT") == [broken]
    assert listed("--parent", "p") == [child]
    assert listed("--ended-after", "2026-01-01T00:00:00Z") == [broken]
    assert listed("--created-before", "2026-01-01T00:00:00Z") == []
    assert listed("--error-type", "None") == []
