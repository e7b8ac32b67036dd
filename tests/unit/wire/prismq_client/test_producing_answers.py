"""What a producer makes of answers that the server gives on its bad days."""

import pytest

from prismq_worker_sdk.errors import (
    Fault,
    NotATaskManager,
    RequestRefused,
    ServerUnreachable,
    Unauthorised,
)
from prismq_worker_sdk.wire.producing.caller import Caller
from prismq_worker_sdk.wire.producing.prismq_client import PrismqClientWay
from prismq_worker_sdk.wire.producing.refusals import faults_of
from prismq_worker_sdk.wire.producing.values import Submission, TaskFilter, TypeSchema
from tests.support.prismq_talk import DEADLOCK, NOTHING, SILENCE, TOO_LONG, raw, refused, said, shown, task

URL = "http://h/api"
DUPLICATE = (
    500,
    "SQLSTATE[23000]: Integrity constraint violation: 1062 Duplicate entry 'x' for key 'dedupe_key'",
)
NEW = said(
    {"id": "7", "type": "Test.Some", "status": "pending", "dedupe_key": "x", "message": "Task created"}
)
CALLS = {
    "submit": lambda way: way.submit(Submission(task_type="Test.Some", params={"n": 1})),
    "get": lambda way: way.get("20"),
    "show": lambda way: way.show("20"),
    "tasks": lambda way: way.tasks(TaskFilter()),
    "publish": lambda way: way.publish(TypeSchema(name="Test.Some", version="1", param_schema={})),
}


class Line:
    """A transport whose answers are given."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []

    def send(self, request):
        self.asked.append(request)
        return self.replies.pop(0)


def way(*replies):
    return PrismqClientWay(Caller(URL, Line(*replies)))


@pytest.mark.parametrize("first", [DUPLICATE, DEADLOCK])
def test_a_creation_that_met_another_one_is_sent_again(first):
    line = Line(refused(*first), refused(*first), NEW)
    created = PrismqClientWay(Caller(URL, line)).submit(Submission(task_type="Test.Some", params={"n": 1}))

    assert (created.new, created.task.id) == (True, "7")
    assert len({request.body for request in line.asked}) == 1


def test_a_deadlock_that_does_not_end_is_an_unreachable_server():
    with pytest.raises(ServerUnreachable, match="did not answer: HTTP 500: SQLSTATE"):
        CALLS["submit"](way(*[refused(*DEADLOCK)] * 4))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (SILENCE, ServerUnreachable),
        (raw(200), ServerUnreachable),
        (raw(500), ServerUnreachable),
        (raw(503, b"<html>"), ServerUnreachable),
        (refused(500, "Internal server error"), ServerUnreachable),
        (raw(429, {"error": "Too Many Requests", "message": "Rate limit exceeded."}), ServerUnreachable),
        (raw(401, {"error": "Unauthorized", "message": "Invalid or missing API key."}), Unauthorised),
        (raw(403, {"error": "Access Denied", "message": "Blocked."}), Unauthorised),
        (raw(404, b"<html>", content_type="text/html"), NotATaskManager),
        (raw(302, b"", location="/login"), NotATaskManager),
        (refused(404, "Endpoint not found"), NotATaskManager),
        (raw(413, {"error": "Request Too Large", "message": "1 MB at most"}), RequestRefused),
        (refused(400, "Validation failed", details=["Task type is required"]), RequestRefused),
    ],
)
def test_every_bad_answer_is_told_in_the_words_of_the_house(name, reply, error):
    with pytest.raises(error):
        CALLS[name](way(reply))


@pytest.mark.parametrize("name", ["submit", "tasks"])
@pytest.mark.parametrize("data", [None, 7, "text", {}, {"items": [{}]}, {"id": None}])
def test_data_that_is_no_task_is_no_taskmanagers(name, data):
    with pytest.raises(NotATaskManager, match=f"{URL} answered"):
        CALLS[name](way(said(data)))


def test_a_task_of_another_id_is_not_taken_for_the_one_that_was_asked_for():
    with pytest.raises(RequestRefused, match="there is no task 20"):
        CALLS["get"](way(shown(number=5)))


def test_a_task_whose_params_cannot_be_read_is_told_as_such():
    with pytest.raises(NotATaskManager, match="its params are str, not an object"):
        CALLS["get"](way(shown(params="x")))


def test_a_page_that_is_full_before_the_filter_has_one_behind_it():
    listed = said({"items": [task(number=n, kind=kind) for n, kind in ((3, "A_B"), (2, "AxB"))], "count": 2})
    page = way(listed).tasks(TaskFilter(task_type="A_B", limit=2, cursor="4"))

    assert [one.id for one in page.tasks] == ["3"]
    assert page.next_cursor == "6"


def test_a_registration_that_the_database_cannot_hold_is_refused():
    with pytest.raises(RequestRefused, match="cannot store this: SQLSTATE"):
        CALLS["publish"](way(NOTHING, refused(*TOO_LONG)))


def test_a_registration_that_tells_nothing_is_no_taskmanagers():
    with pytest.raises(NotATaskManager, match="a registration without a task type"):
        CALLS["publish"](way(NOTHING, said(None)))


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("Missing required property: .message", [("/message", "is missing")]),
        ("Missing required property: a.b", [("/a/b", "is missing")]),
        (
            "Type mismatch at : expected object, got array",
            [("", "Type mismatch: expected object, got array")],
        ),
        ("Additional property not allowed: a[0].b/c", [("/a/0/b~1c", "is not allowed")]),
        ("Value at kind must be one of: a, b", [("/kind", "Value must be one of: a, b")]),
        ("String does not match pattern at q", [("/q", "String does not match pattern")]),
        (
            "Type mismatch at n: expected integer, got number, String too long at q: maximum length is 3",
            [
                ("/n", "Type mismatch: expected integer, got number"),
                ("/q", "String too long: maximum length is 3"),
            ],
        ),
        ("something new", []),
    ],
)
def test_the_fields_at_fault_are_read_from_the_sentence(words, faults):
    assert faults_of(f"Parameter validation failed: {words}") == tuple(Fault(*one) for one in faults)


def test_a_sentence_that_names_no_field_is_told_whole():
    with pytest.raises(RequestRefused, match=r"registered for Test\.Some: Parameter validation failed: odd"):
        CALLS["submit"](way(refused(400, "Parameter validation failed: odd")))
