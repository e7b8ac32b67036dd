import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.handlers import patterns
from prismq_worker_sdk.taskmanager.breaking import breaking_changes
from tests.support.api import TYPE, Api


def publish(api, schema, version="1", **more):
    return api.call("PUT", f"/task-types/{TYPE}", {"version": version, "param_schema": schema, **more})


BY_PROCESS = {"type": "object", "properties": {"q": {"type": "string", "pattern": "^(?=a)"}}}
"""Its pattern is beyond a linear engine."""


class SlowMatching:
    """Matches that take as long as the test wants; `late` decides none."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.late = False

    def search(self, _pattern, text, _seconds):
        self.begun.set()
        assert self.go_on.wait(20)
        if self.late:
            raise TimeoutError
        return text.startswith("a")


@pytest.fixture
def slow(monkeypatch):
    slow = SlowMatching()
    monkeypatch.setattr(patterns, "_PROCESSES", SimpleNamespace(search=slow.search))
    yield slow
    slow.go_on.set()


@contextmanager
def meanwhile(api, slow, method, path, body):
    """A request that waits for a match; its answer is in the list afterwards."""
    answers = []
    client = Api(api.url)
    thread = threading.Thread(target=lambda: answers.append(client.call(method, path, body)))
    thread.start()
    assert slow.begun.wait(20)
    yield answers
    slow.go_on.set()
    thread.join(20)
    client.session.close()


def listening():
    place = socket.create_server(("127.0.0.1", 0))
    place.setblocking(False)
    return place


def test_a_schema_that_refers_elsewhere_is_refused_and_nothing_is_fetched(api):
    with listening() as elsewhere:
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/schema"
        refused = publish(api, {"properties": {"q": {"$ref": url}}})

        assert refused.status_code == 422
        assert url in refused.json()["detail"]
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize(
    "bad",
    [
        {"properties": {"q": {"$ref": "#/$defs/missing"}}},
        {"$ref": "file:///etc/hostname"},
        {"properties": {"q": {"$ref": "#/properties/q", "default": 1}}},
        {"properties": {"q": {"type": "integer", "default": "x"}}},
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused(api, bad):
    refused = publish(api, bad)

    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert api.call("GET", f"/task-types/{TYPE}").status_code == 404


def test_a_schema_may_refer_to_its_own_parts(api):
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}, "additionalProperties": False}
    assert (
        publish(api, {"properties": {"t": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}).status_code
        == 200
    )
    refused = api.call("POST", "/tasks", {"type": TYPE, "params": {"t": {"next": {"other": 1}}}})

    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/t/next/other"]


def test_params_under_a_schema_that_never_ends_are_refused(api):
    publish(api, {"$ref": "#"})

    assert api.call("POST", "/tasks", {"type": TYPE}).status_code == 422


def test_a_schema_with_a_lone_surrogate_is_refused_and_the_list_goes_on(api):
    data = b'{"version": "1", "param_schema": {"title": "\\ud800"}}'

    assert api.call("PUT", f"/task-types/{TYPE}", data=data).status_code == 422
    assert api.call("GET", "/task-types").json()["task_types"] == []


def test_tasks_that_wait_are_not_touched_by_a_change_of_their_schema(api):
    task_id = api.submit(params={"q": 1})
    publish(api, {"properties": {"q": {"type": "string"}}})

    assert api.claim()["id"] == task_id


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"x": True}, {"x": {"type": "string"}}, "/x changes its type from anything to string"),
        ({"x": {"type": "string"}}, {"x": False}, "/x is no longer taken"),
        ({"x": {"enum": [1, 2]}}, {"x": {"enum": [1]}}, "/x takes fewer values"),
        ({"x": {}}, {"x": {"enum": [1]}}, "/x takes fewer values"),
        ({"x": {"minLength": 1}}, {"x": {"minLength": 2}}, "/x has a higher minLength"),
        ({"x": {}}, {"x": {"pattern": "a"}}, "/x has another pattern"),
        (
            {"x": {"properties": {"y": {"type": ["string", "null"]}}}},
            {"x": {"properties": {"y": {"type": "string"}}}},
            "/x/y changes its type from ['string', 'null'] to string",
        ),
        (
            {"x": {"type": "array", "items": {"type": "string"}}},
            {"x": {"type": "array", "items": {"type": "integer"}}},
            "/x/* changes its type from string to integer",
        ),
        (
            {"x": {"type": "array"}},
            {"x": {"type": "array", "items": {"maxLength": 5}}},
            "/x/* has a lower maxLength",
        ),
    ],
)
def test_what_breaks_producers_is_named(before, after, said):
    assert list(breaking_changes({"properties": before}, {"properties": after})) == [said]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"x": False}, {"x": {"type": "string"}}),
        ({"x": {"type": "string"}}, {"x": True}),
        ({"x": {"type": "integer"}}, {"x": {"type": "number"}}),
        ({"x": {"type": "integer"}}, {"x": {"type": ["integer", "null"]}}),
        ({"x": {"enum": [1]}}, {"x": {"enum": [1, 2]}}),
        ({"x": {"items": {"type": "integer"}}}, {"x": {"items": {"type": "number"}}}),
        ({"x": {"items": False}}, {"x": {"items": {"type": "number"}}}),
        ({}, {"x": {"type": "string"}}),
    ],
)
def test_what_only_widens_breaks_nobody(before, after):
    assert list(breaking_changes({"properties": before}, {"properties": after})) == []


def with_parts(schema, **parts):
    return {"properties": {"x": schema}, "$defs": parts}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
ITS = {"$ref": "#/$defs/its"}
NO_SCHEMA = {"$ref": "#/$defs/its/const"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            with_parts(ITS, its=TEXT),
            with_parts(ITS, its=NUMBER),
            "/x changes its type from string to integer",
        ),
        (with_parts(TEXT), with_parts(ITS, its=NUMBER), "/x changes its type from string to integer"),
        (with_parts(ITS, its=TEXT), with_parts(NUMBER), "/x changes its type from string to integer"),
        (
            with_parts(ITS, its=TEXT),
            with_parts({**ITS, "maxLength": 5}, its=TEXT),
            "/x has a lower maxLength",
        ),
        (with_parts(ITS, its=TEXT), with_parts(ITS, its=False), "/x is no longer taken"),
        (
            with_parts(ITS, its={"$ref": "#/$defs/a~1b%20c", "$comment": "on"}, **{"a/b c": TEXT}),
            with_parts(NUMBER),
            "/x changes its type from string to integer",
        ),
        (
            with_parts({"items": ITS}, its=TEXT),
            with_parts({"items": ITS}, its={**TEXT, "pattern": "a"}),
            "/x/* has another pattern",
        ),
        (
            {"$ref": "#/$defs/whole", "$defs": {"whole": {"properties": {"x": TEXT}}}},
            {"$ref": "#/$defs/whole", "$defs": {"whole": {"properties": {"x": TEXT}, "required": ["x"]}}},
            "/x becomes required",
        ),
        (
            {"properties": {"x": TEXT, "y": {"$ref": "#/properties/x"}}},
            {"properties": {"x": TEXT, "y": NUMBER}},
            "/y changes its type from string to integer",
        ),
    ],
)
def test_a_break_behind_a_reference_is_named(before, after, said):
    assert list(breaking_changes(before, after)) == [said]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (with_parts(ITS, its=TEXT), with_parts(TEXT)),
        (with_parts(TEXT), with_parts(ITS, its=TEXT)),
        (with_parts(ITS, its=TEXT), with_parts({"$ref": "#/$defs/other"}, other=TEXT)),
        (with_parts(ITS, its=ITS), with_parts(ITS, its=ITS)),
        (with_parts({"$ref": "#anchor"}), with_parts({"$ref": "#anchor"})),
        (with_parts({"$ref": "#/required"}), with_parts({"$ref": "#/properties/x/type"})),
        (
            with_parts(NO_SCHEMA, its={"const": {"minimum": {}}}),
            with_parts(NO_SCHEMA, its={"const": {"minimum": {}}}),
        ),
    ],
)
def test_a_reference_that_says_the_same_breaks_nobody(before, after):
    assert list(breaking_changes(before, after)) == []


def test_a_break_within_a_schema_that_refers_to_itself_is_named_once():
    tree = {"properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}, "v": TEXT}}
    before = with_parts({"$ref": "#/$defs/tree"}, tree=tree)
    after = with_parts(
        {"$ref": "#/$defs/tree"}, tree={"properties": {**tree["properties"], "v": NUMBER}, "required": ["v"]}
    )

    found = list(breaking_changes(before, after))
    assert {"/x/v becomes required", "/x/v changes its type from string to integer"} <= set(found)
    assert len(found) < 10


def test_a_chain_of_references_is_followed_only_so_far():
    chain = {f"d{n}": {"properties": {"x": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(5000)}
    before, after = ({"$ref": "#/$defs/d0", "$defs": {**chain, "d5000": end}} for end in (TEXT, NUMBER))

    assert list(breaking_changes(before, after)) == []


def test_a_server_refuses_a_break_behind_a_reference(api):
    assert publish(api, with_parts(ITS, its=TEXT)).status_code == 200
    refused = publish(api, with_parts(ITS, its=NUMBER))

    assert (refused.status_code, "/x changes its type" in refused.json()["detail"]) == (409, True)


def test_a_match_that_takes_long_holds_up_nobody_else(api, slow):
    publish(api, BY_PROCESS)
    other = api.submit("Test.Other")
    with meanwhile(api, slow, "POST", "/tasks", {"type": TYPE, "params": {"q": "abc"}}) as answers:
        assert api.claim(types=["Test.Other"])["id"] == other
        assert api.complete(other) == 200

    assert answers[0].status_code == 201


def test_a_match_that_is_not_decided_in_time_is_refused_with_its_pointer(api, slow):
    slow.late = True
    slow.go_on.set()
    publish(api, BY_PROCESS)
    refused = api.call("POST", "/tasks", {"type": TYPE, "params": {"q": "abc"}})

    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["pointer"] == "/q"
    assert "took longer than 5 s" in fault["message"]


def test_a_schema_whose_default_takes_long_to_match_holds_up_nobody_else(api, slow):
    own = {**BY_PROCESS["properties"]["q"], "default": "abc"}
    body = {"version": "1", "param_schema": {"type": "object", "properties": {"q": own}}}
    with meanwhile(api, slow, "PUT", f"/task-types/{TYPE}", body) as answers:
        assert api.submit("Test.Other")

    assert answers[0].status_code == 200


def test_children_whose_match_takes_long_are_created_with_their_report_and_hold_up_nobody_else(api, slow):
    publish(api, BY_PROCESS)
    api.submit("Test.Parent")
    asked = {"worker_id": "w1", "claim": {"task_types": ["Test.Parent"], "max_tasks": 1}}
    (task,) = api.call("POST", "/tasks/exchange", asked).json()["tasks"]
    children = [{"key": key, "type": TYPE, "params": {"q": f"a{key}"}} for key in ("c1", "c2")]
    said = {"task_id": task["id"], "lease_token": task["lease_token"], "outcome": "completed", "result": 1}
    body = {"worker_id": "w1", "reports": [{**said, "children": children}]}
    with meanwhile(api, slow, "POST", "/tasks/exchange", body) as answers:
        assert api.submit("Test.Other")

    assert [one["verdict"] for one in answers[0].json()["reports"]] == ["accepted"]
    made = api.call("GET", f"/tasks?type={TYPE}").json()["tasks"]
    assert sorted(one["params"]["q"] for one in made) == ["ac1", "ac2"]
