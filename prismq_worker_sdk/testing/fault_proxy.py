"""A TCP proxy that lets things go wrong between a client and an HTTP server, on loopback."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from random import Random
from typing import Any
from urllib.parse import urlsplit

from prismq_worker_sdk.compat import Self, StrEnum

__all__ = ["Disturbance", "FaultPlan", "FaultProxy"]

MAX_HEAD = 64 * 1024
SECONDS = 60.0
"""How long a silent peer is waited for."""

TRICKLE_PAUSE = 0.05
SIPS = 20
"""In how many parts an answer trickles, at most; smaller than 64 bytes they are not."""

END = b"\r\n\r\n"
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

    def __exit__(self, *_error: object) -> None:
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
        with suppress(OSError, ValueError, HTTPException), client.makefile("rb") as requests:
            while not self._stop.is_set() and (request := _request(requests)) is not None:
                method, path = request[0].decode("latin-1").split(" ", 2)[:2]
                with self._lock:
                    disturbance = self.plan.choose(method, path, request[1])
                    self.counts[disturbance or "passed"] += 1
                if not self._carry(client, method, b"".join(request), disturbance):
                    break
        with self._lock:
            self._open.discard(client)
        client.close()

    def _carry(
        self, client: socket.socket, method: str, request: bytes, disturbance: Disturbance | None
    ) -> bool:
        """One request; whether the connection may be used again."""
        match disturbance:
            case Disturbance.RESET_BEFORE:
                _reset(client)
                return False
            case Disturbance.DELAY:
                self._stop.wait(self.plan.seconds)
            case Disturbance.HTTP_500 | Disturbance.HTTP_503 | Disturbance.HTML | Disturbance.REDIRECT:
                client.sendall(_page(*GATEWAY[disturbance]))
                return True
        with socket.create_connection(self._target, timeout=SECONDS) as server:
            server.sendall(request)
            if disturbance is Disturbance.RESET_AFTER:
                _reset(client)
            answer, stays = _answer(server, method)
        match disturbance:
            case Disturbance.RESET_AFTER | Disturbance.LOST_ANSWER:
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
        return stays


class _Recorder(RawIOBase):
    """What a socket gives, kept as it came; for an HTTPResponse, which tells where an answer ends."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self.seen = bytearray()

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._source.recv_into(buffer)
        self.seen += memoryview(buffer)[:count]
        return count


def _answer(server: socket.socket, method: str) -> tuple[bytes, bool]:
    """One whole answer as it came, and whether another may follow on this connection."""
    recorder = _Recorder(server)
    with HTTPResponse(recorder, method=method) as answer:  # type: ignore[arg-type]  # all that it asks of a socket
        answer.begin()
        answer.read()
        return bytes(recorder.seen), not answer.will_close


def _request(client: BufferedReader) -> tuple[bytes, bytes] | None:
    """The head and the body of one whole request, None when the peer closed before it began."""
    head, length, chunked = b"", 0, False
    while not head.endswith(END):
        line = client.readline(MAX_HEAD)
        if not line:
            return None
        head += line
        if len(head) > MAX_HEAD:
            raise ValueError("the head of the request has no end")
        name, _, value = line.lower().partition(b":")
        length = int(value) if name == b"content-length" else length
        chunked = chunked or (name == b"transfer-encoding" and b"chunked" in value)
    return head, _chunks(client) if chunked else _exactly(client, length)


def _chunks(client: BufferedReader) -> bytes:
    """A body in chunks, as it came."""
    body, size = b"", 1
    while size:
        line = client.readline()
        size = int(line.split(b";")[0], 16)
        body += line + (_exactly(client, size + 2) if size else b"")
    while (line := client.readline()).strip():
        body += line
    return body + line


def _exactly(client: BufferedReader, size: int) -> bytes:
    found = client.read(size)
    if len(found) < size:
        raise OSError("the request was cut")
    return found


def _page(status: bytes, kind: bytes, body: bytes, headers: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
    return head % (status, kind, len(body), headers) + body


def _reset(connection: socket.socket) -> None:
    """Ends a connection the way a crashed peer does."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(connection.detach())  # close() alone waits for the files made of the socket
