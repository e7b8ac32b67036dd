"""`prismq-worker tasks logs`: what the handlers of a task logged."""

import json

import pytest

from prismq_worker_sdk.cli import tasks as module
from tests.support.api import TYPE

NOBODY = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
def logs(cli, api):
    return lambda *arguments: cli("tasks", "logs", *arguments, "--api-url", api.url)


def exchange(api, **said):
    return api.call("POST", "/tasks/exchange", {"worker_id": "w1", **said}).json()


def claimed(api):
    api.submit(max_attempts=5)
    (task,) = exchange(api, claim={"task_types": [TYPE]})["tasks"]
    return task


def of(task, texts, first=1, level="info", **more):
    lines = [{"at": 0, "level": level, "text": text} for text in texts]
    log = {"first": first, "lines": lines, "logged": first + len(texts) - 1}
    return {"task_id": task["id"], "lease_token": task["lease_token"], "log": log, **more}


def said(shown):
    """Attempt, level and text of each line."""
    return [tuple(line.split(maxsplit=3)[1:]) for line in shown.out.splitlines()]


def test_lines_have_their_time_attempt_and_level(logs, api):
    task = claimed(api)
    exchange(api, leases=[of(task, ["page read shorts=25"])])
    exchange(api, reports=[of(task, ["boom"], first=2, level="error", outcome="failed")])
    shown = logs(task["id"])

    assert (shown.code, shown.err) == (0, "")
    assert said(shown) == [("#1", "info", "page read shorts=25"), ("#1", "error", "boom")]
    assert shown.out.startswith(task["created_at"])


def test_one_attempt_alone_can_be_shown(logs, api):
    first = claimed(api)
    exchange(api, reports=[of(first, ["one"], outcome="failed", delay_seconds=0)])
    (second,) = exchange(api, claim={"task_types": [TYPE]})["tasks"]
    exchange(api, leases=[of(second, ["two"])])

    assert said(logs(first["id"])) == [("#1", "info", "one"), ("#2", "info", "two")]
    assert said(logs(first["id"], "--attempt", "2")) == [("#2", "info", "two")]


def test_all_pages_are_shown_and_what_was_dropped_is_told(logs, api):
    task = claimed(api)
    exchange(api, leases=[of(task, [f"line {n}" for n in range(1_200)])])
    shown = logs(task["id"])

    assert [text for _, _, text in said(shown)] == [f"line {n}" for n in range(1_000)]
    assert shown.err == "attempt 1: 200 more lines were dropped, they were too many\n"


def test_a_line_can_forge_no_other(logs, api):
    task = claimed(api)
    exchange(api, leases=[of(task, ["first\nsecond \x1b[2J"])])

    assert logs(task["id"]).out.splitlines()[1] == "    second \\x1b[2J"


def test_each_line_is_a_json_object_where_that_is_wanted(logs, api):
    task = claimed(api)
    exchange(api, leases=[of(task, ["one", "two\nlines"])])
    found = [json.loads(line) for line in logs(task["id"], "--json").out.splitlines()]

    assert [(one["attempt"], one["level"], one["text"]) for one in found] == [
        (1, "info", "one"),
        (1, "info", "two\nlines"),
    ]


def test_a_log_is_followed_until_the_task_has_ended(logs, api, monkeypatch):
    task = claimed(api)
    steps = iter(
        [
            lambda: exchange(api, leases=[of(task, ["one"])]),
            lambda: exchange(api, reports=[of(task, ["two"], first=2, outcome="completed")]),
        ]
    )
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: next(steps)())
    shown = logs(task["id"], "--follow")

    assert said(shown) == [("#1", "info", "one"), ("#1", "info", "two")]


def test_a_task_that_logged_nothing_says_so(logs, api):
    shown = logs(api.submit())

    assert (shown.code, shown.out, shown.err) == (0, "", "nothing was logged\n")


def test_the_log_of_no_task_is_refused(logs):
    shown = logs(NOBODY)

    assert shown.code == 1
    assert f"there is no task {NOBODY}" in shown.err
