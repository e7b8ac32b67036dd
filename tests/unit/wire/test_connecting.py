import builtins
import errno
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import urllib3

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.wire import connecting
from prismq_worker_sdk.wire import transport as transport_module
from prismq_worker_sdk.wire.connecting import in_time
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.producer import TaskManagerClient
from prismq_worker_sdk.wire.transport import Timeouts, Transport
from tests.support.raw_server import answer, raw_server, says
from tests.support.socks_server import socks_server

HEALTH = HttpRequest("health", "GET", ("health",))
SOON = Timeouts(default=0.2, calls={})
NAME = "tasks.test"


def no_key():
    return None


@contextmanager
def name_server(monkeypatch, address="127.0.0.1"):
    """A name server that does not answer before it is told to; gives how to tell it, and what it was asked."""
    answers, asked, real = threading.Event(), [], socket.getaddrinfo

    def looks(host, port, *more):
        if host != NAME:
            return real(host, port, *more)
        asked.append(host)
        answers.wait(10)
        return real(address, port, *more)

    monkeypatch.setattr(connecting.socket, "getaddrinfo", looks)
    try:
        yield answers, asked
    finally:
        answers.set()


def test_r31_a_name_server_that_hangs_costs_no_more_than_the_time_of_the_call(monkeypatch):
    with name_server(monkeypatch):
        found = Transport(f"http://{NAME}/api", key=no_key, timeouts=SOON).send(HEALTH)

    reason = "the name of the host was not resolved in time; the name servers do not answer"
    assert found == Unreachable(reason, maybe_seen=False)


def test_a_slow_name_server_is_asked_once_and_its_answer_serves_the_next_call(monkeypatch):
    with raw_server(says(answer())) as server, name_server(monkeypatch) as (answers, asked):
        transport = Transport(f"http://{NAME}:{server.port}/api", key=no_key, timeouts=SOON)
        late = [transport.send(HEALTH), transport.send(HEALTH)]
        threading.Timer(0.05, answers.set).start()
        found = transport.send(HEALTH)
        transport.close()

    assert all(isinstance(one, Unreachable) for one in late)
    assert (found.status, asked) == (200, [NAME])


def test_every_address_of_a_name_is_tried(monkeypatch):
    with raw_server(says(answer())) as server:
        addresses = [("127.0.0.2", 1), ("127.0.0.1", server.port)]
        rows = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(connecting.socket, "getaddrinfo", lambda *_: rows)
        transport = Transport(f"http://{NAME}/api", key=no_key)
        found = transport.send(HEALTH)
        transport.close()

    assert found.status == 200


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENETUNREACH, "no connection: Network is unreachable"),
        (errno.EHOSTUNREACH, "no connection: No route to host"),
        (errno.EACCES, "no connection: Permission denied"),
        (errno.ETIMEDOUT, "the answer did not come in time"),
        (errno.EMFILE, "no file descriptor is left"),
    ],
)
def test_why_there_is_no_connection_is_told(monkeypatch, number, told):
    def fails(*_):
        raise OSError(number, {errno.EMFILE: "Too many open files"}.get(number) or told.partition(": ")[2])

    monkeypatch.setattr(connecting.socket, "socket", fails)
    found = Transport("http://127.0.0.1:9/api", key=no_key).send(HEALTH)

    assert isinstance(found, Unreachable)
    assert found.reason.startswith(told)
    assert not found.maybe_seen


@pytest.mark.parametrize("way", ["socket", "requests"])
def test_a_call_goes_out_although_a_handler_has_taken_every_descriptor(monkeypatch, way):
    real, given_up = socket.socket, []

    class Reserve:
        def lend(self):
            given_up.append(1)
            return True

        def refill(self):
            pass

    def opens(*how, **more):
        if not given_up:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(*how, **more)

    with raw_server(says(answer())) as server:
        monkeypatch.setattr(connecting, "RESERVE", Reserve())
        if way == "requests":
            monkeypatch.setattr(transport_module, "is_plain", lambda _base: False)
        opening = urllib3.util.connection if way == "requests" else connecting
        monkeypatch.setattr(opening, "socket", SimpleNamespace(**vars(socket) | {"socket": opens}))
        transport = Transport(server.url, key=no_key)
        found = transport.send(HEALTH)
        transport.close()

    assert (found.status, given_up) == (200, [1])


@pytest.mark.parametrize(("scheme", "asked"), [("socks5h", b"tasks.test"), ("socks5", b"\x7f\x00\x00\x01")])
def test_a_socks_proxy_of_the_environment_is_gone_through(monkeypatch, scheme, asked):
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more: real("127.0.0.1" if host == NAME else host, *more)
    )
    with raw_server(says(answer(), answer())) as server, socks_server(server.port) as (proxy, names):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy}")
        transport = Transport(f"http://{NAME}/api", key=no_key)
        found = [transport.send(HEALTH).status, transport.send(HEALTH).status]
        transport.close()

    assert (found, names) == ([200, 200], [asked])


def test_r31_a_socks_proxy_that_says_nothing_is_bounded(monkeypatch):
    with socks_server(9, trickles=True) as (proxy, _names):
        monkeypatch.setenv("ALL_PROXY", f"socks5h://{proxy}")
        found = Transport(f"http://{NAME}/api", key=no_key, timeouts=SOON).send(HEALTH)

    assert isinstance(found, Unreachable)
    assert found.reason.startswith("the answer did not come in time, by way of the proxy of the environment")
    assert not found.maybe_seen


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_a_proxy_that_is_not_there_is_told_as_such(monkeypatch, scheme):
    real = socket.getaddrinfo
    with raw_server(says(answer())) as gone:
        port = gone.port
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more: real("127.0.0.1" if host == NAME else host, *more)
    )
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://somebody:secret@127.0.0.1:{port}")
    found = Transport(f"http://{NAME}/api", key=no_key).send(HEALTH)

    assert "refused, by way of the proxy of the environment" in found.reason
    assert "secret" not in found.reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ModuleNotFoundError("No module named 'socks'", name="socks"),
            "pip install 'prismq-worker-sdk[socks]'",
        ),
        (ImportError("libcrypto is broken"), "cannot be imported (ImportError: libcrypto is broken)"),
    ],
)
def test_a_socks_proxy_without_its_library_says_what_to_install(monkeypatch, error, told):
    def fails(name, *_more):
        assert name == "socks"
        raise error

    monkeypatch.setenv("ALL_PROXY", "socks5://somebody:secret@127.0.0.1:9")
    monkeypatch.setattr("prismq_worker_sdk.wire.requests_connection.import_module", fails)
    with pytest.raises(SettingsError) as caught:
        TaskManagerClient(f"http://{NAME}/api")

    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_came_too_late_is_thrown_away():
    go_on, thrown = threading.Event(), threading.Event()

    with pytest.raises(builtins.TimeoutError):
        in_time(lambda: go_on.wait(10), 0.01, late=lambda _: thrown.set())
    go_on.set()

    assert thrown.wait(10)


def test_an_address_of_a_kind_that_the_system_cannot_talk_to_leaves_the_next_one(monkeypatch):
    class Sockets(socket.socket):
        def __init__(self, family=-1, *more, **named):
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *more, **named)

    with raw_server(says(answer())) as server:
        both = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
        ]
        monkeypatch.setattr(connecting.socket, "getaddrinfo", lambda *_: both)
        monkeypatch.setattr(connecting.socket, "socket", Sockets)
        found = Transport(f"http://{NAME}:{server.port}/api", key=no_key).send(HEALTH)

    assert found.status == 200
