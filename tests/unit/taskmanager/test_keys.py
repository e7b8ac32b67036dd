"""API keys of the database: how they are made, what is kept of them, and when they stop to hold."""

import logging
import sqlite3
import threading

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.app import CHORES
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope, TaskManagerConfig
from prismq_worker_sdk.taskmanager.keys import CHANCE_BYTES, PREFIX
from prismq_worker_sdk.taskmanager.server import RunningServer
from tests.support.api import TYPE, Api, running_api
from tests.support.processes import wait_until

ADMIN = "admin-key-of-the-file"
FILE = (ApiKey.of(ADMIN, Scope.ADMIN, "keys.txt:1"),)


@pytest.fixture
def guarded(tmp_path):
    with running_api(tmp_path, keys=FILE) as api:
        yield api


def make(api, name, scope="admin", by=ADMIN, **more):
    made = api.call("POST", "/keys", {"name": name, "scope": scope, **more}, key=by)
    assert made.status_code == 201, made.text
    return made.json()


def listed(api, by=ADMIN):
    return {one["name"]: one for one in api.call("GET", "/keys", key=by).json()["keys"]}


def looks(api, key):
    return api.call("GET", "/stats", key=key).status_code


def revoke(api, name, by=ADMIN):
    return api.call("DELETE", f"/keys/{name}", key=by)


def test_a_key_is_256_bits_of_chance_and_never_the_same():
    assert CHANCE_BYTES == 32


def test_a_key_is_shown_once_and_only_its_digest_is_stored(tmp_path):
    with running_api(tmp_path, database=str(tmp_path / "tasks.db"), keys=FILE) as api:
        made = [make(api, f"k{n}")["key"] for n in range(3)]
        assert len(set(made)) == 3
        assert {len(one.removeprefix(PREFIX)) for one in made} == {43}
        shown = api.call("GET", "/keys", key=ADMIN).text
        shown += api.call("GET", "/audit", key=ADMIN).text
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("tasks.db*"))

    assert b"k0" in stored
    assert not any(one in shown or one.encode() in stored for one in made)


def test_what_is_known_of_a_key_is_listed(guarded):
    made = make(guarded, "scraper", "worker", task_types=[TYPE], expires_in_seconds=60, requests_per_minute=9)
    key = made.pop("key")
    assert key.startswith(PREFIX)

    assert listed(guarded) == {"scraper": made}
    assert (made["scope"], made["task_types"], made["requests_per_minute"]) == ("worker", [TYPE], 9)
    assert made["created_at"] < made["expires_at"]
    assert (made["revoked_at"], made["last_used_at"]) == (None, None)


def test_keys_of_the_file_and_of_the_database_hold_beside_each_other(guarded):
    key = make(guarded, "reader", "reader")["key"]

    assert [looks(guarded, one) for one in (ADMIN, key, None)] == [200, 200, 401]


def test_a_key_that_stands_in_the_file_with_two_scopes_has_both(tmp_path):
    keys = tuple(ApiKey.of("both-1234", scope) for scope in (Scope.PRODUCER, Scope.WORKER))
    with running_api(tmp_path, keys=keys) as api:
        assert api.call("POST", "/tasks", {"type": TYPE}, key="both-1234").status_code == 201
        claim = {"worker_id": "w1", "task_types": [TYPE]}
        assert api.call("POST", "/tasks/claim", claim, key="both-1234").status_code == 200


def test_the_first_key_closes_a_server_that_was_open_and_the_end_of_the_last_opens_it_to_nobody(api):
    assert looks(api, None) == 200
    key = make(api, "first", by=None)["key"]
    assert [looks(api, one) for one in (None, key)] == [401, 200]

    assert revoke(api, "first", key).status_code == 200
    assert [looks(api, one) for one in (None, key)] == [401, 401]


def test_other_servers_of_the_database_follow_at_their_next_look_a_second_later(tmp_path):
    assert [chore.every for chore in CHORES if chore.run is AppState.look_at_keys] == [1.0]
    with running_api(tmp_path) as one, running_api(tmp_path) as two:
        key = make(one, "first", by=None)["key"]
        assert looks(two, None) == 200
        two.chore(AppState.look_at_keys)
        assert [looks(two, given) for given in (None, key)] == [401, 200]
        revoke(one, "first", key)
        two.chore(AppState.look_at_keys)
        assert looks(two, key) == 401


