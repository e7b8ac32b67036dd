"""The HTTP connections of Google's client: one for each thread, not used after a rest, nor for longer than it may.

Two threads in one httplib2.Http get each other's answers. Its timeout counts from byte to byte, so a body that
trickles in would be waited for without end; and it sends a request once more when its connection is closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

__all__ = ["Connections"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
MAX_IDLE = 4.0
"""Seconds after which a resting connection is not used again, as the worker's own: a NAT forgets one without a word."""
AGAIN_SECONDS = 0.25
"""How often a call that is over its time is cut: it may have been about to connect."""


class Connections:
    """One connection for each thread that asks, opened at its first call.

    Args:
        endpoint: Where the API is; on this machine no proxy is asked.
    """

    def __init__(self, endpoint: str) -> None:
        self._here = urlsplit(endpoint).hostname in LOOPBACK
        self._of_thread = threading.local()
        self._all: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()

    @contextmanager
    def within(self, seconds: float) -> Iterator[Any]:
        """This thread's Http, for one call that must be over in so many seconds.

        Raises:
            TimeoutError: It was not.
            Misconfigured: The certificates that this machine is told to trust cannot be read.
        """
        owned = self._mine(seconds)
        http = owned.http
        ended, late = threading.Event(), threading.Event()
        watcher = threading.Thread(target=_cut_when_late, args=(http, seconds, ended, late), daemon=True)
        watcher.start()
        try:
            yield http
        except Exception:
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            ended.set()
            watcher.join()
            owned.used_at = time.monotonic()
            if late.is_set():
                self._forget(http)

    def close(self) -> None:
        """Closes the connections of all threads; a later call opens new ones."""
        with self._lock:
            for http in self._all:
                http.close()

    def _mine(self, seconds: float) -> _Owned:
        owned = getattr(self._of_thread, "owned", None)
        if owned is None:
            owned = self._of_thread.owned = _Owned(self._new())
            with self._lock:
                self._all.add(owned.http)
        http = owned.http
        if time.monotonic() - owned.used_at > MAX_IDLE:
            http.close()
        http.timeout = seconds
        for connection in http.connections.values():
            connection.timeout = seconds
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
        return owned

    def _forget(self, http: Any) -> None:
        """A connection that was cut is used no more."""
        del self._of_thread.owned
        with self._lock:
            self._all.discard(http)
        http.close()

    def _new(self) -> Any:
        from prismq_youtube_shorts.transport import Http  # noqa: PLC0415 - with Google's client, at the first call

        return Http(direct=self._here)


class _Owned:
    """A connection that is closed when its thread ends."""

    def __init__(self, http: Any) -> None:
        self.http = http
        self.used_at = time.monotonic()

    def __del__(self) -> None:
        self.http.close()


def _cut_when_late(http: Any, seconds: float, ended: threading.Event, late: threading.Event) -> None:
    wait = seconds
    while not ended.wait(wait):
        late.set()
        wait = AGAIN_SECONDS
        for connection in list(http.connections.values()):
            connection.connect = _refuse  # or httplib2 would send the request once more
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(SHUT_RDWR)


def _refuse() -> None:
    raise TimeoutError
