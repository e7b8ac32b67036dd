"""When a call must be over as a whole, over plain connections and TLS."""

from __future__ import annotations

import socket
import time

SHORTEST_TIMEOUT = 0.001
"""Seconds; a socket's time-out of 0 would mean "do not wait at all"."""

_TLS_ENDS = {"SSLEOFError", "SSLZeroReturnError"}
"""What a connection over TLS that the other side closed raises in place of a BrokenPipeError."""


class Deadline:
    """When the call that is under way must be over as a whole (R31); one for each transport.

    A socket's own time-out begins anew with each byte that trickles in.

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
        return max(SHORTEST_TIMEOUT, left)

    def send(self, sock: socket.socket, data: bytes) -> None:
        """Sends all of it. `sendall` would not do: over TLS each record has the whole time-out for itself.

        Raises:
            OSError: It did not go out; TimeoutError: not in time.
        """
        rest = memoryview(data)
        while rest:
            sock.settimeout(self.left())
            self.sent = True
            try:
                rest = rest[sock.send(rest) :]
            except OSError as error:
                if type(error).__name__ in _TLS_ENDS:  # why it ended can still be read
                    raise BrokenPipeError(*error.args) from error
                raise