def test_a_key_that_was_just_made_holds_at_every_server_at_once(tmp_path):
    with running_api(tmp_path, keys=FILE) as one, running_api(tmp_path, keys=FILE) as two:
        key = make(one, "new", "reader")["key"]
        assert looks(two, key) == 200
        assert two.call("GET", "/health", key=make(one, "newer", "reader")["key"]).status_code == 200
        assert two.call("GET", "/keys", key=key).status_code == 403


def test_the_first_key_is_what_it_is_at_a_server_that_was_open(tmp_path):
    with running_api(tmp_path) as one, running_api(tmp_path) as two:
        key = make(one, "first", "reader", by=None)["key"]
        assert two.call("GET", "/keys", key=key).status_code == 403


def test_a_key_holds_until_it_expires(guarded):
    key = make(guarded, "short", expires_in_seconds=60)["key"]
    for seconds, status in ((59, 200), (1, 401)):
        guarded.clock.turn(seconds)
        guarded.chore(AppState.look_at_keys)
        assert looks(guarded, key) == status


def test_a_key_is_revoked_by_name_or_id_once_and_stays_listed(guarded):
    first, second = make(guarded, "a"), make(guarded, "b")
    assert revoke(guarded, "a").json()["revoked_at"] is not None
    at = revoke(guarded, second["id"]).json()["revoked_at"]
    guarded.clock.turn(5)

    assert revoke(guarded, "b").json()["revoked_at"] == at
    assert revoke(guarded, "c").status_code == 404
    assert [looks(guarded, one["key"]) for one in (first, second)] == [401, 401]
    assert set(listed(guarded)) == {"a", "b"}


def test_a_key_whose_name_has_slashes_is_revoked_by_its_name(guarded):
    make(guarded, "team/scraper")

    assert revoke(guarded, "team%2Fscraper").json()["name"] == "team/scraper"


def test_a_name_is_used_once_so_that_the_audit_says_for_ever_who_it_was(guarded):
    make(guarded, "ops")
    revoke(guarded, "ops")
    again = guarded.call("POST", "/keys", {"name": "ops", "scope": "reader"}, key=ADMIN)

    assert again.status_code == 409
    assert "'ops'" in again.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": "a\nb"},
        {"name": 1},
        {"scope": "boss"},
        {"scope": "admin", "task_types": [TYPE]},
        {"task_types": []},
        {"task_types": ["no type!"]},
        {"expires_in_seconds": 0},
        {"expires_in_seconds": 1e9},
        {"requests_per_minute": 0},
        {"requests_per_minute": 1.5},
        {"more": 1},
    ],
)
def test_what_makes_no_key_is_refused_with_its_reason(guarded, wrong):
    refused = guarded.call("POST", "/keys", {"name": "k", "scope": "reader", **wrong}, key=ADMIN)

    assert refused.status_code == 422
    assert refused.json()["errors"]
    assert listed(guarded) == {}


def test_who_made_and_revoked_a_key_is_written_down(guarded):
    key = make(guarded, "ops")["key"]
    make(guarded, "grafana", "reader", by=key)
    revoke(guarded, "grafana", by=key)
    revoke(guarded, "grafana", by=key)
    acts = guarded.call("GET", "/audit?kind=key", key=ADMIN).json()["audit"]

    assert [(one["who"], one["action"], one["target"]) for one in acts] == [
        ("ops", "revoke", "grafana"),
        ("ops", "create", "grafana"),
        ("keys.txt:1", "create", "ops"),
    ]


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(guarded):
    key = make(guarded, "ops")["key"]
    seen = []
    for seconds in (0, 30, 29, 1, 0):
        guarded.clock.turn(seconds)
        looks(guarded, key)
        guarded.chore(AppState.note_key_uses)
        seen.append(listed(guarded)["ops"]["last_used_at"])

    assert seen[0] is not None
    assert [one == seen[0] for one in seen] == [True, True, True, False, False]
    assert seen[3] == seen[4]


