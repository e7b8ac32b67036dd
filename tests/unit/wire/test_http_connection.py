"""The socket of our own: what it sends, when it is used again, and that nothing else is needed for it."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire import http_connection
from prismq_worker_sdk.wire.deadline import Deadline
from prismq_worker_sdk.wire.http_connection import HttpConnection
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.requests_connection import RequestsConnection
from prismq_worker_sdk.wire.transport import Timeouts, Transport
from tests.support.raw_server import answer, raw_server, says
from tests.support.surroundings import clean_environment

CERTIFICATE = Path(__file__).parents[2] / "support" / "loopback.pem"
HEALTH = HttpRequest("health", "GET", ("health",))
COMPLETE = HttpRequest("complete", "POST", ("tasks", "1", "complete"), '{"worker_id":"w"}')


def no_key():
    return None


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class Recorded:
    """A socket that gives these pieces, and keeps what was done with it."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.done = []

    def settimeout(self, seconds):
        self.seconds = seconds

    def setsockopt(self, *option):
        self.done.append(option)

    def send(self, data):
        self.done.append("send")
        return len(data)

    def recv(self, _size):
        self.done.append("recv")
        return self.pieces.pop(0)

    def close(self):
        self.done.append("close")


@pytest.fixture
def recorded(monkeypatch):
    """Lets a connection use such a socket; the options that it asks for come first in `done`."""

    def opens(*pieces):
        sock = Recorded(*pieces)
        monkeypatch.setattr(
            http_connection, "connect", lambda *_, options, **__: sock.done.extend(options) or sock
        )
        return sock

    return opens


def exchange(connection, request=COMPLETE):
    body = None if request.body is None else request.body.encode()
    target = "/api/" + "/".join(request.segments)
    return connection.exchange(request.method, target, body, connect_in=5.0, limit=1000)


def opened(url="http://127.0.0.1:9/api"):
    return HttpConnection(url, Deadline())


NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
ACKNOWLEDGE = (socket.IPPROTO_TCP, 12, 1)


def test_what_comes_in_pieces_is_acknowledged_before_each_further_one_is_waited_for(recorded, monkeypatch):
    """Else a server that writes twice waits 40 ms for it, in each call."""
    monkeypatch.setattr(http_connection, "QUICKACK", 12)
    whole = answer()
    sock = recorded(whole[:-20], whole[-20:-10], whole[-10:], whole)
    connection = opened()
    exchange(connection)
    monkeypatch.setattr(http_connection, "_is_readable", lambda _: False)
    exchange(connection)

    once = ["send", "recv", ACKNOWLEDGE, "recv", ACKNOWLEDGE, "recv"]
    assert sock.done == [NO_DELAY, *once, "send", "recv"]


def test_a_system_that_cannot_hurry_its_acknowledgements_is_not_asked(recorded, monkeypatch):
    monkeypatch.setattr(http_connection, "QUICKACK", None)
    whole = answer()
    sock = recorded(whole[:-20], whole[-20:])
    connection = opened()
    exchange(connection)

    assert sock.done == [NO_DELAY, "send", "recv", "recv"]


def test_a_request_with_a_small_body_goes_out_in_one_piece_and_a_large_one_is_not_copied(recorded):
    small, large = HttpRequest("a", "POST", ("a",), "x"), HttpRequest("a", "POST", ("a",), "x" * 70_000)
    sock = recorded(answer())
    exchange(opened(), small)
    assert sock.done.count("send") == 1

    sock = recorded(answer())
    exchange(opened(), large)
    assert sock.done.count("send") == 2


@pytest.mark.parametrize("target", ["/a\r\nX: y", "/a b", "/\xfc", "no-slash", "", "/a\n"])
def test_a_target_that_would_not_stay_in_its_line_is_never_sent(recorded, target):
    sock = recorded(answer())
    with pytest.raises(ValueError):
        opened().exchange("GET", target, None, connect_in=5.0, limit=1000)

    assert sock.done == []


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "\x00", "\u20ac"])
def test_a_header_that_would_not_stay_in_its_line_is_never_sent(value):
    with pytest.raises(ValueError):
        opened().use({"X-API-Key": value})


def test_a_refusal_is_read_although_the_server_closed_before_the_request_was_all_there():
    """R24: a result that is too large has its verdict."""
    large = HttpRequest("complete", "POST", ("tasks", "1", "complete"), " " * (16 * 2**20))

    def refuses(peer):
        peer.connection.recv(1024)
        peer.send(answer(413, b'{"detail": "too large"}'))
        peer.connection.shutdown(socket.SHUT_WR)
        while peer.connection.recv(2**20):
            if peer.server.over.is_set():
                return

    with raw_server(refuses, says(answer())) as server:
        transport = Transport(server.url, key=no_key)
        found = transport.send(large)
        transport.close()

    assert (found.status, found.json) == (413, {"detail": "too large"})


