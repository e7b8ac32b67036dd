"""`prismq-worker doctor` on the TaskManager that PrismQ runs today."""

import json

import pytest

from tests.support.doctor import CANARY, PLUGIN, SCHEMA, call, serving

RICH = """
from pydantic import Field
from prismq_worker_sdk import TaskParams, task_handler

class Inner(TaskParams):
    share: float = Field(0.5, ge=0, lt=1)

class Outer(TaskParams):
    text: str = Field(min_length=1, max_length=9, pattern="^[a-z]+$")
    inner: Inner | None = None
    many: list[Inner] = []

@task_handler("Test.Model")
def model(params: Outer, ctx):
    return {}

@task_handler("Test.Any")
def anything(params: dict, ctx):
    return {}

@task_handler("Test.Form", params={"n": {"type": "integer", "required": False, "default": 10, "min": 1}})
def form(params: dict, ctx):
    return {}
"""
NAMES = {name: PLUGIN.replace("Test.Some", name) for name in ("apiary.Test", "Test.SOME", "Test.Other")}


def changes(server):
    return [path for method, path in server.requests if method != "GET"]


@pytest.mark.parametrize("repaired", [False, True], ids=["as deployed", "repaired"])
def test_where_all_is_well_a_worker_would_run(repaired, doctor):
    with serving(repaired_items=repaired, repaired_empty=repaired) as server:
        registered = changes(server)
        found = doctor(server.url)

        assert changes(server) == registered
    assert (found.code, found.said["dialect"]) == (0, "prismq-client")
    assert found.level("type") == ["ok"]
    assert "version 3" in found.text("type")
    assert found.level("rate limit") == ["ok"]
    assert (
        "prismq-client: no leases, nothing given back, no waiting for work, one task a claim"
        in found.text("dialect")
    )


def test_a_pattern_that_makes_a_type_unusable_there_is_told(doctor):
    foreign = {"type": "object", "properties": {"tags": {"type": "array", "items": {"pattern": "^#a"}}}}
    with serving() as server:
        call(server, "/task-types/register", name="Test.Some", version="3", param_schema=foreign)
        found = doctor(server.url)
        for pattern in (r"^\#a", r"^\x23a", "^/a"):
            usable = {"type": "object", "properties": {"q": {"type": "string", "pattern": pattern}}}
            call(server, "/task-types/register", name="Test.Some", version="3", param_schema=usable)
            assert "every task is refused" not in doctor(server.url).text("type")

    assert (found.code, found.level("type")) == (0, ["warn"])
    assert "with the pattern '^#a': its # ends it there" in found.text("type")


@pytest.mark.parametrize("repaired", [False, True], ids=["as deployed", "repaired"])
def test_a_type_that_is_not_registered_cannot_be_claimed(repaired, doctor, plugin):
    with serving(register=False, repaired_items=repaired) as server:
        found = doctor(server.url)

    assert (found.code, found.level("type")) == (1, ["fail"])
    assert found.text("type").endswith(f"prismq-worker plugins --publish --plugin {plugin}")


def test_types_that_are_not_registered_are_one_failure(doctor, plugin_file):
    with serving(register=False) as server:
        found = doctor(server.url, plugins=[plugin_file(RICH)])

    assert found.level("type") == ["fail"]
    assert (
        "Test.Model, Test.Any, Test.Form are not registered, so that none of their tasks can be claimed"
        in found.text("type")
    )


def test_a_type_may_be_switched_off_spelled_otherwise_or_have_other_params(doctor, plugin, plugin_file):
    with serving(
        schema={**SCHEMA, "properties": {**SCHEMA["properties"], "q": {"type": "integer"}}}
    ) as server:
        other = doctor(server.url)
        spelled = doctor(server.url, plugins=[plugin_file(NAMES["Test.SOME"], "spelled")])
        server.switch_type("Test.Some", active=False)
        off = doctor(server.url)

    assert [one.code for one in (other, spelled, off)] == [0, 0, 0]
    assert [one.level("type") for one in (other, spelled, off)] == [["warn"]] * 3
    assert "first at /properties/q/type" in other.text("type")
    assert "Test.SOME is spelled Test.Some there" in spelled.text("type")
    assert "is switched off there: no new tasks are created" in off.text("type")


def test_a_type_whose_name_the_server_damages_is_a_failure(doctor, plugin_file):
    with serving() as server:
        found = doctor(server.url, plugins=[plugin_file(NAMES["apiary.Test"], "apiary")])

    assert (found.code, found.level("type")) == (1, ["fail"])
    assert "give the type a name that does not begin with api" in found.text("type")