def test_two_servers_note_the_use_of_a_key_once_a_minute_together(tmp_path):
    with running_api(tmp_path, keys=FILE) as one, running_api(tmp_path, one.clock, keys=FILE) as two:
        key = make(one, "ops")["key"]
        two.chore(AppState.look_at_keys)
        looks(one, key)
        one.chore(AppState.note_key_uses)
        first = listed(one)["ops"]["last_used_at"]
        one.clock.turn(30)
        looks(two, key)
        two.chore(AppState.note_key_uses)

        assert listed(one)["ops"]["last_used_at"] == first


def test_a_key_may_call_so_often_a_minute_and_is_told_when_it_may_again(guarded):
    key = make(guarded, "slow", "reader", requests_per_minute=3)["key"]
    assert [looks(guarded, key) for _ in range(4)] == [200, 200, 200, 429]
    refused = guarded.call("GET", "/stats", key=key)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
    assert refused.headers["content-type"] == "application/problem+json"

    guarded.clock.turn(20)
    assert [looks(guarded, key) for _ in range(2)] == [200, 429]
    guarded.chore(AppState.look_at_keys)
    assert looks(guarded, key) == 429
    assert looks(guarded, ADMIN) == 200


def test_a_claim_that_waits_hands_nothing_to_a_key_that_was_revoked_meanwhile(guarded):
    key, answers = make(guarded, "w", "worker")["key"], []
    wanted = {"worker_id": "w1", "claim": {"task_types": [TYPE], "wait_seconds": 30}}
    own = Api(guarded.url)

    def wait():
        answers.append(own.call("POST", "/tasks/exchange", wanted, key=key))

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: seen(guarded, "w1"), "the end of its first look")
    revoke(guarded, "w")
    task = guarded.call("POST", "/tasks", {"type": TYPE}, key=ADMIN).json()
    thread.join(30)
    own.session.close()

    assert answers[0].status_code == 401
    assert guarded.call("GET", f"/tasks/{task['id']}", key=ADMIN).json()["status"] == "pending"


def seen(guarded, worker_id):
    workers = guarded.call("GET", "/workers", key=ADMIN).json()["workers"]
    return worker_id in [one["worker_id"] for one in workers]


def test_a_bound_key_sees_creates_and_publishes_its_types_only(guarded):
    producer = make(guarded, "p", "producer", task_types=[TYPE])["key"]
    worker = make(guarded, "w", "worker", task_types=[TYPE])["key"]
    reader = make(guarded, "r", "reader", task_types=[TYPE])["key"]
    batch = {"tasks": [{"type": TYPE}, {"type": "Test.Other"}, {"type": "no type!"}]}
    made = guarded.call("POST", "/tasks/batch", batch, key=producer).json()["tasks"]
    assert [one["status"] for one in made] == [201, 403, 422]
    guarded.call("POST", "/tasks", {"type": "Test.Other"}, key=ADMIN)
    for name, key in ((TYPE, worker), ("Test.Other", ADMIN)):
        assert guarded.call("PUT", f"/task-types/{name}", {"version": "1", "param_schema": {}}, key=key).ok

    def get(path, key):
        return guarded.call("GET", path, key=key).json()

    assert [task["type"] for task in get("/tasks", reader)["tasks"]] == [TYPE]
    assert get("/tasks?type=Test.Other", reader)["tasks"] == []
    assert [one["name"] for one in get("/task-types", worker)["task_types"]] == [TYPE]
    assert list(get("/stats", producer)["types"]) == [TYPE]
    guarded.call("POST", "/tasks/claim", {"worker_id": "w1", "task_types": ["Test.Other"]}, key=ADMIN)
    assert "Test.Other" not in guarded.call("GET", "/metrics", key=reader).text
    assert len(get("/tasks", ADMIN)["tasks"]) == 2


def test_a_bound_key_puts_no_child_below_a_task_of_another_type(guarded):
    producer = make(guarded, "p", "producer", task_types=[TYPE])["key"]
    other = guarded.call("POST", "/tasks", {"type": "Test.Other"}, key=ADMIN).json()["id"]
    own = guarded.call("POST", "/tasks", {"type": TYPE}, key=producer).json()["id"]

    def below(parent_id):
        return guarded.call(
            "POST", "/tasks", {"type": TYPE, "parent_id": parent_id}, key=producer
        ).status_code

    assert [below(other), below(own), below("of-another-system")] == [403, 201, 201]
    assert guarded.call("GET", f"/tasks/{other}/children", key=ADMIN).json()["tasks"] == []


