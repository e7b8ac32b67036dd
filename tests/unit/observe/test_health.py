"""Health over HTTP, on a real socket."""

import errno
import http.client
import json
import socket
import struct
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.events import TaskClaimed, TaskRef
from prismq_worker_sdk.observe import health_server as health_module
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.health_server import HealthServer
from prismq_worker_sdk.observe.metrics import PrometheusMetrics
from tests.support.processes import wait_until

WELL = Health(live=True, ready=True)
BUSY = Health(live=True, ready=False, reasons=("the server does not answer", "T: quota used up"))
DEAD = Health(live=False, ready=False, reasons=("the claim loop died",))


@pytest.fixture
def serve():
    servers = []

    def start(probe=lambda: WELL, **how):
        server = HealthServer(0, probe, **how)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


def ask(server, path, method="GET", host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere"])
def test_a_head_request_is_answered_like_a_get_without_the_body(serve, path):
    server = serve(lambda: BUSY, metrics=lambda: b"metrics")
    status, kind, body = ask(server, path)

    assert ask(server, path, method="HEAD") == (status, kind, b"")
    assert body


def test_a_server_of_health_asks_no_resolver_for_its_name(serve, monkeypatch):
    def asks(*_):
        raise AssertionError("the resolver was asked")

    for name in ("getfqdn", "gethostbyaddr"):
        monkeypatch.setattr(socket, name, asks)

    assert ask(serve(host="0.0.0.0"), "/healthz")[0] == 200


class FakeReserve:
    """Has so much to lend."""

    def __init__(self, lends):
        self.lends = lends

    def lend(self, _number):
        self.lends -= 1
        return self.lends >= 0

    def refill(self):
        pass


@pytest.fixture
def exhausted(monkeypatch):
    """No descriptor is left for the next connections."""
    real, times = health_module.ThreadingHTTPServer.get_request, []

    def accepts(server):
        if times:
            raise times.pop()
        return real(server)

    monkeypatch.setattr(health_module.ThreadingHTTPServer, "get_request", accepts)
    return lambda number: times.extend([OSError(errno.EMFILE, "Too many open files")] * number)


def test_where_no_descriptor_is_left_the_reserve_answers(serve, monkeypatch, exhausted):
    monkeypatch.setattr(health_module, "RESERVE", FakeReserve(lends=1))
    monkeypatch.setattr(health_module, "time", None)
    exhausted(1)

    assert ask(serve(), "/healthz")[0] == 200


def test_where_nothing_is_left_at_all_the_door_is_looked_at_again_after_a_pause(
    serve, monkeypatch, exhausted
):
    pauses = []
    monkeypatch.setattr(health_module, "RESERVE", FakeReserve(lends=0))
    monkeypatch.setattr(health_module, "time", SimpleNamespace(sleep=pauses.append))
    exhausted(3)

    assert ask(serve(), "/healthz")[0] == 200
    assert pauses == [health_module.DOOR_PAUSE] * 3


@pytest.mark.parametrize(
    ("health", "path", "status"),
    [
        (WELL, "/healthz", 200),
        (WELL, "/readyz", 200),
        (BUSY, "/healthz", 200),
        (BUSY, "/readyz", 503),
        (DEAD, "/healthz", 503),
        (DEAD, "/readyz", 503),
        (Health(live=False, ready=True), "/readyz", 503),
        (WELL, "/healthz?probe=1", 200),
    ],
)
def test_health_is_for_restarts_and_readiness_is_for_work(serve, health, path, status):
    found, kind, body = ask(serve(lambda: health), path)

    assert (found, kind) == (status, "application/json")
    reasons = list(health.reasons)
    assert json.loads(body) == {"live": health.live, "ready": health.ready, "reasons": reasons, "parked": 0}


def test_parked_reports_are_told_and_do_not_make_a_worker_unready(serve):
    found, _kind, body = ask(serve(lambda: Health(live=True, ready=True, parked=3)), "/readyz")

    assert (found, json.loads(body)["parked"]) == (200, 3)


def test_the_health_is_looked_up_anew_for_every_question(serve):
    now = [WELL]
    server = serve(lambda: now[0])
    first = ask(server, "/readyz")[0]
    now[0] = BUSY

    assert (first, ask(server, "/readyz")[0]) == (200, 503)


def test_metrics_are_served_in_the_text_format_where_they_are_on(serve):
    metrics = PrometheusMetrics()
    metrics(TaskClaimed(TaskRef("t-1", "PrismQ.Test.Echo")))
    status, kind, body = ask(serve(metrics=metrics.expose), "/metrics")

    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'prismq_worker_claims_total{type="PrismQ.Test.Echo"} 1.0\n' in body


def test_the_status_is_told_as_json_whether_the_worker_is_ready_or_not(serve):
    server = serve(lambda: BUSY, status=lambda: {"running": [{"id": "t-1", "percent": 40.0}]})

    assert ask(server, "/status") == (
        200,
        "application/json",
        b'{"running": [{"id": "t-1", "percent": 40.0}]}',
    )


@pytest.mark.parametrize("path", ["/", "/metrics", "/status", "/healthz/", "/../etc/passwd"])
def test_any_other_path_is_not_found_and_says_what_there_is(serve, path):
    status, kind, body = ask(serve(), path)

    assert (status, kind) == (404, "application/json")
    assert "/healthz" in json.loads(body)["error"]


def test_only_reading_is_possible(serve):
    assert ask(serve(), "/healthz", "POST")[0] == 501


def test_one_connection_serves_many_questions(serve):
    server = serve()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    statuses = []
    for path in ("/healthz", "/none", "/readyz"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()

    assert statuses == [200, 404, 200]


def test_a_slow_question_holds_up_no_other(serve):
    asked, go_on = threading.Event(), threading.Event()

    def metrics():
        asked.set()
        go_on.wait(10)
        return b""

    server = serve(metrics=metrics)
    slow = threading.Thread(target=ask, args=(server, "/metrics"))
    slow.start()
    asked.wait(10)
    quick = ask(server, "/healthz")[0]
    go_on.set()
    slow.join()

    assert quick == 200


def test_a_taken_port_is_a_settings_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingsError, match=f"--health-port {port} cannot be used .*in use.*; choose another"
        ):
            HealthServer(port, lambda: WELL)


def test_a_free_port_is_found_and_told(serve):
    server = serve()

    assert server.port > 0
    assert server.url == f"http://127.0.0.1:{server.port}"


def test_ipv6_addresses_can_be_served_where_the_machine_has_them(serve):
    try:
        server = serve(host="::1")
    except SettingsError:
        with pytest.raises(SettingsError, match="--health-port"):
            serve(host="::1")
        return

    assert server.url == f"http://[::1]:{server.port}"
    assert ask(server, "/healthz", host="::1")[0] == 200


def test_after_its_end_the_port_is_free_again(serve):
    server = serve()
    ask(server, "/healthz")
    server.stop()

    HealthServer(server.port, lambda: WELL).stop()


def test_a_server_that_never_began_can_be_stopped():
    HealthServer(0, lambda: WELL).stop()


@pytest.mark.parametrize("error", [RuntimeError("cannot tell"), OSError("disk gone")])
def test_a_probe_that_raises_is_answered_with_500_and_logged(serve, logs, error):
    logs.set_up()

    def broken():
        raise error

    status, _kind, body = ask(serve(broken), "/readyz")

    assert status == 500
    assert "error" in json.loads(body)
    assert logs.only["message"] == "/readyz could not be answered"
    assert str(error) in logs.only["exception"]


def test_nothing_is_printed_for_questions_and_for_askers_that_go_away(serve, logs, capfd):
    logs.set_up()
    asked, gone, answered = threading.Event(), threading.Event(), threading.Event()

    def metrics():
        asked.set()
        gone.wait(10)
        return b"x" * 10_000_000

    class Watched(HealthServer):
        def __init__(self):
            super().__init__(0, lambda: WELL, metrics=metrics)
            handle, server = self._server.shutdown_request, self._server

            def done(request):
                handle(request)
                answered.set()

            server.shutdown_request = done

    server = Watched()
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as rude:
        rude.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert asked.wait(10)
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.set()
    assert answered.wait(10)
    server.stop()

    assert capfd.readouterr() == ("", "")
    assert logs.text == ""


def test_a_connection_that_stays_silent_is_closed(serve, monkeypatch):
    assert health_module._Handler.timeout
    monkeypatch.setattr(health_module._Handler, "timeout", 0.05)
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
        assert silent.recv(1) == b""


def silent(server, text=b""):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(text)
    return connection


@pytest.mark.parametrize("text", [b"", b"GET /heal", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_clients_that_say_nothing_more_or_read_nothing_keep_no_probe_out(serve, text):
    server = serve(metrics=lambda: b"x" * 10_000_000)
    with ExitStack() as open_ones:
        for _ in range(2 * health_module.MOST_CONNECTIONS):
            open_ones.enter_context(silent(server, text))

        assert ask(server, "/healthz")[0] == 200


def test_the_oldest_of_too_many_connections_makes_room(serve, monkeypatch):
    monkeypatch.setattr(health_module, "MOST_CONNECTIONS", 2)
    server = serve()
    with silent(server) as first, silent(server) as second, silent(server):
        assert first.recv(1) == b""
        second.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert second.recv(15) == b"HTTP/1.1 200 OK"


def test_connections_that_ended_are_not_counted(serve, monkeypatch):
    monkeypatch.setattr(health_module, "MOST_CONNECTIONS", 1)
    server = serve()

    assert [ask(server, "/healthz")[0] for _ in range(5)] == [200] * 5
    wait_until(lambda: not server._server._connections, "their end")


def test_a_connection_that_hangs_makes_room_once_and_keeps_nobody_from_it_later(serve, monkeypatch):
    monkeypatch.setattr(health_module, "MOST_CONNECTIONS", 1)
    go_on = threading.Event()
    server = serve(metrics=lambda: (go_on.wait(30) and b"") or b"")
    with (
        silent(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
        silent(server) as second,
        silent(server),
    ):
        assert second.recv(1) == b""
        go_on.set()
