"""A server that hides payloads: keys that only look see what goes on, and not what it goes on with."""

import pytest

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.taskmanager.schedules import fire_due
from tests.support.api import TYPE, running_api

SECRET = "the-payload"
KEYS = tuple(ApiKey.of(f"{scope}-key-text", scope, scope) for scope in Scope)
LOG = {"first": 1, "lines": [{"at": 0.0, "level": "info", "text": SECRET}], "logged": 1}


@pytest.fixture
def api(tmp_path):
    with running_api(tmp_path, keys=KEYS, hide_payloads=True) as running:
        yield running


@pytest.fixture
def task(api):
    """A failed task, whose params, error, log and checkpoint hold the secret, with a child that completed with it."""

    def call(method, path, body, key):
        answer = api.call(method, path, body, key=f"{key}-key-text")
        assert answer.ok, answer.text
        return answer.json()

    def ended(new, **report):
        made = call(
            "POST", "/tasks", {"type": TYPE, "max_attempts": 1, "params": {"x": SECRET}, **new}, "producer"
        )
        claim = {"task_types": [TYPE], "max_tasks": 1}
        (held,) = call("POST", "/tasks/exchange", {"worker_id": "w", "claim": claim}, "worker")["tasks"]
        proof = {"task_id": made["id"], "lease_token": held["lease_token"]}
        lease = {**proof, "progress": 5, "message": SECRET, "checkpoint": SECRET, "log": LOG}
        call("POST", "/tasks/exchange", {"worker_id": "w", "leases": [lease]}, "worker")
        call("POST", "/tasks/exchange", {"worker_id": "w", "reports": [{**proof, **report}]}, "worker")
        return made["id"]

    parent = ended({}, outcome="failed", error=SECRET, error_type="Broken")
    ended({"parent_id": parent}, outcome="completed", result={"x": SECRET})
    schedule = {"type": TYPE, "params": {"x": SECRET}, "every_seconds": 60}
    call("PUT", "/schedules/often", schedule, "producer")
    return parent


@pytest.mark.parametrize(
    "path",
    [
        "/tasks",
        "/tasks/{id}",
        "/tasks/{id}/children",
        "/tasks?status=completed",
        "/schedules",
        "/schedules/often",
    ],
)
def test_a_reader_sees_what_goes_on_without_payloads(api, task, path):
    answer = api.call("GET", path.format(id=task), key="reader-key-text")
    assert answer.status_code == 200
    assert TYPE in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "path", ["/tasks?q=x", "/tasks?error=x", "/tasks/{id}/children?q=x", "/tasks/{id}/logs"]
)
def test_a_reader_finds_out_nothing_by_asking_for_it(api, task, path):
    answer = api.call("GET", path.format(id=task), key="reader-key-text")
    assert answer.status_code == 403
    assert "hides payloads" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/tasks/{id}", "/tasks?q=the-pay", "/schedules", "/schedules?change=often"]
)
def test_pages_of_a_reader_show_none(api, task, path):
    address = api.url.removesuffix("/api") + path.format(id=task)
    answer = api.session.get(address, headers={"Cookie": "prismq_key=reader-key-text"}, timeout=20)
    assert answer.status_code == 200
    assert SECRET not in answer.text.replace('value="the-pay"', "")


@pytest.mark.parametrize("path", ["/api/limits", "/api/limits/quota", "/api/workers", "/limits", "/workers"])
def test_words_of_a_handler_that_paused_a_limit_are_none_of_a_readers(api, path):
    about = {"version": "1", "host": "h", "pid": 1, "started_at": "2026-01-01T00:00:00Z", "state": "running"}
    exchange = {"worker_id": "w", "status": {**about, "slots": 2, "task_types": [TYPE]}}
    uses = {"limits": [{"key": "quota"}]}
    pauses = [{"name": "quota", "seconds": 60, "reason": SECRET}]
    for method, where, body, key in (
        ("PUT", f"/task-types/{TYPE}/limits", uses, "admin"),
        ("POST", "/tasks", {"type": TYPE, "params": {}}, "producer"),
        ("POST", "/tasks/exchange", {**exchange, "pauses": pauses}, "worker"),
    ):
        assert api.call(method, where, body, key=f"{key}-key-text").ok
    address = api.url.removesuffix("/api") + path
    for key in ("admin", "reader"):
        sent = {"Cookie": f"prismq_key={key}-key-text", "X-PrismQ-Page": "again"}
        answer = api.session.get(address, headers=sent, timeout=20)
        assert answer.status_code == 200
        assert (SECRET in answer.text) == (key == "admin")


@pytest.mark.parametrize("path", ["/api/schedules/often", "/schedules"])
def test_why_a_schedule_made_no_task_is_none_of_a_readers(api, task, path):
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    new = {"version": "2", "param_schema": schema, "allow_breaking": True}
    assert api.call("PUT", f"/task-types/{TYPE}", new, key="worker-key-text").ok
    api.clock.turn(100)
    api.chore(fire_due)
    address = api.url.removesuffix("/api") + path
    for key in ("admin", "reader"):
        sent = {"Cookie": f"prismq_key={key}-key-text", "X-PrismQ-Page": "again"}
        said = api.session.get(address, headers=sent, timeout=20).text
        assert ("integer" in said) == (key == "admin")


def test_a_dedupe_key_is_none_of_a_readers(api):
    new = {"type": TYPE, "params": {}, "dedupe_key": SECRET}
    made = api.call("POST", "/tasks", new, key="producer-key-text").json()["id"]
    address = api.url.removesuffix("/api") + f"/tasks/{made}"
    for key in ("producer", "reader"):
        said = api.session.get(address, headers={"Cookie": f"prismq_key={key}-key-text"}, timeout=20).text
        assert (SECRET in said) == (key == "producer")


@pytest.mark.parametrize("key", ["worker", "producer", "admin"])
def test_all_others_see_them(api, task, key):
    for path in (f"/tasks/{task}", f"/tasks/{task}/logs", "/schedules/often", "/tasks?q=the-pay"):
        assert SECRET in api.call("GET", path, key=f"{key}-key-text").text


def test_readers_see_them_where_they_are_not_hidden(tmp_path):
    with running_api(tmp_path, keys=KEYS) as open_api:
        open_api.call("POST", "/tasks", {"type": TYPE, "params": {"x": SECRET}}, key="producer-key-text")
        assert SECRET in open_api.call("GET", "/tasks", key="reader-key-text").text
