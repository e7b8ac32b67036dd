"""The stand-in itself: a threaded server on loopback, with faults and a log of requests."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import chain, repeat
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from prismq_worker_sdk.compat import UTC, Self
from prismq_youtube_shorts.sandbox.api import ANSWERS, CALLS, FakeApi
from prismq_youtube_shorts.sandbox.catalogue import Entry, fake_catalogue

SANDBOX_KEY = "stand-in-key-that-google-does-not-know"
HOST = "127.0.0.1"
POLL_SECONDS = 0.02
_utc_now = partial(datetime.now, UTC)
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


WIRE = ("hang_up", "reset", "stall", "truncated")
"""What ends the connection: closed without an answer, RST, silence, half a body."""
FAULTS: tuple[str, ...] = tuple(sorted((*ANSWERS, *WIRE)))


class FaultPlan:
    """Faults in waiting, oldest first; safe to share between threads."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Iterator[str]]] = []
        self._lock = threading.Lock()

    def add(self, name: str, call: str = "", times: int | None = 1, *, after: int = 0) -> None:
        """Let this fault befall a call, "" for any, so many times, None for always, after some that pass.

        Raises:
            ValueError: There is no such fault or call.
        """
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
        if call not in {"", *CALLS.values()}:
            raise ValueError(f"a fault befalls one of {', '.join(CALLS.values())}, not {call!r}")
        names = repeat(name) if times is None else repeat(name, times)
        with self._lock:
            self._waiting.append((call, chain(repeat("", after), names)))

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self._waiting.clear()

    def take(self, call: str) -> str:
        """The fault that this call meets, "" for none."""
        with self._lock:
            due = (next(names, "") for of, names in self._waiting if of in {"", call})
            return next(filter(None, due), "")


@dataclass(frozen=True, slots=True)
class Request:
    """One request that came in: the name of its call, its path for anything else, its query, and the fault it met."""

    call: str
    params: Mapping[str, Sequence[str]]
    fault: str = ""


class Sandbox(ThreadingTCPServer):  # not an HTTPServer: that one asks the resolver for its own name
    """The stand-in of the YouTube Data API; a context manager that serves while it is open.

    Args:
        catalogue: The videos; an invented 400, the newest of this hour, unless given.
        port: 0 for any free one.
        key: The only key that is taken.
        search_quota: Calls of search.list a day, as `unit_quota` and `stats_quota` of the others.
        on_request: Told of every request.
        now: Its clock, with time zone: days of quota and growing views go by it.

    Attributes:
        url: What YOUTUBE_API_ENDPOINT is set to.
        connections: How many were opened so far.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(  # noqa: PLR0913 - one keyword for each thing to order
        self,
        catalogue: Sequence[Entry] | None = None,
        *,
        port: int = 0,
        key: str = SANDBOX_KEY,
        search_quota: int = 100,
        unit_quota: int = 10_000,
        stats_quota: int = 10_000,
        on_request: Callable[[Request], None] = lambda _request: None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        super().__init__((HOST, port), _Handler)
        self.url = f"http://{HOST}:{self.server_address[1]}/"
        self.key = key
        self.faults = FaultPlan()
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        quotas = {"search": search_quota, "stats": stats_quota, "default": unit_quota}
        entries = fake_catalogue(until=now()) if catalogue is None else catalogue
        self.api = FakeApi(entries, key, quotas, now)
        self.on_request = on_request
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True)

    def calls(self, call: str) -> int:
        """How many requests came for a call: `search`, `videos`, `batchGetStats`, `channels`, …."""
        return sum(request.call == call for request in self.requests)

    def start(self) -> Self:
        """Begin to serve, in a thread."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End the server and all connections."""
        if self._thread.is_alive():
            self.shutdown()
        self.closing.set()
        self.server_close()
        for connection in tuple(self._open):
            _hang_up(connection)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in a thread of its own."""
        self.connections += 1
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment, sent at once: otherwise each answer costs 40 ms of delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Sandbox

    def do_GET(self) -> None:
        request = self._request()
        self.server.requests.append(request)
        self.server.on_request(request)
        answer = self.server.api.answer(request.call, request.params)
        self._send(*ANSWERS.get(request.fault, answer), request.fault)

    do_POST = do_GET  # noqa: N815 - Google's client sends a long GET so; any other would change something

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Nothing on stderr: `Sandbox.requests` is the log."""

    def _request(self) -> Request:
        address = urlsplit(self.path)
        form = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode("utf-8", "replace")
        path, query = unquote(address.path), "&".join(filter(None, (address.query, form)))
        is_read = self.headers.get("X-HTTP-Method-Override", self.command) == "GET"
        call = CALLS.get(path, path) if is_read else path
        return Request(call, parse_qs(query, keep_blank_values=True), self.server.faults.take(call))

    def _send(self, status: int, body: Mapping[str, Any] | str, fault: str) -> None:
        """The answer, as far as the fault lets it through."""
        self.close_connection = self.close_connection or fault in WIRE
        if fault == "stall":
            self.server.closing.wait()
        elif fault == "hang_up":
            _hang_up(self.connection)
        elif fault == "reset":
            # Closing with a linger of zero sends RST; close() alone waits for the files made of the socket.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            socket.close(self.connection.detach())
        else:
            kind, content = "application/json; charset=UTF-8", json.dumps(body).encode()
            if isinstance(body, str):
                kind, content = "text/html", body.encode("latin-1")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if status == HTTPStatus.FOUND:
                self.send_header("Location", "https://elsewhere.invalid/")
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault == "truncated" else content)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)
