"""What a producer makes of answers that the server gives on its bad days."""

import pytest

from prismq_worker_sdk.errors import (
    Fault,
    NotATaskManager,
    RequestRefused,
    ServerUnreachable,
    Unauthorised,
)
from prismq_worker_sdk.wire.dialects.prismq_client.producer import PrismqClientProducer, faults_of
from prismq_worker_sdk.wire.messages import perform
from prismq_worker_sdk.wire.producer_backend import Submission, TaskFilter, TypeSchema
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
    "submit": lambda producer: producer.submit(Submission(task_type="Test.Some", params={"n": 1})),
    "get": lambda producer: producer.get("20"),
    "show": lambda producer: producer.show("20"),
    "tasks": lambda producer: producer.tasks(TaskFilter()),
    "publish": lambda producer: producer.publish(TypeSchema(name="Test.Some", version="1", param_schema={})),
}


def answered(call, *replies):
    """What a call of a producer comes to when its requests are answered so."""
    waiting = list(replies)
    return perform(call(PrismqClientProducer(URL)), lambda _request: waiting.pop(0))


@pytest.mark.parametrize("first", [DUPLICATE, DEADLOCK])
def test_a_creation_that_met_another_one_is_sent_again(first):
    waiting, asked = [refused(*first), refused(*first), NEW], []

    def send(request):
        asked.append(request)
        return waiting.pop(0)

    created = perform(CALLS["submit"](PrismqClientProducer(URL)), send)

    assert (created.new, created.task.id) == (True, "7")
    assert len({request.body for request in asked}) == 1


def test_a_deadlock_that_does_not_end_is_an_unreachable_server():
    with pytest.raises(ServerUnreachable, match="did not answer: HTTP 500: SQLSTATE"):
        answered(CALLS["submit"], *[refused(*DEADLOCK)] * 4)


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
        answered(CALLS[name], reply)


@pytest.mark.parametrize("name", ["submit", "tasks"])
@pytest.mark.parametrize("data", [None, 7, "text", {}, {"items": [{}]}, {"id": None}])
def test_data_that_is_no_task_is_no_taskmanagers(name, data):
    with pytest.raises(NotATaskManager, match=f"{URL} answered"):
        answered(CALLS[name], said(data))


def test_a_task_of_another_id_is_not_taken_for_the_one_that_was_asked_for():
    with pytest.raises(RequestRefused, match="there is no task 20"):
        answered(CALLS["get"], shown(number=5))


def test_a_task_whose_params_cannot_be_read_is_told_as_such():
    with pytest.raises(NotATaskManager, match="its params are str, not an object"):
        answered(CALLS["get"], shown(params="x"))


def test_a_page_that_is_full_before_the_filter_has_one_behind_it():
    listed = said({"items": [task(number=n, kind=kind) for n, kind in ((3, "A_B"), (2, "AxB"))], "count": 2})
    page = answered(lambda producer: producer.tasks(TaskFilter(task_type="A_B", limit=2, cursor="4")), listed)

    assert [one.id for one in page.tasks] == ["3"]
    assert page.next_cursor == "6"


def test_a_registration_that_the_database_cannot_hold_is_refused():
    with pytest.raises(RequestRefused, match="cannot store this: SQLSTATE"):
        answered(CALLS["publish"], NOTHING, refused(*TOO_LONG))


def test_a_registration_that_tells_nothing_is_no_taskmanagers():
    with pytest.raises(NotATaskManager, match="a registration without a task type"):
        answered(CALLS["publish"], NOTHING, said(None))


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
        answered(CALLS["submit"], refused(400, "Parameter validation failed: odd"))
