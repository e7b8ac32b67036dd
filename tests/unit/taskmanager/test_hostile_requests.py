import base64
import logging
import socket

import pytest

from prismq_worker_sdk.handlers.values import MAX_DEPTH
from prismq_worker_sdk.taskmanager import queries
from tests.support.api import TYPE, running_api
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("server")) as running:
        yield running


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b'{"type": "T.T", "params": {"x": 1e999}}', 400, id="a number larger than all"),
        pytest.param(b'{"type": "T.T", "params": {"x": -1e999}}', 400, id="a number smaller than all"),
        pytest.param(b'{"type": "T.T", "params": {"x": "\xed\xa0\x80"}}', 400, id="a surrogate in raw bytes"),
        pytest.param('{"type": "T.T"}'.encode("utf-16"), 400, id="utf-16"),
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b'{"type": "T.T"} {}', 400, id="two values"),
        pytest.param(b'{"type": "T.T", "params": {"\\udfff": 1}}', 422, id="a lone surrogate as key"),
        pytest.param(
            b'{"type": "T.T", "dedupe_key": "\\ud800"}', 422, id="a lone surrogate in the dedupe key"
        ),
        pytest.param(b'{"type": "T.T", "params": []}', 422, id="params that are a list"),
        pytest.param(b'{"type": "T.T", "params": null}', 422, id="params that are null"),
        pytest.param(b'{"type": "T.T", "priority": true}', 422, id="a priority that is true"),
        pytest.param(b'{"type": "T.T", "priority": 1000001}', 422, id="a priority too high"),
        pytest.param(b'{"type": "T.T", "delay_seconds": -1}', 422, id="a delay that is negative"),
        pytest.param(b'{"type": "T.T", "max_attempts": 0}', 422, id="no attempts"),
        pytest.param(b'{"type": "T.T", "dedupe_key": ""}', 422, id="an empty dedupe key"),
        pytest.param(b'"text"', 422, id="a text"),
    ],
)
def test_a_body_that_could_not_be_shown_again_is_refused_and_leaves_nothing(api, data, status):
    refused = api.call("POST", "/tasks", data=data)

    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
    assert api.call("GET", "/tasks?type=T.T").json()["tasks"] == []


@pytest.mark.parametrize("name", ["1a", "a.", ".a", "a..b", "a-b", "ä", "a b", "a\n", "a" * 256, "a.1"])
def test_a_name_against_the_naming_rule_is_no_task_type(api, name):
    refused = api.call("POST", "/tasks", {"type": name})

    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/type"]


@pytest.mark.parametrize("name", ["a", "A1_", "PrismQ.YouTube.ScrapeShorts", "a" * 255])
def test_a_name_by_the_naming_rule_is_a_task_type(api, name):
    assert api.call("POST", "/tasks", {"type": name}).json()["type"] == name


@pytest.mark.parametrize(
    ("worker", "status"), [("w" * 255, 200), ("ü/1 ✓", 200), ("w" * 256, 422), ("a\u200bb", 422), ("\n", 422)]
)
def test_a_worker_id_is_1_to_255_printable_characters(api, worker, status):
    body = {"worker_id": worker, "task_types": ["Test.None"]}

    assert api.call("POST", "/tasks/claim", body).status_code == status


def test_a_task_type_with_a_lone_surrogate_cannot_be_asked_for(api):
    data = b'{"worker_id": "w", "task_types": ["\\ud800"]}'

    assert api.call("POST", "/tasks/claim", data=data).status_code == 422


def test_the_deepest_result_of_a_worker_is_taken_shown_and_listed(api):
    task_id = api.submit()
    api.claim()
    data = f'{{"worker_id": "w1", "result": {nested(MAX_DEPTH + 1)}}}'
    assert api.call("POST", f"/tasks/{task_id}/complete", data=data).status_code == 200

    assert nested(MAX_DEPTH + 1) in api.call("GET", f"/tasks/{task_id}").text
    assert nested(MAX_DEPTH + 1) in api.call("GET", f"/tasks?type={TYPE}").text


@pytest.mark.parametrize("depth", [257, 900])
def test_what_is_nested_too_deep_to_be_shown_is_refused(api, depth):
    data = f'{{"type": "Test.Deep", "params": {{"x": {nested(depth - 2)}}}}}'

    assert api.call("POST", "/tasks", data=data).status_code == 422
    assert api.call("GET", "/tasks?type=Test.Deep").json()["tasks"] == []


def test_a_fault_is_pointed_at_also_where_names_have_slashes(api):
    refused = api.call("POST", "/tasks", {"type": "T.T", "a/b~c": 1, "more": 2}).json()

    assert [fault["pointer"] for fault in refused["errors"]] == ["/a~1b~0c", "/more"]


@pytest.mark.parametrize(
    "query",
    ["limit=--5", "limit=1e3", f"limit={'9' * 5000}", "cursor=", "cursor=%C3%A9", "q=" + "x" * 201]
    + [f"cursor={base64.urlsafe_b64encode(text).decode()}" for text in (b"9" * 30, b"-1", b"x")],
)
def test_a_query_out_of_bounds_is_refused_with_its_reason(api, query):
    refused = api.call("GET", f"/tasks?{query}")

    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(
    "instant", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00"]
)
def test_an_instant_that_no_answer_can_show_is_refused(api, instant):
    bulk = {"action": "cancel", "filter": {"created_before": instant}}
    refused = [
        api.call("GET", "/tasks", params={"ended_after": instant}),
        api.call("POST", "/tasks/bulk", bulk),
        api.call("PATCH", f"/tasks/{api.submit()}", {"not_before": instant}),
        api.call("POST", "/limits/some/pause", {"until": instant}),
        api.call("POST", f"/task-types/{TYPE}/pause", {"until": instant}),
    ]

    assert [one.status_code for one in refused] == [422] * 5


def test_a_wrong_method_is_told_which_one_is_right(api):
    assert api.call("PUT", "/stats").headers["allow"] == "GET"
    assert api.call("PATCH", "/tasks").headers["allow"] == "GET, POST"
    assert api.call("OPTIONS", f"/task-types/{TYPE}").headers["allow"] == "GET, PUT"


def test_paths_outside_the_api_are_problems_too(api):
    outside = api.session.get(api.url.removesuffix("/api") + "/elsewhere", timeout=10)

    assert (outside.status_code, outside.headers["content-type"]) == (404, "application/problem+json")


def test_a_client_that_hangs_up_in_its_request_is_no_error_of_the_server(api, caplog):
    port = int(api.url.split(":")[2].split("/")[0])
    head = b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with caplog.at_level(logging.ERROR):
        with socket.create_connection(("127.0.0.1", port)) as cut:
            cut.sendall(head + b'{"type": "Test.Cut"')
            cut.shutdown(socket.SHUT_WR)
            wait_until(lambda: cut.recv(1000) == b"", "the end of the connection")
        assert api.call("GET", "/tasks?type=Test.Cut").json()["tasks"] == []

    assert caplog.records == []


def test_a_failure_inside_the_server_is_a_problem_and_the_next_call_goes_through(api, monkeypatch):
    def broken(_db):
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(queries, "types", broken)
    failed = api.call("GET", "/task-types")
    monkeypatch.undo()

    assert (failed.status_code, failed.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in failed.text
    assert api.call("POST", "/tasks", {"type": "Test.After"}).status_code == 201
