"""The line between a worker and a child process of it: whole values, both ways."""

from __future__ import annotations

import pickle
import selectors
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

HEAD = struct.Struct("!Q")
CHUNK = 256 * 1024
LARGEST = 1 << 30
"""Bytes; a head that announces more is none."""


class Channel:
    """Sends and receives values over a socket; sending is safe from any thread, receiving is for one.

    Values are pickled: both ends are the same program, and whoever could write into the socket could write
    into the process.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._sending = threading.Lock()
        self._received = bytearray()
        self._selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        self._selector.register(connected, selectors.EVENT_READ)

    def send(self, value: Any) -> None:
        """Sends a value.

        Raises:
            OSError: Nobody is at the other end any more.
        """
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._socket.sendall(HEAD.pack(len(data)) + data)

    def receive(self, seconds: float | None = None) -> Any:
        """The next value.

        Args:
            seconds: How long to wait for it, None for as long as it takes.

        Raises:
            TimeoutError: It has not come whole yet; what came is kept.
            EOFError: Nobody is at the other end any more.
            ValueError: What came is no value.
        """
        while not self._whole:
            if seconds is not None and not self._selector.select(seconds):
                raise TimeoutError
            try:
                data = self._socket.recv(CHUNK)
            except OSError:
                data = b""
            if not data:
                raise EOFError
            self._received += data
        size = self._size
        value = pickle.loads(memoryview(self._received)[HEAD.size : size].tobytes())  # noqa: S301 - see the class
        del self._received[:size]
        return value

    def close(self) -> None:
        """Ends the line."""
        self._selector.close()
        with suppress(OSError):
            self._socket.close()

    @property
    def _size(self) -> int:
        """Bytes of the next value, its head included."""
        return HEAD.size + int(HEAD.unpack_from(self._received)[0])

    @property
    def _whole(self) -> bool:
        if len(self._received) >= HEAD.size and self._size > LARGEST:
            raise ValueError("this is no value of ours")
        return len(self._received) >= HEAD.size and len(self._received) >= self._size
