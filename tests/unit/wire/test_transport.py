import gzip
import ssl
import zlib
from pathlib import Path

import pytest

from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire import transport as transport_module
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.transport import Timeouts, Transport
from tests.support.raw_server import answer, raw_server, says

CERTIFICATE = Path(__file__).parents[2] / "support" / "loopback.pem"
HEALTH = HttpRequest("health", "GET", ("health",))
COMPLETE = HttpRequest("complete", "POST", ("tasks", "a b", "complete"), '{"worker_id":"w","result":"ü"}')
SOON = Timeouts(default=0.3, calls={})


@pytest.fixture(autouse=True, params=["socket", "requests"])
def carried_by(request, monkeypatch):
    """What is promised holds on both ways; without a proxy only odd addresses go by requests."""
    if request.param == "requests":
        monkeypatch.setattr(transport_module, "is_plain", lambda _base: False)
    return request.param


def no_key():
    return None


def sent(server, request=HEALTH, **options):
    """What a request to this server becomes."""
    with server:
        transport = Transport(server.url, key=no_key, **options)
        found = transport.send(request)
        transport.close()
    return found


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_a_request_goes_out_whole_and_its_answer_comes_back_whole():
    server = raw_server(says(answer(409, b'{"detail": "x"}', X_Other="1")))
    found = sent(server, COMPLETE)

    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/tasks/a%20b/complete")
    assert asked.body == COMPLETE.body.encode()
    assert (asked.headers["content-type"], asked.headers["accept"]) == (
        "application/json",
        "application/json",
    )
    assert (found.status, found.json, found.headers["x-other"]) == (409, {"detail": "x"}, "1")


def test_a_query_is_quoted_behind_the_path():
    server = raw_server(says(answer()))
    sent(server, HttpRequest("list", "GET", ("tasks",), query=(("q", "a&b=c d"), ("limit", "5"))))

    assert server.asked[0].path == "/api/tasks?q=a%26b%3Dc+d&limit=5"


@pytest.mark.parametrize("answers", [[b"chunked"], [answer(), answer()]])
def test_a_connection_is_used_again(answers):
    chunked = answer(200, b"2\r\n{}\r\n0\r\n\r\n", content_length=None, transfer_encoding="chunked")
    with raw_server(says(*([chunked, chunked] if answers == [b"chunked"] else answers))) as server:
        transport = Transport(server.url, key=no_key)
        found = [transport.send(HEALTH).status, transport.send(COMPLETE).status]
        transport.close()

    assert (found, server.connections) == ([200, 200], 1)


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_IDLE", -1.0)
    with raw_server(says(answer(), answer())) as server:
        transport = Transport(server.url, key=no_key)
        found = [transport.send(HEALTH).status, transport.send(HEALTH).status]
        transport.close()

    assert (found, server.connections) == ([200, 200], 2)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced():
    with raw_server(says(answer())) as server:
        transport = Transport(server.url, key=no_key)
        found = [transport.send(HEALTH).status]
        server.threads_end(1)
        found.append(transport.send(COMPLETE).status)
        transport.close()

    assert (found, server.connections) == ([200, 200], 2)


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_answer_that_only_announces_another_is_read_past(status):
    hint = f"HTTP/1.1 {status} Said\r\nLink: </x>; rel=preload\r\n\r\n".encode()
    with raw_server(says(hint + answer(), hint + hint + answer(409))) as server:
        transport = Transport(server.url, key=no_key)
        found = [transport.send(HEALTH).status, transport.send(COMPLETE).status]
        transport.close()

    assert (found, server.connections) == ([200, 409], 1)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        answer(200, b"<html>Sign in</html>", content_type="text/html"),
        answer(200, b'{"status": '),
        answer(502, b"Bad gateway", content_type="text/plain"),
    ],
)
def test_after_an_answer_that_is_not_understood_its_connection_is_not_used_again(data):
    """Whatever comes on it then may be the answer to an earlier call."""
    with raw_server(says(data, answer(200, b"{}")), says(answer(409, b"{}"))) as server:
        transport = Transport(server.url, key=no_key)
        transport.send(HEALTH)
        found = transport.send(COMPLETE)
        transport.close()

    assert (found.status, server.connections) == (409, 2)


