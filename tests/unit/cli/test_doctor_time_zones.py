"""`prismq-worker doctor` on PrismQ.Client: time zones of PHP and its database, and what only a claim shows."""

import pytest

from tests.support.doctor import CANARY, call, serving


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


@pytest.mark.parametrize(
    ("deployed", "levels", "said"),
    [
        ({}, ["ok"], "keep every character, up to 65,535 bytes"),
        ({"utf8mb4": False}, ["fail"], "is refused with HTTP 500"),
        ({"utf8mb4": False, "strict": False}, ["fail", "warn"], "are stored as '????'"),
        ({"strict": False}, ["warn"], "are cut instead of refused"),
    ],
)
def test_the_probe_shows_what_becomes_of_emoji_and_of_long_texts(deployed, levels, said, doctor):
    with serving(**deployed) as server:
        found = doctor(server.url, "--probe")
        (task,) = server.tasks()

    assert found.level("text") == levels
    assert said in found.text("text")
    assert (found.level("probe"), task["status"]) == (["ok"], "completed")


def test_the_probe_tells_which_step_failed(doctor):
    with serving(switched_off=frozenset({"POST /tasks/claim"})) as server:
        found = doctor(server.url, "--probe")

    assert (found.code, found.level("probe")) == (1, ["fail"])
    assert "the step 'claim' failed: " in found.text("probe")


def test_the_probe_makes_a_step_again_that_the_database_rolled_back(doctor):
    with serving(deadlocks=0.4) as server:
        found = doctor(server.url, "--probe")
        statuses = [task["status"] for task in server.tasks()]

    assert found.level("probe") == ["ok"]
    assert statuses == ["completed"]


def test_a_probe_that_meets_the_limit_is_a_warning(doctor):
    with serving(rate_limit=1) as server:
        found = doctor(server.url, "--probe")

    assert found.level("probe") == ["warn"]
    assert "probe again in a minute" in found.text("probe")
