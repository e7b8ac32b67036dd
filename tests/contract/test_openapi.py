from pathlib import Path

import jsonschema
import pytest
import yaml

from prismq_worker_sdk.taskmanager.alerts import NewAlert
from prismq_worker_sdk.taskmanager.app import PREFIX
from prismq_worker_sdk.taskmanager.bulk import BulkRequest, go_on
from prismq_worker_sdk.taskmanager.keys import NewKey
from prismq_worker_sdk.taskmanager.limits import LimitFilter, NewLimit, TypeLimits
from prismq_worker_sdk.taskmanager.messages import (
    ClaimRequest,
    CompleteRequest,
    FailRequest,
    NewTask,
    NewTasks,
    NewTaskType,
    TaskFilter,
    TaskSet,
)
from prismq_worker_sdk.taskmanager.routes.pauses import NewPause
from prismq_worker_sdk.taskmanager.routes.steering import TaskChange
from prismq_worker_sdk.taskmanager.schedules import NewSchedule
from tests.support.api import TYPE, running_api

FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
STATUS = {"version": "1", "host": "here", "pid": 1, "started_at": "2026-01-02T03:04:05Z", "state": "running"}
STATUS |= {"slots": 2, "closed": [{"type": TYPE, "reason": "x", "seconds": 5}], "plugins": [{"name": "p"}]}
METHODS = ("get", "put", "post", "delete", "patch")
BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default", "pattern")
BODIES = {
    ("POST", "/tasks/claim"): ClaimRequest,
    ("POST", "/tasks/{task_id}/complete"): CompleteRequest,
    ("POST", "/tasks/{task_id}/fail"): FailRequest,
    ("POST", "/tasks"): NewTask,
    ("POST", "/tasks/batch"): NewTasks,
    ("PUT", "/task-types/{name}"): NewTaskType,
    ("PUT", "/task-types/{name}/limits"): TypeLimits,
    ("PUT", "/limits/{name}"): NewLimit,
    ("POST", "/limits/{name}/pause"): NewPause,
    ("PUT", "/schedules/{name}"): NewSchedule,
    ("PUT", "/alerts/{name}"): NewAlert,
    ("POST", "/task-types/{name}/pause"): NewPause,
    ("POST", "/tasks/bulk"): BulkRequest,
    ("PATCH", "/tasks/{task_id}"): TaskChange,
    ("POST", "/keys"): NewKey,
}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("server")) as running:
        yield running


def operations(document):
    return {
        (method.upper(), path.removeprefix(PREFIX))
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    }