def test_after_a_failure_the_next_call_begins_anew():
    def resets(peer):
        peer.read()
        peer.reset()

    with raw_server(resets, says(answer())) as server:
        transport = Transport(server.url, key=no_key)
        found = [transport.send(HEALTH), transport.send(HEALTH)]
        transport.close()

    assert found[0] == Unreachable("the connection was reset", maybe_seen=True)
    assert found[1].status == 200


def test_r31_an_answer_that_trickles_is_bounded_as_a_whole():
    whole = answer(200, b'{"status": "healthy"}' + b" " * 80)

    def trickles_the_body(peer):
        peer.read()
        peer.send(whole[:-80])
        peer.trickle(whole[-80:])

    found = sent(raw_server(trickles_the_body), timeouts=SOON)
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


def test_r31_headers_that_trickle_are_bounded_as_a_whole():
    def trickles(peer):
        peer.read()
        peer.trickle(answer())

    found = sent(raw_server(trickles), timeouts=SOON)
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


def test_r31_a_server_that_says_continue_for_ever_is_bounded():
    def continues(peer):
        peer.read()
        for _ in range(100):
            if peer.server.over.wait(0.03):
                return
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.send(answer())

    found = sent(raw_server(continues), timeouts=SOON)
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


def test_r31_a_server_that_does_not_read_is_bounded():
    large = HttpRequest("complete", "POST", ("tasks", "1", "complete"), " " * (32 * 2**20))

    found = sent(raw_server(lambda peer: peer.hang()), large, timeouts=Timeouts(default=5.0, calls={}))
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


def test_r31_a_server_that_reads_in_sips_is_bounded_while_it_reads():
    size = 32 * 2**20
    large = HttpRequest("complete", "POST", ("tasks", "1", "complete"), " " * size)
    taken = []

    def sips(peer):
        while not peer.server.over.wait(0.02):
            sip = peer.connection.recv(64 * 1024)
            if not sip:
                return
            taken.append(len(sip))

    found = sent(raw_server(sips), large, timeouts=Timeouts(default=2.0, calls={}))
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)
    assert sum(taken) < size / 2


def test_r31_the_time_of_a_call_is_that_of_its_kind():
    timeouts = Timeouts(default=30.0, calls={"health": 0.3})

    found = sent(raw_server(lambda peer: peer.hang()), timeouts=timeouts)
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the connection was reset"),
        (answer()[:-5], "the answer was cut off"),
        (
            answer(200, b"10\r\n{}", content_length=None, transfer_encoding="chunked"),
            "the answer was cut off",
        ),
        (answer(200, b"", content_length=2), "the answer was cut off"),
    ],
)
def test_an_answer_that_is_cut_off_is_none_and_the_request_may_have_been_seen(data, reason):
    assert sent(raw_server(says(data)), COMPLETE) == Unreachable(reason, maybe_seen=True)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 100,
        b"<html>",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        answer(200, b"zz\r\n", content_length=None, transfer_encoding="chunked"),
        answer(200, b"{}", content_length="2, 3"),
        answer(200, b"no gzip", content_encoding="gzip"),
    ],
)
def test_an_answer_that_is_no_http_is_none(data):
    found = sent(raw_server(says(data)), COMPLETE)

    assert isinstance(found, Unreachable)
    assert found.maybe_seen


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_answer_is_unpacked(encoding):
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    found = sent(raw_server(says(answer(200, pack(b'{"status": "healthy"}'), content_encoding=encoding))))

    assert found.json == {"status": "healthy"}


def test_an_answer_up_to_the_limit_is_read(monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 1000)

    assert len(sent(raw_server(says(answer(200, b"x" * 1000)))).body) == 1000


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_beyond_the_limit_is_none(monkeypatch, packed):
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 1000)
    body = b"x" * 1001
    data = answer(200, gzip.compress(body), content_encoding="gzip") if packed else answer(200, body)

    found = sent(raw_server(says(data)))
    assert isinstance(found, Unreachable)
    assert found.reason.startswith("the answer is larger than")


