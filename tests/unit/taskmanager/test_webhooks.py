"""What is sent is signed, goes to the address that was checked, and is over in time."""

import base64
import hashlib
import hmac
import http.server
import ipaddress
import json
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.taskmanager import addresses, webhooks
from prismq_worker_sdk.taskmanager.addresses import networks
from prismq_worker_sdk.taskmanager.webhooks import (
    NotDelivered,
    Webhook,
    checked_url,
    new_secret,
    send,
    signature,
)

HERE = networks(["127.0.0.0/8"])
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@contextmanager
def receiver(status=200, headers=(), body=b"ok"):
    taken = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"])).decode()
            taken.append((self.path, dict(self.headers), data))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        server.taken = taken
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


def test_a_receiver_can_check_who_sent_what_and_when():
    with receiver() as server:
        assert send(Webhook(f"{server.url}/hook?a=1", SECRET), "m1", '{"ü":1}', 1234.9, HERE) == 200

    ((path, headers, body),) = server.taken
    assert (path, body, headers["Content-Type"]) == ("/hook?a=1", '{"ü":1}', "application/json")
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("m1", "1234")
    expected = hmac.new(b"k" * 32, f"m1.1234.{body}".encode(), hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_the_signature_is_that_of_the_specification():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = '{"test": 2432232314}'
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_name_is_looked_up_once_and_told_to_the_receiver(monkeypatch):
    looked = []

    def lookup(host, port, **_more):
        looked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with receiver() as server:
        real = socket.getaddrinfo
        monkeypatch.setattr(
            addresses.socket,
            "getaddrinfo",
            lambda host, port, *rest, **more: (
                lookup(host, port) if host == "hooks.example" else real(host, port, *rest, **more)
            ),
        )
        port = server.server_port
        send(Webhook(f"http://hooks.example:{port}/", SECRET), "m1", "{}", 0.0, HERE)

    assert looked == ["hooks.example"]
    assert server.taken[0][1]["Host"] == f"hooks.example:{port}"


def test_tls_is_asked_for_the_name_and_not_for_the_address(monkeypatch):
    asked = []

    def secured(sock, host, _bundle):
        asked.append(host)
        return sock

    monkeypatch.setattr(webhooks, "secured", secured)
    with receiver() as server:
        url = f"https://localhost:{server.server_port}/"
        send(Webhook(url, SECRET), "m1", "{}", 0.0, networks(["127.0.0.0/8", "::1"]))
    assert asked == ["localhost"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status):
    with receiver() as other, receiver(status, [("Location", f"{other.url}/stolen")]) as server:
        with pytest.raises(NotDelivered, match=f"it answered {status}; redirects are not followed"):
            send(Webhook(server.url, SECRET), "m1", "{}", 0.0, HERE)
        assert other.taken == []


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_answer_that_is_not_2xx_is_told(status):
    with receiver(status) as server, pytest.raises(NotDelivered, match=f"it answered {status}"):
        send(Webhook(server.url, SECRET), "m1", "{}", 0.0, HERE)


def test_a_large_answer_is_not_read_to_its_end():
    with receiver(body=b"x" * 5_000_000) as server:
        assert send(Webhook(server.url, SECRET), "m1", "{}", 0.0, HERE) == 200


def test_an_answer_is_taken_by_its_head_though_its_body_never_ends():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []

        def answer():
            taken, _ = listening.accept()
            held.append(taken)
            taken.recv(65536)
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert send(Webhook(url, SECRET), "m1", "{}", 0.0, HERE) == 200
        thread.join(20)
        held[0].close()


def test_a_name_with_many_addresses_that_do_not_answer_is_given_up_in_time(monkeypatch):
    tried = []

    def connect(address, timeout):
        tried.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(webhooks, "time", SimpleNamespace(monotonic=lambda: sum(tried)))
    monkeypatch.setattr(socket, "create_connection", connect)
    many = [ipaddress.ip_address(f"192.0.1.{n}") for n in range(1, 100)]
    monkeypatch.setattr(webhooks, "public_addresses", lambda *_args: many)
    with pytest.raises(NotDelivered):
        send(Webhook("http://hooks.example/", SECRET), "m1", "{}", 0.0, HERE)

    assert len(tried) == 2


def test_an_answer_that_trickles_is_cut_off(monkeypatch):
    monkeypatch.setattr(webhooks, "SECONDS", 0.3)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle():
            taken, _ = listening.accept()
            with taken:
                taken.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    try:
                        taken.sendall(b"X-More: 1\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(NotDelivered):
            send(Webhook(f"http://127.0.0.1:{listening.getsockname()[1]}/", SECRET), "m1", "{}", 0.0, HERE)
        over.set()
        thread.join(20)


def test_nothing_is_sent_to_this_machine_unless_it_is_allowed():
    with receiver() as server:
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433"):
            with pytest.raises(NotDelivered, match="--webhook-allow"):
                send(Webhook(f"http://{host}:{server.server_port}/", SECRET), "m1", "{}", 0.0, ())
        assert server.taken == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a.example/",
        "https://",
        "https:///x",
        "//a.example",
        "https://a.example:99999/",
        "https://ü.example/",
        "https://me:pw@a.example/",
        "https://a.example/#x",
        "https://a.example/a b",
        "https://a.example/\r\nX: 1",
        "https://[::1",
        "https://10.0.0.1/",
        "https://[fd00::1]/",
        "https://a.example/" + "x" * 2000,
    ],
)
def test_what_is_no_url_of_a_webhook_is_refused(url):
    with pytest.raises(ValueError):
        checked_url(url, ())


def test_a_new_secret_is_one_and_never_the_same():
    one, two = new_secret(), new_secret()
    assert len(webhooks.key_of(one)) == 32
    assert one != two
    assert one not in repr(Webhook("https://a.example/", one))


def test_the_body_may_be_any_json():
    with receiver() as server:
        send(Webhook(server.url, SECRET), "m1", json.dumps({"text": "x" * 100_000}), 0.0, HERE)
    assert len(server.taken[0][2]) > 100_000
