"""`prismq-worker doctor` on the TaskManager that PrismQ runs today."""

import json
from contextlib import contextmanager
from functools import partial

import pytest
import requests

from prismq_worker_sdk.testing import PrismqClientDeployment, PrismqClientServer
from tests.support.doctor import examined

PLUGIN = """
from prismq_worker_sdk import task_handler

@task_handler("Test.Some", params={"q": {"type": "string", "required": True}}, time_limit="1m")
def some(params: dict, ctx):
    return {}
"""
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
SCHEMA = {
    "type": "object",
    "required": ["q"],
    "properties": {"prismq_run_key": {"type": "string"}, "q": {"type": "string"}},
    "additionalProperties": False,
}
CANARY = "canary-77c0-do-not-show"
HOUR = 3600


@pytest.fixture
def plugin(plugin_file):
    return plugin_file(PLUGIN)


@pytest.fixture
def doctor(cli, plugin, tmp_path):
    return partial(examined, cli, tmp_path / "state", plugins=(plugin,))


@contextmanager
def serving(*, register=True, schema=SCHEMA, **deployed):
    with PrismqClientServer(PrismqClientDeployment(**deployed)) as server:
        if register:
            call(server, "/task-types/register", name="Test.Some", version="3", param_schema=schema)
        yield server


def call(server, path, *, key=CANARY, **body):
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(server.url + path, json=body, headers={"X-API-Key": key}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


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


@pytest.mark.parametrize("repaired", [False, True], ids=["as deployed", "repaired"])
def test_a_type_that_is_not_registered_cannot_be_claimed(repaired, doctor, plugin):
    with serving(register=False, repaired_items=repaired) as server:
        found = doctor(server.url)

    assert (found.code, found.level("type")) == (1, ["fail"])
    assert found.text("type").endswith(f"prismq-worker plugins --publish --plugin {plugin}")


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
    assert "idle this one sends 6 claims in that time, so 16 fit" in wide.text("rate limit")
    assert "not even it fits; raise RATE_LIMIT_MAX_REQUESTS" in narrow.text("rate limit")


def test_a_limit_that_is_reached_while_the_doctor_asks_is_told(doctor):
    with serving(rate_limit=1) as server:
        doctor(server.url)
        found = doctor(server.url)

    assert (found.code, found.level("server")) == (1, ["fail"])
    assert "takes no more requests now" in found.text("server")


def test_a_database_ahead_of_php_shows_in_the_newest_time(doctor, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    with serving(key=CANARY, database_zone_hours=2) as server:
        found = doctor(server.url)

    assert (found.code, found.level("time zone")) == (0, ["warn"])
    assert "PHP is at UTC, its database at UTC+02:00 or later" in found.text("time zone")


@pytest.mark.parametrize(("hours", "level"), [(-2, "skip"), (0, "ok")])
def test_what_cannot_be_seen_of_time_zones_is_left_to_the_probe(hours, level, doctor, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    with serving(key=CANARY, database_zone_hours=hours) as server:
        found = doctor(server.url)

    assert found.level("time zone") == [level]
    assert "doctor --probe tells" in found.text("time zone")


def test_without_a_key_the_zone_of_php_is_not_seen(doctor):
    with serving() as server:
        utc = doctor(server.url)
    with serving(database_zone_hours=2) as server:
        ahead = doctor(server.url)

    assert (utc.level("time zone"), ahead.level("time zone")) == (["skip"], ["warn"])
    assert "its database writes UTC+02:00 or later" in ahead.text("time zone")


@pytest.mark.parametrize("repaired", [False, True], ids=["as deployed", "repaired"])
def test_the_probe_shows_that_a_claim_holds_and_leaves_nothing_open(repaired, doctor, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    with serving(key=CANARY, repaired_items=repaired, repaired_empty=repaired) as server:
        call(
            server,
            "/task-types/register",
            name="PrismQ.Doctor.Probe",
            version="1",
            param_schema={"type": "object"},
        )
        call(server, "/tasks", type="PrismQ.Doctor.Probe", params={"nonce": "an earlier one"})
        found = doctor(server.url, "--probe")
        tasks = server.tasks()

    assert (found.code, found.level("probe"), found.level("time zone")) == (0, ["ok"], ["ok"])
    assert "both at UTC" in found.text("time zone")
    assert [task["status"] for task in tasks] == ["completed", "completed"]


def test_the_probe_shows_claims_that_run_out_at_once(doctor):
    with serving(database_zone_hours=-2) as server:
        found = doctor(server.url, "--probe")
        (task,) = server.tasks()

    assert (found.code, found.level("time zone")) == (1, ["fail"])
    assert (
        "was given to a second one: every task may run twice (its database writes UTC-02:00)"
        in found.text("time zone")
    )
    assert "set date.timezone of PHP and time_zone of MySQL alike" in found.text("time zone")
    assert task["status"] == "completed"


def test_the_probe_shows_claims_that_run_out_too_late(doctor, monkeypatch):
    monkeypatch.setenv("TASKMANAGER_API_KEY", CANARY)
    with serving(key=CANARY, database_zone_hours=2) as server:
        found = doctor(server.url, "--probe")

    assert (found.code, found.level("time zone")) == (0, ["warn"])
    assert "comes back 2h too late" in found.text("time zone")


def test_the_probe_tells_which_step_failed(doctor):
    with serving(switched_off=frozenset({"POST /tasks/claim"})) as server:
        found = doctor(server.url, "--probe")

    assert (found.code, found.level("probe")) == (1, ["fail"])
    assert "the step 'claim' failed: " in found.text("probe")


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
