"""A TCP proxy that lets things go wrong between a client and an HTTP server, on loopback."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from urllib.parse import urlsplit

from prismq_worker_sdk.compat import Self, StrEnum

__all__ = ["Disturbance", "FaultPlan", "FaultProxy"]

MAX_HEAD = 64 * 1024
SECONDS = 60.0
"""How long a silent peer is waited for."""

TRICKLE_PAUSE = 0.05
SIPS = 20
"""In how many parts an answer trickles, at most; smaller than 64 bytes they are not."""

BODILESS = {b"204", b"304"}
"""Statuses of answers that have no body."""

HTML = b"<html><body><h1>Bad gateway</h1></body></html>"


class Disturbance(StrEnum):
    """What can go wrong with one request."""

    RESET_BEFORE = "reset_before"
    """The connection is reset; the server never sees the request."""
    RESET_AFTER = "reset_after"
    """The server gets the request; the connection is reset without an answer."""
    LOST_ANSWER = "lost_answer"
    """The server answers; the connection is closed and the answer is lost."""
    CUT_BODY = "cut_body"
    """Half of the answer arrives, then the connection is reset."""
    TRICKLE = "trickle"
    """The answer comes a few bytes at a time."""
    DELAY = "delay"
    """The request reaches the server late."""
    HTTP_500 = "http_500"
    HTTP_503 = "http_503"
    """503 with `Retry-After: 0`; the server never sees the request, as with 500, HTML and redirect."""
    HTML = "html"
    """502 with a page for people."""
    REDIRECT = "redirect"
    """301 to another address."""


GATEWAY = {
    Disturbance.HTTP_500: (
        b"500 Internal Server Error",
        b"application/json",
        b'{"detail": "disturbed"}',
        b"",
    ),
    Disturbance.HTTP_503: (b"503 Service Unavailable", b"application/json", b"{}", b"Retry-After: 0\r\n"),
    Disturbance.HTML: (b"502 Bad Gateway", b"text/html", HTML, b""),
    Disturbance.REDIRECT: (b"301 Moved Permanently", b"text/html", b"", b"Location: http://127.0.0.1:9/\r\n"),
}


@dataclass(slots=True)
class FaultPlan:
    """Which requests are disturbed, and how; the same seed disturbs in the same way.

    Attributes:
        share: The part of the requests that is disturbed, 0 to 1.
        kinds: What happens to them, each as likely as the others.
        where: Which requests may be disturbed at all, by method, path and body.
        seconds: How long a delay is.
    """

    share: float = 0.0
    kinds: tuple[Disturbance, ...] = tuple(Disturbance)
    where: Callable[[str, str, bytes], bool] = lambda _method, _path, _body: True
    seconds: float = 0.5
    seed: int = 0
    _dice: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)  # noqa: S311 - repeatable on purpose

    def choose(self, method: str, path: str, body: bytes = b"") -> Disturbance | None:
        """What happens to this request, None for nothing."""
        if not self.where(method, path, body) or self._dice.random() >= self.share:
            return None
        return self._dice.choice(self.kinds)


class FaultProxy:
    """Stands in front of a server: `with FaultProxy(server.url, FaultPlan(0.25)) as proxy: proxy.url`.

    Attributes:
        url: The address of the server, through the proxy.
        plan: What goes wrong; may be changed at any time.
        counts: How often each disturbance happened, and under "passed" how many requests went through.
    """

    def __init__(self, url: str, plan: FaultPlan | None = None) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.plan = plan or FaultPlan()
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(None)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}{parts.path}"
        self._thread = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        with self._lock:
            left = tuple(self._open)
        for connection in left:
            _reset(connection)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), name="fault-proxy-line", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Carries the requests of one connection, one after the other, until it ends or is disturbed."""
        client.settimeout(SECONDS)
        with suppress(OSError, ValueError), _Upstream(self._target) as server:
            while not self._stop.is_set():
                request = _message(client)
                if request is None:
                    break
                method, path = request.split(b" ", 2)[:2]
                body = request.partition(b"\r\n\r\n")[2]
                with self._lock:
                    disturbance = self.plan.choose(method.decode("latin-1"), path.decode("latin-1"), body)
                    self.counts[disturbance or "passed"] += 1
                if not self._carry(client, server, request, disturbance):
                    break
        with self._lock:
            self._open.discard(client)
        client.close()

    def _carry(
        self, client: socket.socket, server: _Upstream, request: bytes, disturbance: Disturbance | None
    ) -> bool:
        """One request; whether the connection may be used again."""
        match disturbance:
            case Disturbance.RESET_BEFORE:
                _reset(client)
                return False
            case Disturbance.RESET_AFTER:
                server.send(request)
                _reset(client)
                server.answer()
                return False
            case Disturbance.DELAY:
                self._stop.wait(self.plan.seconds)
            case Disturbance.HTTP_500 | Disturbance.HTTP_503 | Disturbance.HTML | Disturbance.REDIRECT:
                client.sendall(_page(*GATEWAY[disturbance]))
                return True
            case _:
                pass
        server.send(request)
        answer = server.answer()
        match disturbance:
            case Disturbance.LOST_ANSWER:
                return False
            case Disturbance.CUT_BODY:
                client.sendall(answer[: max(1, len(answer) - 1 - len(answer) // 8)])
                _reset(client)
                return False
            case Disturbance.TRICKLE:
                sip = max(64, len(answer) // SIPS)
                for start in range(0, len(answer), sip):
                    client.sendall(answer[start : start + sip])
                    self._stop.wait(TRICKLE_PAUSE)
            case _:
                client.sendall(answer)
        head = answer.partition(b"\r\n\r\n")[0]
        return _content_length(head) is not None or _in_chunks(head)


class _Upstream:
    """The proxy's own connection to the server, opened at the first request and again when it was closed."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, request: bytes) -> None:
        self._close()
        self._socket = socket.create_connection(self._target, timeout=SECONDS)
        self._socket.sendall(request)

    def answer(self) -> bytes:
        found = None if self._socket is None else _message(self._socket, to_the_end=True)
        if found is None:
            raise OSError("the server gave no answer")
        return found

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _message(source: socket.socket, *, to_the_end: bool = False) -> bytes | None:
    """One whole HTTP message, None when the peer closed before it began.

    Args:
        to_the_end: Whether a message that does not tell its length lasts until the peer closes.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        part = source.recv(65536)
        if not part:
            return None
        data += part
        if len(data) > MAX_HEAD and b"\r\n\r\n" not in data:
            raise ValueError("the head of the message has no end")
    head, body = data.split(b"\r\n\r\n", 1)
    if _in_chunks(head):
        return head + b"\r\n\r\n" + _chunks(source, body)
    length = _content_length(head)
    parts = [body]
    if length is None and to_the_end:
        while part := source.recv(65536):
            parts.append(part)
    missing = (length or 0) - len(body)
    while missing > 0:
        part = source.recv(min(missing, 1024 * 1024))
        if not part:
            raise OSError("the message was cut")
        parts.append(part)
        missing -= len(part)
    return head + b"\r\n\r\n" + b"".join(parts)


def _content_length(head: bytes) -> int | None:
    """How long the body is, None when the head does not tell."""
    if head.partition(b" ")[2][:3] in BODILESS:
        return 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return None


def _in_chunks(head: bytes) -> bool:
    """Whether the body comes in chunks."""
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
    return any(name.strip() == b"transfer-encoding" and b"chunked" in value for name, _, value in fields)


def _chunks(source: socket.socket, data: bytes) -> bytes:
    """A body in chunks to its end, as it came.

    Args:
        data: What of it was read already.
    """
    at, size = 0, 1
    while True:
        while (end := data.find(b"\r\n", at)) < 0:
            data += _more(source)
        if not size and end == at:
            return data[: end + 2]
        size = int(data[at:end].split(b";")[0], 16) if size else 0
        at = end + 2 + (size + 2 if size else 0)
        while len(data) < at:
            data += _more(source)


def _more(source: socket.socket) -> bytes:
    part = source.recv(1024 * 1024)
    if not part:
        raise OSError("the message was cut")
    return part


def _page(status: bytes, kind: bytes, body: bytes, headers: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
    return head % (status, kind, len(body), headers) + body


def _reset(connection: socket.socket) -> None:
    """Ends a connection the way a crashed peer does."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