def test_types_that_differ_in_case_only_are_one_type_there(doctor, plugin, plugin_file):
    with serving() as server:
        found = doctor(server.url, plugins=[plugin, plugin_file(NAMES["Test.SOME"], "spelled")])

    assert found.code == 1
    assert "Test.Some and Test.SOME are one type there" in found.text("type")


def test_the_health_proves_no_key_so_that_the_list_is_asked_for(doctor, monkeypatch):
    with serving(key=CANARY) as server:
        missing = doctor(server.url)
        monkeypatch.setenv("TASKMANAGER_API_KEY", f"{CANARY}-wrong")
        wrong = doctor(server.url)
        monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
        right = doctor(server.url)
    with serving() as server:
        needless = doctor(server.url)

    assert [one.code for one in (missing, wrong, right, needless)] == [1, 1, 0, 0]
    assert "asks for a key, and none is set" in missing.text("key")
    assert "refuses it (HTTP 401: Invalid or missing API key" in wrong.text("key")
    assert right.level("key") == ["ok"]
    assert needless.level("key") == ["warn"]
    assert CANARY not in "".join(json.dumps(one.said) for one in (missing, wrong, right, needless))


def test_the_key_is_in_no_line_for_people_either(cli, plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    with serving(key=CANARY) as server:
        shown = cli("doctor", "--debug", "--probe", "--api-url", server.url, "--plugin", plugin)

    assert "ok    probe" in shown.out
    assert CANARY not in shown.out + shown.err


def test_a_database_that_is_down_is_told_by_the_health(doctor):
    with serving() as server:
        server.database_up = False
        found = doctor(server.url)

    assert (found.code, found.level("server")) == (1, ["fail"])
    assert "look into the server's log" in found.text("server")


def test_a_limit_is_told_with_what_fits_and_is_a_warning_when_it_is_too_small(doctor):
    with serving(rate_limit=100) as server:
        wide = doctor(server.url)
    with serving(rate_limit=20) as server:
        narrow = doctor(server.url, "--poll-interval", "1s")

    assert (wide.level("rate limit"), narrow.level("rate limit")) == (["ok"], ["warn"])
    assert "100 requests in 1m on one path" in wide.text("rate limit")
    assert "idle this one sends 8 claims in that time, so 12 fit" in wide.text("rate limit")
    assert "not even it fits; raise RATE_LIMIT_MAX_REQUESTS" in narrow.text("rate limit")


def test_a_limit_that_is_reached_while_the_doctor_asks_is_told(doctor):
    with serving(rate_limit=1) as server:
        doctor(server.url)
        found = doctor(server.url)

    assert (found.code, found.level("server")) == (1, ["fail"])
    assert "takes no more requests now" in found.text("server")


def test_a_handler_that_wants_longer_than_a_claim_lasts_is_named(doctor, plugin_file):
    with serving() as server:
        found = doctor(server.url, "--server-claim-timeout", "50s")

    assert (found.code, found.level("claim time")) == (0, ["warn"])
    assert "Test.Some gets 45s of 1m" in found.text("claim time")


def test_what_plugins_publish_registers_is_what_the_doctor_looks_for(cli, doctor, plugin_file):
    rich = plugin_file(RICH, "rich")
    with serving(register=False) as server:
        published = cli("plugins", "--publish", "--plugin", rich, "--api-url", server.url)
        found = doctor(server.url, plugins=[rich])

    assert published.code == 0
    assert (found.code, found.level("type")) == (0, ["ok", "ok", "ok"])


def test_a_limit_that_is_used_up_says_nothing_of_the_key(doctor):
    with serving(rate_limit=2) as server:
        for number in range(2):
            call(server, "/tasks", type="Test.Some", params={"q": str(number)})
        found = doctor(server.url)

    assert (found.code, found.level("key"), found.level("type")) == (0, ["warn"], ["ok"])
    assert found.level("rate limit") == ["warn"]
    assert "it was just reached" in found.text("rate limit")


@pytest.mark.parametrize("command", ["doctor", "plugins"])
def test_what_a_plugin_prints_at_its_import_is_not_in_the_json(command, cli, plugin_file, tmp_path):
    chatty = plugin_file(f"print('hello')\n{PLUGIN}")
    with serving() as server:
        options = {"doctor": ("--api-url", server.url), "plugins": ()}[command]
        shown = cli(command, "--json", "--plugin", chatty, "--state-dir", tmp_path / "state", *options)

    assert json.loads(shown.out)
    assert "hello" in shown.err