def resolved(found):
    while "$ref" in found:
        place = DOCUMENT
        for step in found["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        found = place
    return found


def body_schema(method, path):
    return resolved(
        DOCUMENT["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    )


def flat(schema):
    """A schema without the `anyOf` by which pydantic says that a value may be null."""
    schema = resolved(schema)
    branches = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return {**schema, **resolved(branches[0])} if len(branches) == 1 else schema


def checked(path, method, answer):
    """The answer's body, once it fits what the file says of this operation."""
    said = DOCUMENT["paths"][path][method.lower()]["responses"]
    kind = answer.headers["content-type"].partition(";")[0]
    content = resolved(said.get(str(answer.status_code)) or said["default"])["content"]
    assert kind in content, f"{method} {path} answers {answer.status_code} with {kind}"
    if kind == "text/plain":
        return answer.text
    whole = {**content[kind]["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=FORMATS).validate(answer.json())
    return answer.json()


def test_the_file_and_the_server_have_the_same_operations(api):
    served = operations(api.call("GET", "/openapi.json").json())

    assert operations(DOCUMENT) == served, f"{FILE.name} and the routes of the TaskManager differ"


@pytest.mark.parametrize("operation", BODIES, ids=" ".join)
def test_the_file_and_the_server_want_the_same_fields(operation):
    said, read = body_schema(*operation), BODIES[operation].model_json_schema()

    assert set(said["properties"]) == set(read["properties"])
    assert set(said.get("required", ())) == set(read.get("required", ()))
    assert said.get("additionalProperties", True) == read.get("additionalProperties", True)


@pytest.mark.parametrize("operation", BODIES, ids=" ".join)
def test_the_file_and_the_server_bound_every_field_alike(api, operation):
    said, schema = body_schema(*operation)["properties"], BODIES[operation].model_json_schema()
    read = {
        name: schema["$defs"][one["$ref"].split("/")[-1]] if "$ref" in one else one
        for name, one in schema["properties"].items()
    }
    named = {"worker_id": "WorkerId", "type": "TaskType"}
    for name in said.keys() - named.keys():
        ours, theirs = flat(said[name]), flat(read[name])
        bounds = {key: ours[key] for key in BOUNDS if ours.get(key) is not None}
        assert bounds == {key: theirs[key] for key in BOUNDS if theirs.get(key) not in (None, {})}, name
    for name in said.keys() & named.keys():
        assert said[name] == {"$ref": f"#/components/schemas/{named[name]}"}


@pytest.mark.parametrize(("path", "model"), [("/tasks", TaskFilter), ("/limits", LimitFilter)])
def test_the_file_and_the_server_know_the_same_query(path, model):
    said = {one["name"]: one["schema"] for one in DOCUMENT["paths"][path]["get"]["parameters"]}
    read = model.model_json_schema()["properties"]

    assert said.keys() == read.keys()
    assert DOCUMENT["components"]["schemas"]["TaskSet"]["properties"].keys() == TaskSet.model_fields.keys()
    for name, schema in said.items():
        theirs = flat(read[name])
        bounds = {key: schema[key] for key in BOUNDS if key in schema}
        if "enum" in schema:
            assert theirs["pattern"] == f"^({'|'.join(schema['enum'])})$"
        else:
            assert bounds == {key: theirs[key] for key in BOUNDS if theirs.get(key) is not None}, name


def test_what_the_server_answers_through_the_life_of_a_task_is_what_the_file_says(api):
    def call(method, path, body=None, **names):
        return checked(path, method, api.call(method, path.format(**names), body))

    schema = {"properties": {"n": {"type": "integer"}}}
    call("GET", "/health")
    call("PUT", "/task-types/{name}", {"version": "1", "param_schema": schema}, name=TYPE)
    new = {"type": TYPE, "params": {"n": 1}, "priority": 2, "delay_seconds": 0, "parent_id": "p"}
    task_id = call("POST", "/tasks", {**new, "dedupe_key": "k", "max_attempts": 2})["id"]
    assert call("POST", "/tasks", {**new, "dedupe_key": "k"})["id"] == task_id
    claiming = {"worker_id": "w", "task_types": [TYPE]}
    assert call("POST", "/tasks/claim", claiming)["id"] == task_id
    assert call("POST", "/tasks/claim", claiming) is None
    call("POST", "/tasks/{task_id}/fail", {"worker_id": "w", "error": "broke"}, task_id=task_id)
    assert call("GET", "/tasks/{task_id}", task_id=task_id)["not_before"] is not None
    api.clock.turn(60)
    call("POST", "/tasks/claim", claiming)
    api.clock.turn(301)
    assert call("GET", "/tasks/{task_id}", task_id=task_id)["error_type"] == "expired"
    call("POST", "/tasks/{task_id}/retry", task_id=task_id)
    call("POST", "/tasks/claim", claiming)
    call("POST", "/tasks/{task_id}/cancel", task_id=task_id)
    call("POST", "/tasks/{task_id}/complete", {"worker_id": "w", "result": [1.5]}, task_id=task_id)
    told = call("GET", "/tasks/{task_id}", task_id=task_id)["history"]
    assert [one["verdict"] for one in told] == ["failed", "expired", "completed"]
    call("POST", "/tasks", {"type": TYPE})
    batch = [{"type": TYPE}, {"type": TYPE, "params": {"n": "x"}}, {}]
    made = call("POST", "/tasks/batch", {"tasks": batch})["tasks"]
    assert [one["status"] for one in made] == [201, 422, 422]
    assert len(call("GET", "/tasks")["tasks"]) == 3
    claim = {"task_types": [TYPE], "max_tasks": 1}
    (held,) = call("POST", "/tasks/exchange", {"worker_id": "w", "claim": claim, "status": STATUS})["tasks"]
    assert call("GET", "/workers")["workers"][0]["status"]["host"] == "here"
    assert call("POST", "/workers/{worker_id}/{action}", worker_id="w", action="resume")["why_idle"]
    report = {"task_id": held["id"], "lease_token": held["lease_token"], "outcome": "completed"}
    report |= {"children": [{"key": "c", "type": TYPE, "params": {"n": 1}}], "then": {"type": TYPE}}
    answer = call("POST", "/tasks/exchange", {"worker_id": "w", "reports": [report]})
    assert answer["reports"][0]["verdict"] == "accepted"
    told = call("GET", "/tasks/{task_id}/children", task_id=held["id"])
    assert (told["open"], told["then"]) == (1, {"type": TYPE, "task_id": None})
    call("GET", "/task-types")
    call("GET", "/task-types/{name}", name=TYPE)
    assert set(call("GET", "/stats")["types"]) == {TYPE}
    assert TYPE in call("GET", "/metrics")
    call("POST", "/task-types/{name}/pause", {"seconds": 5}, name=TYPE)
    assert call("GET", "/task-types")["paused"]
    call("POST", "/task-types/{name}/resume", name=TYPE)
    assert {one["action"] for one in call("GET", "/audit")["audit"]} > {"publish", "retry", "cancel"}


def test_what_the_server_answers_through_the_life_of_a_limit_is_what_the_file_says(api):
    def call(method, path, body=None, name="api"):
        return checked(path, method, api.call(method, path.format(name=name), body))

    call("PUT", "/task-types/{name}/limits", {"limits": [{"key": "api", "units": 2}]}, name="Test.Limited")
    call("GET", "/task-types/{name}/limits", name="Test.Limited")
    call("PUT", "/limits/{name}", {"units": 5, "period": 60, "at_once": 2})
    call("POST", "/limits/{name}/pause", {"seconds": 5, "reason": "429"})
    call("GET", "/limits/{name}")
    call("POST", "/limits/{name}/resume")
    assert [one["name"] for one in call("GET", "/limits")["limits"]] == ["api"]
    call("DELETE", "/limits/{name}")


def test_what_the_server_answers_through_the_life_of_a_schedule_is_what_the_file_says(api):
    def call(method, path, body=None):
        place = path.format(name="nightly", action="pause")
        return checked(path, method, api.call(method, place, body))

    new = {"type": "Test.Scheduled", "cron": "30 3 * * *", "timezone": "Europe/Berlin"}
    assert call("PUT", "/schedules/{name}", new)["paused"] is False
    call("PUT", "/schedules/{name}", {**new, "missed": "all", "max_attempts": 1})
    task = call("POST", "/schedules/{name}/run")
    assert len(call("GET", "/schedules/{name}")["next_times"]) == 5
    assert call("POST", "/schedules/{name}/{action}")["paused"] is True
    assert call("GET", "/schedules")["schedules"][0]["last_task_id"] == task["id"]
    assert call("POST", "/schedules/{name}/run")["status"] == 409
    call("DELETE", "/schedules/{name}")
    assert call("DELETE", "/schedules/{name}")["status"] == 404
    assert call("PUT", "/schedules/{name}", {**new, "cron": "often"})["status"] == 422


def test_what_the_server_answers_to_what_is_done_to_one_task_or_many_is_what_the_file_says(api):
    def call(method, path, body=None, **names):
        return checked(path, method, api.call(method, path.format(**names), body))

    named = {"type": "Test.Steered"}
    waiting = call("POST", "/tasks", {**named, "delay_seconds": 60})["id"]
    call("PATCH", "/tasks/{task_id}", {"priority": 1}, task_id=waiting)
    call("POST", "/tasks/{task_id}/expedite", task_id=waiting)
    assert call("POST", "/tasks/bulk", {"action": "cancel", "filter": named, "dry_run": True}) == {"found": 1}
    stopped = call("POST", "/tasks/bulk", {"action": "delete", "filter": named})["id"]
    assert call("DELETE", "/tasks/bulk/{job_id}", job_id=stopped)["status"] == "cancelled"
    done = call("POST", "/tasks/bulk", {"action": "cancel", "filter": {**named, "q": "Steered"}})["id"]
    api.chore(go_on)
    assert call("GET", "/tasks/bulk/{job_id}", job_id=done)["done"] == 1
    assert {one["id"] for one in call("GET", "/tasks/bulk")["jobs"]} == {stopped, done}
    call("DELETE", "/tasks/{task_id}", task_id=waiting)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/tasks", {"type": "Test.Strict", "params": {"n": "x"}}, 422),
        ("POST", "/tasks/claim", {}, 422),
        ("POST", "/tasks/batch", {"tasks": []}, 422),
        ("GET", "/tasks/{task_id}", None, 404),
        ("GET", "/tasks/{task_id}/children", None, 404),
        ("POST", "/tasks/{task_id}/complete", {"worker_id": "w"}, 404),
        ("POST", "/tasks/{task_id}/fail", {"worker_id": "w", "error": ""}, 404),
        ("POST", "/tasks/{task_id}/cancel", None, 404),
        ("POST", "/tasks/{task_id}/retry", None, 404),
        ("GET", "/task-types/{name}", None, 404),
        ("PUT", "/task-types/{name}", {"version": "1", "param_schema": {"type": "nonsense"}}, 422),
    ],
)
def test_what_the_server_refuses_is_a_problem_as_the_file_says(api, method, path, body, status):
    strict = {"version": "1", "param_schema": {"properties": {"n": {"type": "integer"}}}}
    api.call("PUT", "/task-types/Test.Strict", strict)
    answer = api.call(method, path.format(task_id="none", name="Test.None"), body)

    assert answer.status_code == status
    assert checked(path, method, answer)["status"] == status


def test_every_reference_in_the_file_leads_to_something():
    def walk(found):
        if isinstance(found, dict):
            if "$ref" in found:
                resolved(found)
            for value in found.values():
                walk(value)
        if isinstance(found, list):
            for value in found:
                walk(value)

    walk(DOCUMENT)


def test_what_the_server_answers_about_alerts_is_what_the_file_says(api):
    def call(method, path, body=None):
        return checked(path, method, api.call(method, path.format(name="late"), body))

    new = {"rule": "oldest", "seconds": 60, "url": "https://hooks.example/prismq"}
    assert call("PUT", "/alerts/{name}", new)["secret"].startswith("whsec_")
    assert "secret" not in call("PUT", "/alerts/{name}", {**new, "task_type": TYPE})
    assert call("GET", "/alerts")["alerts"] == [call("GET", "/alerts/{name}")]
    assert call("PUT", "/alerts/{name}", {**new, "share": 0.5})["status"] == 422
    assert call("PUT", "/alerts/{name}", {**new, "url": "http://127.0.0.1/"})["status"] == 422
    call("DELETE", "/alerts/{name}")
    assert call("POST", "/alerts/{name}/test")["status"] == 404
