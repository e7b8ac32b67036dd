"""`prismq-worker types`: task types, and pausing them."""

import json

import pytest

from tests.support.api import TYPE


@pytest.fixture
def types(cli, api):
    return lambda *arguments: cli("types", *arguments, "--api-url", api.url)


def test_a_type_is_paused_and_resumed(types, api):
    task_id = api.submit()
    paused = types("pause", TYPE, "--for", "1h", "--reason", "quota used up")

    line = f"{TYPE}  paused until 2026-01-01T01:00:00.000Z by anonymous: quota used up\n"
    assert (paused.code, paused.out) == (0, line)
    assert api.claim() is None
    assert types("resume", TYPE).out == f"{TYPE}\n"
    assert api.claim()["id"] == task_id


def test_types_are_listed_with_their_versions_and_their_pauses(types, api):
    assert types().err == "no task type\n"
    api.call("PUT", "/task-types/Test.Known", {"version": "7", "param_schema": {}})
    types("pause", "Test.Known")
    types("pause", TYPE)
    listed = types("list")

    assert listed.out.splitlines() == [
        "Test.Known  version 7  paused until it is resumed by anonymous",
        f"{TYPE}  paused until it is resumed by anonymous",
    ]
    assert types().out == listed.out
    assert [one["name"] for one in json.loads(types("--json").out)["paused"]] == ["Test.Known", TYPE]


def test_the_name_of_no_type_is_refused(types):
    assert types("pause", "").code == 2
    assert types("pause", "no type").code == 1
