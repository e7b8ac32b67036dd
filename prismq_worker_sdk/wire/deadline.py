"""Connections whose every read and write is bounded by one deadline for the whole call (R31).

A socket's own timeout begins anew with each byte; a server that trickles would hold the call for ever.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["Deadline", "pool_classes"]

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


def pool_classes(deadline: Deadline) -> dict[str, Any]:
    """Pools for urllib3 whose connections keep the deadline: scheme → class."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = _TimedSocket(self.sock, deadline)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = _TimedSocket(self.sock, deadline)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
