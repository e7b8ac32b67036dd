"""`prismq-worker limits`: what a server counts for all its workers."""

import json

import pytest

from tests.support.api import TYPE
from tests.support.prismq_client import running_prismq_client

PLUGIN = """
from prismq_worker_sdk import hookimpl, task_handler

@task_handler("Test.Some", limits=["web", {"path": "/host", "units": 2}])
def some(params: dict, ctx):
    return {}

@hookimpl
def prismq_task_handlers():
    return [some]
"""


@pytest.fixture
def limits(cli, api):
    def run(*words):
        return cli("limits", *words, "--api-url", api.url)

    return run


def test_limits_are_made_listed_paused_and_taken_away(limits):
    assert limits().err == "no limit\n"
    assert limits("set", "web", "30/min", "--at-once", "4").code == 0
    shown = "web                       0 of 30 used in 1m, 0 of 4 running"
    assert limits().out.splitlines() == [shown]
    assert limits("list", "--prefix", "x").out == ""
    paused = limits("pause", "web", "--for", "10m", "--reason", "429").out
    assert paused.startswith(f"{shown}, paused until 20")
    assert paused.endswith(" (429)\n")
    assert limits("resume", "web").out.splitlines() == [shown]
    assert json.loads(limits("set", "web", "--at-once", "2", "--json").out)["units"] is None
    assert limits("delete", "web").code == 0
    assert limits().out == ""


def test_a_type_is_told_what_its_tasks_use(limits, api):
    assert limits("use", TYPE).err == f"tasks of {TYPE} use no limit\n"
    shown = limits("use", TYPE, "web", '{"path": "/host", "units": 2}')

    assert shown.out.splitlines() == ['{"key": "web"}', '{"path": "/host", "units": 2}']
    assert limits("use", TYPE).out == shown.out
    assert limits("use", TYPE, "--nothing").out == ""
    assert api.call("GET", f"/task-types/{TYPE}/limits").json() == {"limits": []}


def test_what_a_plugin_says_of_limits_is_published_and_else_what_was_said_stays(cli, install, limits, api):
    install("limited", PLUGIN)
    assert cli("plugins", "--publish", "--api-url", api.url).out == f"{TYPE}  published\n"
    assert cli("plugins", "--publish", "--api-url", api.url).out == f"{TYPE}  unchanged\n"

    assert limits("use", TYPE).out.splitlines() == ['{"key": "web"}', '{"path": "/host", "units": 2}']


def test_a_server_that_counts_no_limits_takes_the_plugin_without_them(cli, install):
    install("limited", PLUGIN)
    with running_prismq_client() as production:
        assert cli("plugins", "--publish", "--api-url", production.url).out == f"{TYPE}  published\n"
        refused = cli("limits", "--api-url", production.url)

    assert (refused.code, refused.out) == (2, "")
    assert "has no limits" in refused.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "web"), 2, "a RATE such as 30/min, --at-once, or both"),
        (("set", "web", "fast"), 2, "rate='fast' is no rate"),
        (("set", "web", "--at-once", "0"), 2, "0 is not in the range"),
        (("pause", "web", "--for", "0"), 2, "is no time"),
        (("resume", "web"), 1, "there is no limit web"),
        (("delete", "web"), 1, "there is no limit web"),
        (("use", TYPE, "{"), 2, "is no JSON"),
        (("use", TYPE, '{"a": 1}'), 2, "says no use of a limit"),
        (("use", TYPE, "a", "--nothing"), 2, "not both"),
        (("use", "no type", "a"), 1, "no task type"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(limits, words, code, said):
    found = limits(*words)

    assert (found.code, found.out) == (code, "")
    assert said in found.err
