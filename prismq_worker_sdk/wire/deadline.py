"""One deadline for a whole call (R31): a socket's own time-out begins anew with each byte that trickles in."""

from __future__ import annotations

import socket
import time

SHORTEST = 0.001
"""A socket's time-out of 0 would mean "do not wait at all"."""


class Deadline:
    """When the call that is under way must be over; one for each transport.

    Attributes:
        sent: Whether any of its request went out on a connection.
    """

    __slots__ = ("_at", "sent")

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

    def send(self, sock: socket.socket, data: bytes) -> None:
        """Sends all of it. `sendall` would not do: over TLS each record has the whole time-out for itself.

        Raises:
            OSError: It did not go out; TimeoutError: not in time.
        """
        sock.settimeout(self.left())
        self.sent = True
        sent = sock.send(data)
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                sock.settimeout(self.left())
                rest = rest[sock.send(rest) :]
