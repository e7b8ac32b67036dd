"""Connections whose every read and write is bounded by one deadline for the whole call (R31).

A socket's own timeout begins anew with each byte; a server that trickles would hold the call for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from prismq_worker_sdk.descriptors import RESERVE
from prismq_worker_sdk.wire.connecting import connect, in_time

__all__ = ["Deadline", "pool_classes", "socks_pool_classes"]

SHORTEST = 0.001
"""A socket timeout of 0 would mean "do not wait at all"."""


class Deadline:
    """When the call that is under way must be over; one for each transport.

    Attributes:
        sent: Whether any of its request went out on a connection.
    """

    def __init__(self) -> None:
        self._at = float("inf")
        self.sent = False

    def set(self, seconds: float) -> None:
        """The call begins now and may take so long."""
        self._at = time.monotonic() + seconds
        self.sent = False

    def left(self) -> float:
        """Seconds left.

        Raises:
            TimeoutError: None are.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come in time")
        return max(SHORTEST, left)


class _TimedReader(io.RawIOBase):
    """Reads from a socket, never beyond the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _TimedSocket:
    """A socket as http.client uses it: bounded writes, bounded reads, the rest as it is."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._deadline.left())
        self._deadline.sent = True
        self._sock.sendall(data)

    def makefile(self, mode: str = "rb", **_: Any) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(f"only reading is bounded, not {mode!r}")
        return io.BufferedReader(_TimedReader(self._sock, self._deadline), 64 * 1024)


class _Response(http.client.HTTPResponse):
    """Reads on after every answer that only says that another will follow: 100, and 102, 103 and their like."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
        follows = status < HTTPStatus.OK and status != HTTPStatus.SWITCHING_PROTOCOLS
        return version, HTTPStatus.CONTINUE if follows else status, reason


def pool_classes(deadline: Deadline) -> dict[str, Any]:
    """Pools for urllib3 whose connections keep the deadline: scheme → class."""

    def connected(asking: Any) -> socket.socket:
        return connect(
            asking._dns_host,  # noqa: SLF001 - where urllib3 keeps it
            asking.port,
            timeout=asking.timeout,
            left=deadline.left,
            source_address=asking.source_address,
            options=asking.socket_options or (),
        )

    return _pools(HTTPConnection, HTTPSConnection, connected, deadline)


def socks_pool_classes(deadline: Deadline) -> dict[str, Any]:
    """The same by way of a SOCKS proxy.

    Raises:
        ImportError: PySocks is not there, or does not work.
    """
    from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection  # noqa: PLC0415 - an extra

    def connected(asking: Any) -> socket.socket:
        steps = partial(SOCKSConnection._new_conn, asking)  # noqa: SLF001 - a step of it, bounded
        found: socket.socket = in_time(steps, deadline.left(), late=socket.socket.close)
        return found

    return _pools(SOCKSConnection, SOCKSHTTPSConnection, connected, deadline)


def _pools(
    plain: type, secure: type, connected: Callable[[Any], socket.socket], deadline: Deadline
) -> dict[str, Any]:
    class PlainPool(HTTPConnectionPool):
        ConnectionCls = _bounded(plain, connected, deadline)

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = _bounded(secure, connected, deadline)

    return {"http": PlainPool, "https": SecurePool}


def _bounded(kind: Any, connected: Callable[[Any], socket.socket], deadline: Deadline) -> type:
    """A kind of connection whose steps all keep the deadline: look-up, connect, proxy, handshake, talk."""

    def make(self: Any) -> None:
        RESERVE.refill()
        try:
            kind.connect(self)
        except OSError:
            if not RESERVE.lend():
                raise
            kind.connect(self)
        self.sock = _TimedSocket(self.sock, deadline)

    def tunnel(self: Any) -> None:
        plain, self.sock = self.sock, _TimedSocket(self.sock, deadline)
        try:
            kind._tunnel(self)  # noqa: SLF001 - a step of it, bounded
            self.sock = plain
        finally:
            deadline.sent = False  # that was for the proxy

    own = {"response_class": _Response, "_new_conn": connected, "connect": make, "_tunnel": tunnel}
    return type(kind.__name__, (kind,), own)
