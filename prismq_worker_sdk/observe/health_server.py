"""Health over HTTP: /healthz for "restart me", /readyz for "I can work", /status for people, /metrics."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.system import RESERVE, is_exhaustion

_LOG = logging.getLogger("prismq.health")

MOST_CONNECTIONS = 64
"""At the same time; clients that are slow, or gone without a word, keep no probe out and use nothing up."""

DOOR_PAUSE = 0.5
"""Seconds before a connection is tried again for which no descriptor is left."""


class HealthServer:
    """Serves the health on a thread of its own.

    Args:
        port: 0 for any free one.
        probe: The health now.
        status: What the worker does now, as plain values; None for no /status.
        metrics: The metrics text now, None for no /metrics.

    Raises:
        SettingsError: The address is taken.
    """

    def __init__(
        self,
        port: int,
        probe: Callable[[], Health],
        *,
        status: Callable[[], Any] | None = None,
        metrics: Callable[[], bytes] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        handler = type(
            "Handler", (_Handler,), {"probe": (probe,), "status": (status,), "metrics": (metrics,)}
        )
        try:
            self._server = (_ServerV6 if ":" in host else _Server)((host, port), handler)
        except OSError as error:
            raise SettingsError(
                f"--health-port {port} cannot be used ({error.strerror}); choose another"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="prismq-health",
            daemon=True,
        )

    @property
    def url(self) -> str:
        """Where it is served."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *given: Any) -> None:
        self._lock = threading.Lock()
        self._connections: dict[Any, None] = {}
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers on a thread of its own; where too many are open, the oldest connection makes room."""
        with self._lock:
            self._connections[request] = None
            oldest = next(iter(self._connections)) if len(self._connections) > MOST_CONNECTIONS else None
            self._connections.pop(oldest, None)
        if oldest is not None:
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection is over."""
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        """As it is above, but without asking the resolver for the name of this host."""
        TCPServer.server_bind(self)

    def service_actions(self) -> None:
        """Between two requests: what a request took of the reserve comes back."""
        RESERVE.refill()

    def get_request(self) -> Any:
        """The next connection; where no descriptor is left, one that was kept back makes room for it."""
        try:
            return super().get_request()
        except OSError as error:
            if not is_exhaustion(error):
                raise
            if not RESERVE.lend(1):
                time.sleep(DOOR_PAUSE)  # it stays at the door, which would be looked at again at once
                raise
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class names them
        """A probe that went away is nobody's concern; anything else is logged, not printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            _LOG.exception("a health request could not be answered")


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    probe: tuple[Callable[[], Health]]
    status: tuple[Callable[[], Any] | None]
    metrics: tuple[Callable[[], bytes] | None]
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    timeout = 30.0
    """Seconds after which a silent connection is closed."""

    def do_GET(self) -> None:
        self.wfile.write(self._head())

    def do_HEAD(self) -> None:
        self._head()

    def _head(self) -> bytes:
        """Sends the head of the answer; its body."""
        try:
            status, kind, body = self._found(self.path.split("?")[0])
        except Exception:  # noqa: BLE001 - whatever the probe meets, the asker gets an answer
            _LOG.exception("%s could not be answered", self.path)
            status, kind, body = _json(500, {"error": "the worker cannot tell; its log says why"})
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def _found(self, path: str) -> tuple[int, str, bytes]:
        (probe,), (status,), (metrics,) = self.probe, self.status, self.metrics
        if path == "/metrics" and metrics is not None:
            return 200, "text/plain; version=0.0.4; charset=utf-8", metrics()
        if path == "/status" and status is not None:
            return _json(200, status())
        if path not in {"/healthz", "/readyz"}:
            there = "there are /healthz, /readyz, /status and, with the metrics extra, /metrics"
            return _json(404, {"error": there})
        health = probe()
        good = health.live if path == "/healthz" else health.live and health.ready
        said = {
            "live": health.live,
            "ready": health.ready,
            "reasons": health.reasons,
            "parked": health.parked,
        }
        return _json(200 if good else 503, said)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Probes come every few seconds: they are not logged."""


def _json(status: int, body: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()