def test_a_report_whose_children_a_bound_key_may_not_create_is_refused_whole_and_can_be_sent_again(guarded):
    worker = make(guarded, "w", "worker", task_types=[TYPE])["key"]
    guarded.call("POST", "/tasks", {"type": TYPE}, key=ADMIN)
    claim = {"worker_id": "w1", "claim": {"task_types": [TYPE]}}
    (task,) = guarded.call("POST", "/tasks/exchange", claim, key=worker).json()["tasks"]
    report = {"task_id": task["id"], "lease_token": task["lease_token"], "outcome": "completed"}

    def send(child_type):
        children = [{"key": "c", "type": child_type}]
        return guarded.call(
            "POST",
            "/tasks/exchange",
            {"worker_id": "w1", "reports": [{**report, "children": children}]},
            key=worker,
        )

    refused = send("Test.Other")
    assert refused.status_code == 403
    assert "bound to Test.Some; Test.Other is not among them" in refused.json()["detail"]
    assert send(TYPE).json()["reports"][0]["verdict"] == "accepted"


def test_no_key_stands_in_a_log_or_in_an_answer(guarded, caplog):
    caplog.set_level(logging.DEBUG)
    key = make(guarded, "ops")["key"]
    said = "".join(guarded.call(*call, key=given).text for given in (key, key + "x") for call in CALLS)

    assert key not in caplog.text + said


CALLS = (("GET", "/stats"), ("GET", "/nowhere"), ("POST", "/tasks"), ("DELETE", "/keys/none"))


def test_a_key_in_the_address_opens_nothing(guarded):
    assert guarded.call("GET", f"/stats?X-API-Key={ADMIN}&api_key={ADMIN}").status_code == 401


def test_answers_are_kept_by_no_cache_and_taken_for_nothing_else(guarded):
    for path, key in (("/stats", ADMIN), ("/stats", "wrong-key"), ("/health", None)):
        headers = guarded.call("GET", path, key=key).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_a_server_with_a_key_in_its_database_may_be_open_to_others(tmp_path):
    config = TaskManagerConfig(database=str(tmp_path / "tasks.db"), host="0.0.0.0", port=0)
    with pytest.raises(SettingsError, match="keys create"):
        RunningServer(config)
    with running_api(tmp_path, database=config.database) as api:
        key = make(api, "first", by=None)["key"]
        revoke(api, "first", by=key)
    with RunningServer(config) as server:
        assert server.port


def test_a_database_without_a_word_about_keys_stays_closed_to_the_outside(tmp_path):
    sqlite3.connect(tmp_path / "tasks.db").close()
    with pytest.raises(SettingsError, match="no API key is set"):
        RunningServer(TaskManagerConfig(database=str(tmp_path / "tasks.db"), host="0.0.0.0", port=0))


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 201), ("none", 201)]
)
def test_the_page_of_another_site_makes_no_browser_call_a_server_without_keys(api, site, status):
    api.session.headers["Sec-Fetch-Site"] = site

    assert api.call("POST", "/tasks", data=b'{"type": "Test.Some"}').status_code == status


def test_a_key_may_come_as_a_bearer_as_prometheus_sends_it(guarded):
    key = make(guarded, "prometheus", "reader")["key"]

    def asked(path="/metrics", **headers):
        return guarded.session.get(guarded.url + path, headers=headers, timeout=20).status_code

    assert asked(Authorization=f"Bearer {key}") == 200
    assert asked(Authorization=f"bearer  {key} ") == 200
    assert asked("/keys", Authorization=f"Bearer {key}") == 403
    for wrong in (f"Bearer {key}x", "Bearer", "Bearer ", f"Basic {key}", key):
        assert asked(Authorization=wrong) == 401, wrong
    assert asked(Authorization="Bearer wrong", **{"X-API-Key": key}) == 200
