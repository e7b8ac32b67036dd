import pytest

from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.protocol import (
    Conflict,
    Grant,
    Rejected,
    ReportAnswer,
    ServerInfo,
    Throttled,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.model.task import Task
from tests.support.dialect import CALLS, reply, value

HTML = b"<html><body>Bad gateway</body></html>"
CUT = b'{"id": "t1", "type": "Test.So'
HEALTHY = ServerInfo("v1", BASE)
ACCEPTED = ReportAnswer(Verdict.ACCEPTED)
REPORTS = ("complete", "fail")


@pytest.mark.parametrize(
    ("call", "answered", "meaning"),
    [
        ("health", reply(200, {"status": "healthy"}), HEALTHY),
        ("health", reply(200, {"status": "degraded", "more": 1}), HEALTHY),
        ("claim", reply(200, {"id": "t1", "type": "T"}), (Grant(Task(id="t1", type="T")),)),
        ("claim", reply(200, None), ()),
        ("claim", reply(404, {"detail": "no task available"}), ()),
        ("claim", reply(404, None), ()),
        ("claim", reply(409, {"detail": "too late"}), Conflict()),
        *((call, reply(200, {"status": "success"}), ACCEPTED) for call in REPORTS),
        *((call, reply(200, {}), ACCEPTED) for call in REPORTS),
    ],
)
def test_the_documented_answers_have_their_documented_meaning(call, answered, meaning):
    assert value(call, answered) == meaning


@pytest.mark.parametrize("call", REPORTS)
@pytest.mark.parametrize(
    ("status", "body", "verdict", "detail"),
    [
        (409, {"detail": "not yours"}, Verdict.CONFLICT, "not yours"),
        (409, {"error": "not yours"}, Verdict.CONFLICT, "not yours"),
        (409, None, Verdict.CONFLICT, "HTTP 409"),
        (404, {"detail": "no such task"}, Verdict.MISSING, "no such task"),
        (
            404,
            {"title": "Not Found", "detail": "there is no task t1"},
            Verdict.MISSING,
            "there is no task t1",
        ),
        (404, {}, Verdict.MISSING, "HTTP 404"),
        (413, {"detail": "result is too large"}, Verdict.REFUSED, "result is too large"),
        (413, HTML, Verdict.REFUSED, "HTTP 413"),
        (422, {"detail": [{"loc": ["body"]}]}, Verdict.REFUSED, "HTTP 422"),
    ],
)
def test_r26_the_verdict_on_a_report_is_read_from_its_status(call, status, body, verdict, detail):
    assert value(call, reply(status, body)) == ReportAnswer(verdict, detail)


@pytest.mark.parametrize("call", REPORTS)
@pytest.mark.parametrize(
    "answered",
    [
        reply(404, HTML),
        reply(404, b""),
        reply(404, {"detail": "Not Found"}),
        reply(405, {"detail": "Method Not Allowed"}),
    ],
)
def test_r26_a_404_that_is_not_the_servers_own_word_on_a_task_is_no_verdict(call, answered):
    assert isinstance(value(call, answered), UnrecognisedServer)


@pytest.mark.parametrize("call", REPORTS)
@pytest.mark.parametrize("body", [None, [], "success", 1, True])
def test_r21_a_report_answered_with_something_else_than_an_object_has_no_verdict(call, body):
    assert value(call, reply(200, body)) == Unreachable(
        "a report was answered with something that is no verdict", maybe_seen=True
    )


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("body", "reason"), [({"detail": "wrong key"}, "wrong key"), (HTML, None), ({"detail": 7}, None)]
)
def test_r34_a_refused_key_is_told_apart_at_every_call(call, status, body, reason):
    assert value(call, reply(status, body)) == Unauthorised(reason or f"HTTP {status}")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {}, None),
        (429, {"retry_after": "7"}, 7.0),
        (503, {"retry_after": "0"}, 0.0),
        (503, {"retry_after": " 120 "}, 120.0),
        (503, {"retry_after": "9" * 400}, 86400.0),
        (503, {"retry_after": "-1"}, None),
        (503, {"retry_after": "1.5"}, None),
        (503, {"retry_after": ""}, None),
        (503, {"retry_after": "soon"}, None),
    ],
)
@pytest.mark.parametrize("body", [HTML, {"detail": "later"}])
def test_a_server_that_asks_for_patience_gets_it_within_bounds(call, status, headers, seconds, body):
    assert value(call, reply(status, body, **headers)) == Throttled(f"HTTP {status}", seconds)


