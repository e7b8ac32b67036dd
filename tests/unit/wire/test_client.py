import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import (
    Conflict,
    ExchangeRequest,
    ExchangeResponse,
    NoKey,
    Probe,
    ReportAnswer,
    ServerInfo,
    Unauthorised,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.report import Verdict
from prismq_worker_sdk.wire.client import WireClient
from tests.support.dialect import CLAIM, report
from tests.support.raw_server import answer, raw_server, says

CANARY = "CANARY-7f3a9c"
CLAIMS = ExchangeRequest(claim=CLAIM)
REPORTS = ExchangeRequest(reports=(report(Completed("1")),))


def performed(server, *calls, **options):
    """What the calls become, and the events they made."""
    events = []
    with server:
        client = WireClient(server.url, on_call=events.append, **options)
        found = [client.perform(call) for call in calls]
        client.close()
    return found, events


def test_a_worker_talks_to_a_server_over_one_connection():
    server = raw_server(says(answer(), answer(200, b'{"status": "success"}'), answer(200, b"null")))
    (health, exchanged), events = performed(server, Probe(), ExchangeRequest(REPORTS.reports, CLAIM))

    assert health.dialect == "v1"
    assert exchanged == ExchangeResponse((ReportAnswer(Verdict.ACCEPTED),), ())
    assert [asked.path for asked in server.asked] == [
        "/api/health",
        "/api/tasks/t1/complete",
        "/api/tasks/claim",
    ]
    assert server.connections == 1
    assert [(event.call, event.error) for event in events] == [
        ("health", ""),
        ("complete", ""),
        ("claim", ""),
    ]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (answer(200, b"null"), ""),
        (answer(404, b'{"detail": "no task"}'), ""),
        (answer(404, b"<html>"), "http_404"),
        (answer(409, b"{}"), "http_409"),
        (answer(500, b"{}"), "http_500"),
        (answer(200, b"<html>"), "http_200"),
        (b"", "unreachable"),
    ],
)
def test_each_call_is_told_with_a_short_word_for_its_trouble(data, word):
    _, (event,) = performed(raw_server(says(data)), CLAIMS)

    assert (event.call, event.error) == ("claim", word)
    assert event.seconds >= 0


def test_r32_a_redirect_is_a_wrong_address_and_the_key_goes_to_no_other_host():
    with raw_server(says(answer())) as other:
        server = raw_server(says(answer(301, b"", location=f"{other.url}/health?key={CANARY}")))
        (found,), _ = performed(server, Probe(), key=lambda: CANARY)

    assert isinstance(found, UnrecognisedServer)
    assert f"{other.url}/health " in found.reason
    assert other.connections == 0
    assert server.asked[0].headers["x-api-key"] == CANARY


def test_r32_a_claim_that_is_redirected_does_not_become_a_get():
    with raw_server(says(answer())) as other:
        server = raw_server(says(answer(302, b"", location=other.url)))
        (found,), _ = performed(server, CLAIMS)

    assert isinstance(found.tasks, UnrecognisedServer)
    assert (len(server.asked), other.connections) == (1, 0)


@pytest.mark.parametrize("status", [401, 403])
def test_r34_the_key_file_is_read_again_after_it_was_refused_and_only_then(tmp_path, status):
    file = tmp_path / "key"
    file.write_text("the-old-key")
    read = []

    def key():
        read.append(file.read_text())
        return read[-1]

    server = raw_server(
        says(answer(200, b"null"), answer(status, b"{}"), answer(200, b"null"), answer(200, b"null"))
    )
    with server:
        client = WireClient(server.url, key=key)
        first = [client.perform(CLAIMS).tasks, client.perform(CLAIMS).tasks]
        file.write_text("the-new-key")
        then = [client.perform(CLAIMS).tasks, client.perform(CLAIMS).tasks]
        client.close()

    assert first == [(), Unauthorised(f"HTTP {status}")]
    assert then == [(), ()]
    assert [asked.headers["x-api-key"] for asked in server.asked] == ["the-old-key"] * 2 + ["the-new-key"] * 2
    assert read == ["the-old-key", "the-new-key"]


def test_r34_a_key_that_cannot_be_read_is_trouble_of_this_call_alone():
    answers = iter([SettingsError("TASKMANAGER_API_KEY_FILE names /k, which is empty"), "the-key"])

    def key():
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    server = raw_server(says(answer(200, b"null")))
    (first, second), _ = performed(server, CLAIMS, CLAIMS, key=key)

    assert first == NoKey("TASKMANAGER_API_KEY_FILE names /k, which is empty")
    assert second.tasks == ()
    assert [asked.headers["x-api-key"] for asked in server.asked] == ["the-key"]


