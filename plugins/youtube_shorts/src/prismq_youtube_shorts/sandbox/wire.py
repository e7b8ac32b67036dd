"""The stand-in's HTTP: a threaded server on loopback with keep-alive, and what faults do to its answers."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from prismq_youtube_shorts.sandbox.api import Api
from prismq_youtube_shorts.sandbox.asked import Asked
from prismq_youtube_shorts.sandbox.calls import CALLS
from prismq_youtube_shorts.sandbox.faults import EDITS, RAW, REFUSALS, WIRE, FaultPlan
from prismq_youtube_shorts.sandbox.refusals import Answer, refusal

__all__ = ["Server"]

CLOSING_SECONDS = 5.0
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_JSON = "application/json; charset=UTF-8"


class Server(ThreadingTCPServer):
    """Listens, and remembers the connections that are open.

    Not an HTTPServer: that one asks the resolver for its own name at start.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        api: Api,
        faults: FaultPlan,
        note: Callable[[Asked], None],
        *,
        trickle_seconds: float,
    ) -> None:
        self.api = api
        self.faults = faults
        self.note = note
        self.trickle_seconds = trickle_seconds
        self.closing = threading.Event()
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in a thread of its own."""
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
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """End all connections, and wait until their threads are done with them."""
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
    server: Server

    def do_GET(self) -> None:
        self._serve(CALLS)

    def do_POST(self) -> None:
        """Google's client sends a long GET so; any other POST would change something."""
        overridden = self.headers.get("X-HTTP-Method-Override", "").upper() == "GET"
        self._serve(CALLS if overridden else {})

    def do_PUT(self) -> None:
        self._serve({})

    def do_PATCH(self) -> None:
        self._serve({})

    def do_DELETE(self) -> None:
        self._serve({})

    def do_HEAD(self) -> None:
        self._serve({})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Nothing on stderr: `Sandbox.requests` is the log."""

    def _serve(self, calls: dict[str, str]) -> None:
        asked = self._read(calls)
        self.server.note(asked)
        if asked.call not in calls.values():
            self._send_json(refusal(HTTPStatus.NOT_FOUND, "notFound", "Not Found"))
            return
        key = asked.params.get("key", [""])[0] or asked.headers.get("x-goog-api-key", "")
        refused = self.server.api.admit(asked.call, key)
        if asked.fault in RAW:
            self._send(*RAW[asked.fault])
        elif asked.fault in REFUSALS:
            self._send_json(REFUSALS[asked.fault])
        else:
            self._reply(asked, refused)

    def _read(self, calls: dict[str, str]) -> Asked:
        address = urlsplit(self.path)
        form = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        query = "&".join(filter(None, (address.query, form.decode("utf-8", "replace"))))
        path = unquote(address.path)
        call = calls.get(path, path)
        return Asked(
            call=call,
            params=parse_qs(query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            fault=self.server.faults.take(call) or "",
            method=self.command,
            path=path,
        )

    def _reply(self, asked: Asked, refused: Answer | None) -> None:
        """The answer of the API, as far as the fault lets it through."""
        answer, etag = (refused, "") if refused else self.server.api.answer(asked.call, asked.params)
        if asked.fault in WIRE:
            self.close_connection = True
            self._break(asked.fault, answer)
        elif etag and etag in _tags(asked.headers.get("if-none-match", "")):
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", f'"{etag}"')
            self.end_headers()
        else:
            status, body = answer
            edited = EDITS[asked.fault](body) if asked.fault in EDITS and etag else body
            # Under the tag of the true answer a client would keep the damaged one for good.
            self._send_json((status, edited), etag=etag if edited == body else "", way=asked.fault)

    def _break(self, fault: str, answer: Answer) -> None:
        if fault == "stall":
            self.server.closing.wait()
        elif fault == "truncated":
            self._send_json(answer, way=fault)
        elif fault == "reset":
            # Closing with a linger of zero sends RST; close() alone waits for the files made of the socket.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            socket.close(self.connection.detach())
        else:
            _hang_up(self.connection)

    def _send_json(self, answer: Answer, *, etag: str = "", way: str = "") -> None:
        status, body = answer
        self._send(status, _JSON, json.dumps(body).encode(), etag=etag, way=way)

    def _send(self, status: int, content_type: str, content: bytes, *, etag: str = "", way: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if "gzip" in self.headers.get("Accept-Encoding", "") and way != "truncated":
            content = gzip.compress(content, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        if status in {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND}:
            self.send_header("Location", "https://elsewhere.invalid/")
        if etag:
            self.send_header("ETag", f'"{etag}"')
            self.send_header("Cache-Control", "private")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self._write(content, way)

    def _write(self, content: bytes, way: str) -> None:
        if way == "trickle":
            self._trickle(content)
        else:
            self.wfile.write(content[: len(content) // 2] if way == "truncated" else content)

    def _trickle(self, content: bytes) -> None:
        self.wfile.flush()
        for at in range(len(content)):
            self.wfile.write(content[at : at + 1])
            self.wfile.flush()
            if self.server.closing.wait(self.server.trickle_seconds):
                return


def _tags(header: str) -> set[str]:
    """The tags of an If-None-Match, weak or strong, with or without their quotes."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already