@pytest.mark.parametrize(
    ("until", "date", "seconds"),
    [
        ("Mon, 23 Nov 2026 10:00:30 GMT", "Mon, 23 Nov 2026 10:00:00 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 +0200", "Mon, 23 Nov 2026 10:00:00 GMT", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", "Mon, 23 Nov 2026 10:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2027 10:00:00 GMT", "Mon, 23 Nov 2026 10:00:00 GMT", 86400.0),
        ("Mon, 23 Nov 2026 10:00:30 GMT", None, None),
        ("Mon, 23 Nov 2026 10:00:30 GMT", "yesterday", None),
        ("Mon, 23 Nov 2026 10:00:30 -0000", "Mon, 23 Nov 2026 10:00:00 GMT", None),
        ("Mon, 23 Nov 2026 10:00:30 +99999999999999999999", "Mon, 23 Nov 2026 10:00:00 GMT", None),
    ],
)
def test_a_retry_after_that_is_a_date_counts_from_the_answers_own_date(until, date, seconds):
    headers = {"retry_after": until} | ({"date": date} if date else {})

    assert value("claim", reply(429, HTML, **headers)) == Throttled("HTTP 429", seconds)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 999])
@pytest.mark.parametrize("body", [HTML, {"detail": "trouble"}, b""])
def test_a_server_in_trouble_may_have_seen_the_request(call, status, body):
    found = value(call, reply(status, body))

    assert isinstance(found, Unreachable)
    assert found.maybe_seen
    assert str(status) in found.reason


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_r32_a_redirect_is_a_wrong_address_that_names_the_right_one(call, status):
    found = value(call, reply(status, HTML, location="https://tasks.example.org/api/x"))

    assert isinstance(found, UnrecognisedServer)
    assert "https://tasks.example.org/api/x" in found.reason
    assert "--api-url" in found.reason


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/elsewhere", "/elsewhere"),
        ("https://me:CANARY@h/api?key=CANARY#CANARY", "https://h/api "),
        ("http://[CANARY", "something that is no address"),
        ("", "nowhere"),
    ],
)
def test_r32_a_location_is_shown_without_what_may_be_secret_in_it(location, shown):
    found = value("claim", reply(301, HTML, location=location))

    assert shown in found.reason
    assert "CANARY" not in found.reason


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [400, 402, 406, 410, 418, 451])
def test_any_other_refusal_keeps_its_status_and_reason(call, status):
    assert value(call, reply(status, {"detail": "no"})) == Rejected(status, "no")


@pytest.mark.parametrize("call", ["claim", *REPORTS])
@pytest.mark.parametrize("status", [200, 201, 204, 400, 409, 422])
@pytest.mark.parametrize("body", [HTML, CUT, b"", b"\x00\xff", b"\xef\xbb", b"[" * 100_000])
def test_an_answer_that_is_no_json_is_no_answer_whatever_its_status(call, status, body):
    found = value(call, reply(status, body))

    assert isinstance(found, Unreachable)
    assert found.maybe_seen


@pytest.mark.parametrize("call", ["health", "claim"])
def test_r33_a_404_that_is_no_json_comes_from_something_else(call):
    assert isinstance(value(call, reply(404, HTML)), UnrecognisedServer)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, HTML),
        (200, CUT),
        (200, b""),
        (200, None),
        (200, []),
        (200, "healthy"),
        (200, {"ok": True}),
        (200, {"status": 200}),
        (200, {"success": True, "data": {"status": 1}}),
        (200, {"success": False, "data": {"status": "ok"}}),
        (200, {"success": True, "status": "ok"}),
        (404, {"detail": "Not Found"}),
        (404, HTML),
        (405, {"detail": "Method Not Allowed"}),
    ],
)
def test_r33_a_health_that_is_not_one_means_a_wrong_address(status, body):
    assert isinstance(value("health", reply(status, body)), UnrecognisedServer)


@pytest.mark.parametrize("call", CALLS)
def test_an_unanswered_request_passes_through_as_it_is(call):
    trouble = Unreachable("the connection was refused", maybe_seen=False)

    assert value(call, trouble) is trouble


def test_a_server_that_describes_itself_is_described():
    said = {"name": "prismq-taskmanager", "version": "2.1", "instance": "i-1"}
    found = value("health", reply(200, {"status": "healthy", "server": said}))

    assert (found.described, found.instance) == ("prismq-taskmanager 2.1", "i-1")


@pytest.mark.parametrize("server", [None, [], "x", {"name": 1, "version": [], "instance": {}}, {}])
def test_a_server_that_describes_itself_badly_is_healthy_all_the_same(server):
    assert value("health", reply(200, {"status": "healthy", "server": server})) == HEALTHY


def test_what_a_server_says_at_length_is_cut():
    found = value("complete", reply(422, {"detail": "x" * 100_000}))

    assert len(found.detail) == 500


def test_what_a_server_says_can_be_stored_whatever_it_is():
    found = value("complete", reply(409, {"detail": "a\ud800b"}))

    assert found.detail == "a?b"
