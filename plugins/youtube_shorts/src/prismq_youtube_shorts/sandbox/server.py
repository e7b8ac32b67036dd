"""The stand-in itself: a threaded server on loopback with a catalogue, quotas, faults and a log of requests."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from prismq_worker_sdk.compat import UTC, Self
from prismq_youtube_shorts.sandbox.api import FakeApi
from prismq_youtube_shorts.sandbox.fake_catalogue import Entry, fake_catalogue
from prismq_youtube_shorts.sandbox.faults import CALLS, EDITS, ERRORS, RAW, WIRE, FaultPlan

SANDBOX_KEY = "stand-in-key-that-google-does-not-know"
HOST = "127.0.0.1"
POLL_SECONDS = 0.02
CLOSING_SECONDS = 5.0
_JSON = "application/json; charset=UTF-8"
_utc_now = partial(datetime.now, UTC)
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that came in: the name of its call, its path for anything else, its query, and the fault it met."""

    call: str
    params: Mapping[str, Sequence[str]]
    fault: str = ""


class Sandbox:
    """The stand-in of the YouTube Data API; a context manager that serves while it is open.

    Args:
        catalogue: The videos; an invented 400, the newest of this hour, unless given.
        port: 0 for any free one.
        key: The only key that is taken.
        search_quota: Calls of search.list a day, as `unit_quota` and `stats_quota` of the others.
        on_request: Told of every request.
        now: Its clock, with time zone: days of quota and growing views go by it.
        trickle_seconds: The pause after each byte of an answer that meets the fault `trickle`.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each thing to order
        self,
        catalogue: Sequence[Entry] | None = None,
        *,
        port: int = 0,
        key: str = SANDBOX_KEY,
        search_quota: int = 100,
        unit_quota: int = 10_000,
        stats_quota: int = 10_000,
        on_request: Callable[[Request], None] | None = None,
        now: Callable[[], datetime] = _utc_now,
        trickle_seconds: float = 0.05,
    ) -> None:
        self.key = key
        self.faults = FaultPlan()
        self.requests: list[Request] = []
        self.trickle_seconds = trickle_seconds
        quotas = {"search": search_quota, "stats": stats_quota, "default": unit_quota}
        self.api = FakeApi(fake_catalogue(until=now()) if catalogue is None else catalogue, quotas, now)
        self._on_request = on_request
        self._server = _Server(port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """What YOUTUBE_API_ENDPOINT is set to."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._server.connections

    def calls(self, call: str) -> int:
        """How many requests came for a call: `search`, `videos`, `batchGetStats`, `channels`, …."""
        return sum(request.call == call for request in self.requests)

    def note(self, request: Request) -> None:
        """Keeps a request in the log."""
        self.requests.append(request)
        if self._on_request is not None:
            self._on_request(request)

    def start(self) -> Self:
        """Begin to serve, in a thread."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End all connections and the server."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Server(ThreadingTCPServer):
    """Remembers who serves which connection. Not an HTTPServer: that one asks the resolver for its own name."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.closing = threading.Event()
        self.connections = 0
        self._serving: dict[threading.Thread, socket.socket] = {}
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self.connections += 1
        self._serving = {one: its for one, its in self._serving.items() if one.is_alive()} | {thread: request}
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """End all connections, and wait until their threads are done with them."""
        self.closing.set()
        self.server_close()
        for thread, connection in self._serving.items():
            _hang_up(connection)
            thread.join(CLOSING_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment, sent at once: otherwise each answer costs 40 ms of delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        sandbox, request = self.server.sandbox, self._request()
        sandbox.note(request)
        key, fault = next(iter(request.params.get("key", ())), ""), request.fault
        refused = "" if request.call in CALLS.values() else "not_found"
        refused = refused or ("" if key == sandbox.key else "key_bad" if key else "key_missing")
        refused = refused or sandbox.api.charge(request.call)
        if fault in RAW:
            self._send(*RAW[fault])
        elif fault in ERRORS or refused:
            self._answer(fault, *ERRORS[fault if fault in ERRORS else refused])
        else:
            status, body = sandbox.api.answer(request.call, request.params)
            self._answer(fault, status, EDITS.get(fault, dict)(body))

    do_POST = do_GET  # noqa: N815 - Google's client sends a long GET so; any other would change something

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Nothing on stderr: `Sandbox.requests` is the log."""

    def _request(self) -> Request:
        address = urlsplit(self.path)
        form = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode("utf-8", "replace")
        path = unquote(address.path)
        means = self.headers.get("X-HTTP-Method-Override", self.command)
        call = CALLS.get(path, path) if means == "GET" else path
        query = "&".join(filter(None, (address.query, form)))
        return Request(call, parse_qs(query, keep_blank_values=True), self.server.sandbox.faults.take(call))

    def _answer(self, fault: str, status: int, body: Mapping[str, Any]) -> None:
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
            self._send(status, _JSON, json.dumps(body).encode(), fault)

    def _send(self, status: int, content_type: str, content: bytes, fault: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if status == HTTPStatus.FOUND:
            self.send_header("Location", "https://elsewhere.invalid/")
        self.end_headers()
        if fault != "trickle":
            self.wfile.write(content[: len(content) // 2] if fault == "truncated" else content)
            return
        for at in range(len(content)):
            self.wfile.write(content[at : at + 1])
            self.wfile.flush()
            if self.server.closing.wait(self.server.sandbox.trickle_seconds):
                return


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_RDWR)