def test_html_is_an_answer_that_the_dialect_judges():
    found = sent(raw_server(says(answer(502, b"<html>Bad gateway</html>", content_type="text/html"))))

    assert isinstance(found, HttpReply)
    assert (found.status, found.is_json) == (502, False)


def test_r32_a_redirect_is_not_followed():
    with raw_server(says(answer())) as other:
        found = sent(raw_server(says(answer(307, b"", location=f"{other.url}/health"))))

    assert (found.status, found.headers["location"]) == (307, f"{other.url}/health")
    assert other.connections == 0


def test_r26_a_refused_connection_has_shown_the_server_nothing():
    with raw_server(says(answer())) as server:
        url = server.url

    found = Transport(url, key=no_key).send(COMPLETE)
    assert found == Unreachable("the connection was refused", maybe_seen=False)


def test_r26_a_call_that_was_seen_says_nothing_of_the_next_one():
    with raw_server(says(answer())) as server:
        transport = Transport(server.url, key=no_key)
        assert transport.send(COMPLETE).status == 200

    found = transport.send(COMPLETE)
    assert found == Unreachable("the connection was refused", maybe_seen=False)


def test_r26_a_name_that_does_not_resolve_has_shown_the_server_nothing():
    found = Transport("http://a..b/api", key=no_key).send(COMPLETE)

    assert isinstance(found, Unreachable)
    assert not found.maybe_seen


def test_r26_an_unanswered_request_may_have_been_seen():
    found = sent(raw_server(lambda peer: peer.read()), COMPLETE)

    assert isinstance(found, Unreachable)
    assert found.maybe_seen


def test_a_tls_server_is_talked_to_when_its_certificate_is_known(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    assert sent(raw_server(says(answer()), tls=tls())).status == 200


def test_r26_a_certificate_that_is_not_known_has_shown_the_server_nothing():
    server = raw_server(says(answer()), tls=tls())
    found = sent(server, COMPLETE)

    assert isinstance(found, Unreachable)
    assert (found.maybe_seen, server.asked) == (False, [])
    assert "certificate" in found.reason


def test_r26_a_request_over_tls_that_is_cut_off_may_have_been_seen(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))

    def cuts(peer):
        peer.read()
        peer.tear()

    server = raw_server(cuts, tls=tls())
    found = sent(server, COMPLETE)

    assert isinstance(found, Unreachable)
    assert (found.maybe_seen, len(server.asked)) == (True, 1)


def test_this_machine_is_reached_past_every_proxy(monkeypatch):
    with raw_server(says(answer(502))) as proxy:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/api"))
        found = sent(raw_server(says(answer())))

    assert (found.status, proxy.connections) == (200, 0)


def test_other_machines_are_reached_through_the_proxy_of_the_environment(monkeypatch):
    with raw_server(says(answer())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/api"))
        transport = Transport("http://tasks.invalid/api", key=no_key)
        found = transport.send(HEALTH)
        transport.close()

    assert found.status == 200
    assert [asked.path for asked in proxy.asked] == ["http://tasks.invalid/api/health"]


def test_r31_a_proxy_that_trickles_is_bounded_too(monkeypatch):
    def trickles(peer):
        peer.read()
        peer.trickle(answer())

    with raw_server(trickles) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/api"))
        found = Transport("http://tasks.invalid/api", key=no_key, timeouts=SOON).send(HEALTH)

    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


def test_r31_a_call_that_must_be_sooner_over_is_sooner_given_up():
    """A renewal that hangs must leave time for another one before its lease ends."""
    renewal = HttpRequest("renew", "POST", ("tasks", "exchange"), "{}", within=0.2)

    found = sent(raw_server(lambda peer: peer.hang()), renewal, timeouts=Timeouts())
    assert found == Unreachable("the answer did not come in time", maybe_seen=True)
