import json

import pytest

from prismq_worker_sdk.model.protocol import (
    Rejected,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    ApplicationError,
    Success,
    failure,
    found_item,
    is_empty_queue,
    read,
)
from tests.support.prismq_talk import DEADLOCK, EMPTY, SILENCE, TOO_LONG, raw, refused, said

MIDDLEWARE = {
    "error": "Unauthorized",
    "message": "Invalid or missing API key.",
    "timestamp": "2026-11-23T14:38:57",
}
HTML = b"<html><h1>Not Found</h1></html>"


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=UTF-8", ""])
def test_a_good_answer_is_its_data_whatever_the_content_type(kind):
    answer = raw(200, {"success": True, "data": {"id": "20"}}, content_type=kind)

    assert read(answer) == Success({"id": "20"})


def test_warnings_that_php_wrote_before_the_json_are_passed_over():
    body = (
        b"<br />\n<b>Warning</b>: Array to string {conversion}\n"
        + json.dumps({"success": True, "data": {"id": 1}}).encode()
    )

    assert read(raw(200, body)) == Success({"id": 1})


@pytest.mark.parametrize(
    "body", [b"", HTML, b"Fatal error: Uncaught TypeError", b'{"success":tr', b"[]", b"null"]
)
def test_a_200_that_says_nothing_may_have_taken_effect(body):
    found = read(raw(200, body))

    assert isinstance(found, Unreachable)
    assert found.maybe_seen


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("body", [b"", HTML])
def test_a_server_error_without_words_of_the_application_is_no_answer(status, body):
    assert isinstance(read(raw(status, body)), Unreachable)


def test_the_application_s_refusal_keeps_its_status_words_and_details():
    assert read(refused(400, "Validation failed", details=["Worker ID is required"])) == ApplicationError(
        400, "Validation failed: Worker ID is required"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_the_middleware_s_refusal_of_a_key_or_an_address_tells_its_message(status):
    assert read(raw(status, MIDDLEWARE, content_type="text/html")) == Unauthorised(
        "Invalid or missing API key."
    )


def test_a_403_of_the_application_is_about_a_task_and_not_about_the_key():
    assert read(refused(403, "Task is claimed by another worker")) == ApplicationError(
        403, "Task is claimed by another worker"
    )


def test_the_rate_limit_says_how_long_and_that_the_server_is_there():
    body = {"error": "Too Many Requests", "message": "Rate limit exceeded.", "retry_after": 60}

    assert read(raw(429, body, content_type="text/html", retry_after="17")) == Throttled(
        "Rate limit exceeded.", 17.0, limited=True
    )


def test_a_body_that_is_too_large_permanently_rejected():
    found = read(raw(413, {"error": "Request Too Large", "message": "exceeds 1 MB"}))

    assert isinstance(found, ApplicationError)
    assert found.permanently_rejected


@pytest.mark.parametrize("body", [HTML, b"", {"detail": "Not Found"}])
def test_r33_a_404_of_another_service_is_foreign(body):
    assert isinstance(read(raw(404, body)), UnrecognisedServer)


def test_r32_a_redirect_is_foreign_and_names_the_place():
    found = read(raw(301, HTML, location="https://h/api/tasks"))

    assert isinstance(found, UnrecognisedServer)
    assert "https://h/api/tasks" in found.reason


def test_an_unanswered_request_passes_through_as_it_is():
    assert read(SILENCE) is SILENCE


def test_a_path_that_does_not_exist_there_is_foreign_and_other_refusals_keep_their_status():
    assert isinstance(failure(ApplicationError(404, "Endpoint not found")), UnrecognisedServer)
    assert failure(ApplicationError(400, "no")) == Rejected(400, "no")
    assert isinstance(failure(ApplicationError(500, "Internal server error")), Unreachable)
    assert isinstance(failure(ApplicationError(503, "switched off")), Unreachable)


@pytest.mark.parametrize(
    ("status", "error", "empty"),
    [
        (*EMPTY, True),
        (404, "No available tasks", True),
        (500, "No available tasks", False),
        (404, "There is no active transaction", False),
        (*DEADLOCK, False),
        (404, "Endpoint not found", False),
        (500, "Internal server error", False),
    ],
)
def test_an_empty_queue_has_two_forms_and_no_other(status, error, empty):
    assert is_empty_queue(refused(status, error)) is empty


def test_what_never_fits_and_what_only_met_another_request_are_told_apart():
    assert ApplicationError(*TOO_LONG).permanently_rejected
    assert ApplicationError(
        500, "SQLSTATE[22007]: Invalid datetime format: 1366 Incorrect string value"
    ).permanently_rejected
    assert ApplicationError(400, "Invalid JSON in request body").permanently_rejected
    assert not ApplicationError(*DEADLOCK).permanently_rejected
    assert ApplicationError(*DEADLOCK).deadlocked
    assert not ApplicationError(*TOO_LONG).deadlocked
    assert ApplicationError(500, "SQLSTATE[23000]: 1062 Duplicate entry").duplicate


@pytest.mark.parametrize("data", [{"items": [{"id": 1}], "count": 1}, {"id": 1}, [{"id": 1}]])
def test_an_object_is_taken_out_of_items_or_as_it_is(data):
    assert found_item(Success(data)) == {"id": 1}


@pytest.mark.parametrize(
    "answer",
    [Success({"items": [], "count": 0}), Success([]), Success(None), ApplicationError(404, "Task not found")],
)
def test_no_object_is_an_empty_list_or_a_refusal(answer):
    assert found_item(answer) is None


def test_words_of_a_server_that_utf8_cannot_carry_are_made_plain():
    assert read(raw(500, b'{"success":false,"error":"\\ud800"}')) == ApplicationError(500, "?")


def test_said_is_said():
    assert read(said(None)) == Success(None)