@pytest.mark.parametrize("key", [f"{CANARY}\nX-Other: 1", f"{CANARY}\r", f"{CANARY}\x00", f"{CANARY}✓"])
def test_a_key_that_no_header_can_carry_is_not_sent_and_not_shown(key):
    server = raw_server(says(answer()))
    (found,), events = performed(server, Probe(), key=lambda: key)

    assert isinstance(found, NoKey)
    assert server.asked == []
    assert "API key" in found.reason
    assert CANARY not in repr((found, events))


def test_without_a_key_no_header_is_sent():
    server = raw_server(says(answer()))
    performed(server, Probe())

    assert "x-api-key" not in server.asked[0].headers


@pytest.mark.parametrize(
    "data",
    [
        answer(401, f'{{"detail": "the key {CANARY} is wrong"}}'.encode()),
        answer(403, f"<html>{CANARY}</html>".encode(), content_type=f"text/html; x={CANARY}"),
        answer(302, b"", location=f"/{CANARY}/x"),
        answer(404, b"<html>", content_type=CANARY),
        answer(409, f'{{"detail": "{CANARY}"}}'.encode()),
        answer(422, f'{{"error": "{CANARY}"}}'.encode()),
        answer(500, f'{{"message": "{CANARY}"}}'.encode()),
        f"HTTP/1.1 {CANARY}\r\n\r\n".encode(),
        f"{CANARY}\r\n\r\n".encode(),
        answer(200, b"{}", content_length=CANARY),
        answer(200, f"{CANARY}\r\n".encode(), content_length=None, transfer_encoding="chunked"),
        b"",
    ],
)
def test_a_server_that_repeats_the_key_does_not_bring_it_into_texts_or_events(data):
    found, events = performed(raw_server(says(data)), Probe(), CLAIMS, REPORTS, key=lambda: CANARY)

    assert CANARY not in repr((found, events))


def test_the_key_is_not_in_the_trouble_of_a_connection():
    with raw_server(says(answer())) as server:
        url = server.url

    found = WireClient(url, key=lambda: CANARY).perform(Probe())
    assert isinstance(found, Unreachable)
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\nContent-Le", answer()[:-9], answer(200, b'{"status": "hea')]
)
def test_an_answer_cut_anywhere_is_never_taken_for_a_good_one(data):
    for call in (CLAIMS, REPORTS):
        (found,), _ = performed(raw_server(says(data)), call)
        (part,) = found.reports or (found.tasks,)

        assert isinstance(part, Unreachable)
        assert part.maybe_seen


def test_r33_the_dialect_that_was_asked_for_must_be_met():
    (found,), _ = performed(raw_server(says(answer())), Probe(), dialect="prismq-client")

    assert found == UnrecognisedServer("it speaks v1, not prismq-client; leave --dialect at auto")


def test_r33_the_dialect_that_was_asked_for_is_met():
    (found,), _ = performed(raw_server(says(answer())), Probe(), dialect="v1")

    assert isinstance(found, ServerInfo)


def test_somebody_who_was_faster_is_a_value():
    (found,), _ = performed(raw_server(says(answer(409, b"{}"))), CLAIMS)

    assert found.tasks == Conflict()


@pytest.fixture(scope="module")
def babbler():
    """A server that answers with whatever `saying` holds, and the client that must bear it."""
    saying = [b""]

    def babbles(peer):
        if peer.read() is not None:
            peer.send(saying[0])

    with raw_server(babbles) as server:
        client = WireClient(server.url, key=lambda: CANARY)
        yield saying, client
        client.close()


HEADER = st.sampled_from(
    [
        "Content-Length: 2",
        "Content-Length: -1",
        "Content-Length: x",
        "Transfer-Encoding: chunked",
        "Set-Cookie: a",
        "Content-Encoding: gzip",
        "Location: http://[",
        "Retry-After: 1e9",
        "Connection: close",
        "X",
        ": x",
        " y: z",
    ]
)
STATUS_LINES = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.0 404", "HTTP/1.1 503 x", "HTTP/1.1 301", "HTTP/1.1 7", ""]
)
ANSWERS = st.binary(max_size=80) | st.builds(
    lambda first, headers, body: "\r\n".join([first, *headers, "", ""]).encode() + body,
    STATUS_LINES,
    st.lists(HEADER, max_size=3),
    st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"null"]) | st.binary(max_size=20),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=ANSWERS, call=st.sampled_from([Probe(), CLAIMS, REPORTS]))
def test_no_bytes_whatever_make_a_call_raise(babbler, data, call):
    saying, client = babbler
    saying[0] = data

    found = client.perform(call)
    assert type(found).__module__ == "prismq_worker_sdk.model.protocol"
    assert CANARY not in repr(found)
