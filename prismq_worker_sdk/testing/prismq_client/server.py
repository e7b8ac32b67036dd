"""The server: HTTP as `php -S` speaks it, or Apache before it, in a thread of this process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.system import signals
from prismq_worker_sdk.testing.prismq_client.application import PREFIX, Application
from prismq_worker_sdk.testing.prismq_client.call import Answer, Request
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.store import Store

_LOG = logging.getLogger("prismq.taskmanager")
POLL_SECONDS = 0.02
PEER_SECONDS = 60.0
"""How long a silent peer is waited for."""

INTERNAL_ERROR = 500
HEADERS = (
    ("X-Powered-By", "PHP/8.2.36"),
    ("Cache-Control", "no-store, no-cache, must-revalidate, max-age=0"),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, X-API-Key"),
)


class PrismqClientServer(Application):
    """The server in production as it was measured: `with PrismqClientServer() as server: server.url`.

    Args:
        deployment: How it is set up; a fresh one in memory unless given.
        port: 0 for any free one.
        now: The wall clock, in seconds since 1970.

    Attributes:
        url: Its address, with the prefix of the API.

    Raises:
        SettingsError: The address is taken, or the database cannot be opened.
    """

    def __init__(
        self,
        deployment: PrismqClientDeployment | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        chosen = deployment or PrismqClientDeployment()
        super().__init__(chosen, Store(chosen.database), now)
        try:
            self._http = _Http((host, port), self)
        except OSError as error:
            self._store.close()
            text = f"{host}:{port} cannot be used ({error.strerror}); choose another --port"
            raise SettingsError(text) from None
        self.port: int = self._http.server_address[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}{PREFIX}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(POLL_SECONDS,), name="prismq-client", daemon=True
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; what was answered is in the database."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._store.close()


def serve_prismq_client(deployment: PrismqClientDeployment, *, host: str, port: int) -> None:
    """Serves in the foreground, until SIGTERM or Ctrl-C.

    Raises:
        SettingsError: The address is taken, or the database cannot be opened.
    """
    with signals() as inbox, PrismqClientServer(deployment, host=host, port=port) as server:
        _LOG.info("TaskManager at %s, database %s", server.url, deployment.database)
        while (name := inbox.next()) == "SIGUSR1":
            _LOG.info("SIGUSR1 has no meaning here")
        _LOG.info("%s: the TaskManager ends", name)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], prismq_client: PrismqClientServer) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.prismq_client = prismq_client
        super().__init__(address, _Line)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for the name of the host
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as it is above
        _LOG.debug("a request from %s was not answered", client_address, exc_info=True)


class _Line(BaseHTTPRequestHandler):
    """One connection, which carries one request; behind Apache as many as come."""

    server: _Http
    protocol_version = "HTTP/1.1"
    timeout = PEER_SECONDS
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            self.command,
            path.encode("latin-1").decode("utf-8", "replace"),
            query,
            headers,
            self._body(),
            str(self.client_address[0]),
        )
        self._send(self.server.prismq_client.answer(request))

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self._exactly(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self._exactly(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        found = self.rfile.read(size)
        if len(found) < size:
            raise ConnectionAbortedError("the request was cut")
        return found

    def _send(self, answer: Answer) -> None:
        server, body = self.server.prismq_client, answer.body.encode("utf-8")
        apache = server.deployment.apache
        self.close_connection = not apache or answer.status == INTERNAL_ERROR
        named = [("Connection", "close")] if self.close_connection else []
        if apache and self.command != "HEAD":
            named.append(("Transfer-Encoding", "chunked"))
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in _halves(body)) + b"0\r\n\r\n"
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string(server.now()))
        for name, value in (*named, *HEADERS, ("Content-Type", answer.content_type), *answer.headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has above
        _LOG.debug(format, *args)


def _halves(body: bytes) -> list[bytes]:
    """The two parts in which a body is sent in chunks; none of them is empty."""
    middle = (len(body) + 1) // 2
    return [part for part in (body[:middle], body[middle:]) if part]
