"""The stand-in's HTTP: a threaded server on loopback with keep-alive, a log of requests, and faults."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from prismq_youtube_shorts.sandbox.api import Api
from prismq_youtube_shorts.sandbox.catalogue import Entry, invent
from prismq_youtube_shorts.sandbox.faults import EDITS, RAW, REFUSALS, WIRE, FaultPlan, refusal

__all__ = ["SANDBOX_KEY", "Asked", "Sandbox"]

SANDBOX_KEY = "stand-in-key-that-google-does-not-know"
HOST = "127.0.0.1"
CLOSING_SECONDS = 5.0
POLL_SECONDS = 0.02
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_CALLS = {"/youtube/v3/search": "search", "/youtube/v3/videos": "videos"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that came in.

    Attributes:
        call: `search`, `videos`, or the path for anything else.
        params: The query, each name with all its values.
        headers: Names in lower case.
        fault: The fault it met, "" for none.
    """

    call: str
    params: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    fault: str = ""


class Sandbox:
    """The stand-in of the YouTube Data API; a context manager that serves while it is open.

    Args:
        catalogue: The videos; an invented 400 unless given.
        port: 0 for any free one.
        key: The only key that is taken.
        search_quota: Calls of search.list before the day's quota is used up.
        unit_quota: Units of videos.list before the day's quota is used up.
        on_request: Told of every request.
    """

    def __init__(
        self,
        catalogue: Sequence[Entry] | None = None,
        *,
        port: int = 0,
        key: str = SANDBOX_KEY,
        search_quota: int = 100,
        unit_quota: int = 10_000,
        on_request: Callable[[Asked], None] | None = None,
    ) -> None:
        videos = invent() if catalogue is None else catalogue
        self.key = key
        self.faults = FaultPlan()
        self.requests: list[Asked] = []
        self._listener = on_request
        api = Api(videos, key=key, search_quota=search_quota, unit_quota=unit_quota)
        self._server = _Server((HOST, port), api, self.faults, self._note)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """What YOUTUBE_API_ENDPOINT is set to."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def calls(self, call: str) -> int:
        """How many requests came for `search` or `videos`."""
        return sum(asked.call == call for asked in self.requests)

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return self._server.connections

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, asked: Asked) -> None:
        self.requests.append(asked)
        if self._listener is not None:
            self._listener(asked)


class _Server(ThreadingTCPServer):
    """Not an HTTPServer: that one asks the resolver for its own name at start."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], api: Api, faults: FaultPlan, note: Callable[[Asked], None]
    ) -> None:
        self.api = api
        self.faults = faults
        self.note = note
        self.closing = threading.Event()
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self.connections += 1
            self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._open.discard(request)
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.closing.set()
        self.server_close()
        with self._changed:
            for connection in self._open:
                _hang_up(connection)
            self._changed.wait_for(lambda: not self._open, CLOSING_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "StandInOfYouTube"
    # Headers and body in one segment, sent at once: otherwise each answer costs 40 ms of delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self._answer(address.path, address.query)

    def do_POST(self) -> None:
        """Google's client sends a long GET so."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(urlsplit(self.path).path, body.decode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Nothing on stderr: `Sandbox.requests` is the log."""

    def _answer(self, path: str, query: str) -> None:
        params = parse_qs(query, keep_blank_values=True)
        call = _CALLS.get(path, path)
        fault = self.server.faults.take(call) or ""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.note(Asked(call, params, headers, fault))
        if path not in _CALLS:
            self._send_json(*refusal(404, "notFound", "Not Found"))
        elif fault in RAW:
            self._send(*RAW[fault])
        elif fault in REFUSALS:
            self._send_json(*REFUSALS[fault])
        else:
            self._send_result(call, params, fault)

    def _send_result(self, call: str, params: Mapping[str, Sequence[str]], fault: str) -> None:
        status, body = self.server.api.answer(call, params)
        if fault in EDITS:
            body = EDITS[fault](body)
        if fault in WIRE:
            self.close_connection = True
            self._break(fault, status, body)
        else:
            self._send_json(status, body)

    def _break(self, fault: str, status: int, body: dict[str, Any]) -> None:
        if fault == "stall":
            self.server.closing.wait()
        elif fault == "truncated":
            self._send_json(status, body, cut=True)
        elif fault == "reset":
            # Closing with a linger of zero sends RST; close() alone waits for the files made of the socket.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            socket.close(self.connection.detach())
        else:
            _hang_up(self.connection)

    def _send_json(self, status: int, body: dict[str, Any], *, cut: bool = False) -> None:
        self._send(status, "application/json; charset=UTF-8", json.dumps(body).encode(), cut=cut)

    def _send(self, status: int, content_type: str, content: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if "gzip" in self.headers.get("Accept-Encoding", "") and not cut:
            content = gzip.compress(content, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        if status in {301, 302}:
            self.send_header("Location", "https://elsewhere.invalid/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already