def test_a_request_that_broke_off_leaves_no_connection_for_the_next(recorded):
    class Breaks(Recorded):
        def send(self, data):
            super().send(data)
            raise BrokenPipeError

    sock = recorded(answer(413))
    sock.__class__ = Breaks

    assert exchange(opened()).status == 413
    assert sock.done[-1] == "close"


def test_a_call_on_another_thread_keeps_its_connection_until_it_is_answered():
    asked, may_answer = threading.Event(), threading.Event()

    def slow(peer):
        peer.read()
        asked.set()
        may_answer.wait(10)
        peer.send(answer())
        peer.read()

    found = []
    with raw_server(slow, says(answer())) as server:
        transport = Transport(server.url, key=no_key)
        caller = threading.Thread(target=lambda: found.append(transport.send(COMPLETE)))
        caller.start()
        asked.wait(10)
        transport.close()
        may_answer.set()
        caller.join()
        server.threads_end(1)  # it was not kept

    assert found[0].status == 200


def test_a_client_that_nobody_closed_leaves_no_connection_behind():
    with raw_server(says(answer(), answer())) as server:
        transport = Transport(server.url, key=no_key)
        transport.send(HEALTH)
        del transport
        server.threads_end(1)


def test_r31_a_server_that_reads_in_sips_is_bounded_over_tls_as_well(monkeypatch):
    """There each record has a time-out for itself."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    large = HttpRequest("complete", "POST", ("tasks", "1", "complete"), " " * (8 * 2**20))

    def sips(peer):
        while not peer.server.over.wait(0.05):
            if not peer.connection.recv(16 * 1024):
                return

    with raw_server(sips, tls=tls()) as server:
        timeouts = Timeouts(default=0.5, calls={})
        found = Transport(server.url, key=no_key, timeouts=timeouts).send(large)

    assert found == Unreachable("the answer did not come in time", maybe_seen=True)


def test_r31_a_handshake_that_hangs_is_bounded_and_has_shown_the_server_nothing():
    with raw_server(lambda peer: peer.hang()) as server:
        url = server.url.replace("http:", "https:")
        found = Transport(url, key=no_key, timeouts=Timeouts(default=0.2, calls={})).send(COMPLETE)

    assert found == Unreachable("the answer did not come in time", maybe_seen=False)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_certificates_of_the_environment_are_trusted(monkeypatch, name):
    for one in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(one, raising=False)
    monkeypatch.setenv(name, str(CERTIFICATE))
    with raw_server(says(answer()), tls=tls()) as server:
        transport = Transport(server.url, key=no_key)
        found = transport.send(HEALTH)
        transport.close()

    assert found.status == 200


def test_certificates_that_were_replaced_are_read_again(monkeypatch, tmp_path):
    bundle = tmp_path / "ca.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    bundle.write_bytes(b"nothing yet")
    os.utime(bundle, (1, 1))
    with raw_server(says(answer()), tls=tls()) as server:
        transport = Transport(server.url, key=no_key)
        before = transport.send(HEALTH)
        bundle.write_bytes(CERTIFICATE.read_bytes())
        after = transport.send(HEALTH)
        transport.close()

    assert before.reason.startswith(
        f"REQUESTS_CA_BUNDLE names {bundle}, which holds no certificate in PEM form"
    )
    assert not before.maybe_seen
    assert after.status == 200


def test_certificates_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with raw_server(lambda peer: peer.hang()) as server:
        url = server.url.replace("http:", "https:")
        found = Transport(url, key=no_key).send(COMPLETE)

    assert found.reason.startswith(
        f"REQUESTS_CA_BUNDLE names {tmp_path / 'none.pem'}, which cannot be read (No"
    )


@pytest.mark.parametrize(
    ("variables", "needed"),
    [
        ({}, []),
        ({"no_proxy": "*"}, []),
        ({"http_proxy": ""}, []),
        ({"https_proxy": "http://127.0.0.1:9"}, ["requests", "urllib3"]),
    ],
)
def test_what_no_call_needs_is_not_imported(variables, needed):
    code = (
        "import json, sys\n"
        "from prismq_worker_sdk.model.protocol import Probe\n"
        "from prismq_worker_sdk.wire.client import WireClient\n"
        "WireClient('http://tasks.invalid/api')\n"
        "WireClient('http://127.0.0.1:1/api').perform(Probe())\n"
        "print(json.dumps([name for name in ('requests', 'urllib3', 'ssl', 'email.utils') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)

    assert [name for name in found if name in {"requests", "urllib3"}] == needed
    assert needed or found == []


@pytest.mark.parametrize("kind", [HttpConnection, partial(RequestsConnection, proxies={})])
def test_a_body_is_json_unless_the_headers_say_otherwise(kind):
    deadline = Deadline()
    deadline.set(10.0)
    with (
        raw_server(says(answer(), answer())) as server,
        closing(kind(server.url, deadline)) as connection,
    ):
        for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}):
            connection.use(headers)
            connection.exchange("POST", "/api", b"q=1", connect_in=5.0, limit=1000)

    kinds = [one.headers["content-type"] for one in server.asked]
    assert kinds == ["application/json", "application/x-www-form-urlencoded"]
