"""What the service manager that started this process is told of it (sd_notify); nothing where it was another one."""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import time
from collections.abc import MutableMapping
from contextlib import suppress
from functools import cache
from math import inf

UP = ("READY=1", "WATCHDOG=1")
"""It is ready, and lives."""

STOPPING = "STOPPING=1"

TELL_EVERY = 5.0
"""Seconds between two words of a service that is up, at most."""

LONGEST_TELL = 1.0
"""Seconds that a manager which does not listen may hold anybody up."""

LONGEST_STATUS = 500
"""Characters."""


class ServiceManager:
    """Who started this process as a service; may be told from any thread.

    Args:
        address: Of its socket, as `NOTIFY_SOCKET` names it; "" for nobody.
        watchdog: Seconds without a sign of life after which it ends the service; None where it does not.
    """

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._every = TELL_EVERY if watchdog is None else min(TELL_EVERY, watchdog / 4)
        self._socket = _datagrams() if address else None
        self._due_at = inf if self._socket is None else -inf

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """The one that these variables name, which are taken away: what this process starts is no service."""
        address = environ.pop("NOTIFY_SOCKET", "")
        limit, owner = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")):
            return cls()
        mine = owner in {"", str(os.getpid())} and limit.isdecimal() and int(limit) > 0
        return cls(address, int(limit) / 1e6 if mine else None)

    def due(self) -> bool:
        """Whether it should hear of a service that is up; says so once, and then after some seconds again."""
        now = time.monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + self._every
        return True

    def tell(self, *words: str, status: str, within: float | None = None) -> None:
        """Tells it something; raises nothing.

        Args:
            words: As in sd_notify(3).
            status: How it is, for people; one line.
            within: Seconds that what goes on now may take, whatever the unit says.
        """
        if self._socket is None:
            return
        line = " ".join(status.split())[:LONGEST_STATUS]
        more = () if within is None else (f"EXTEND_TIMEOUT_USEC={int(within * 1e6)}",)
        text = "\n".join((*words, f"STATUS={line}", *more))
        with suppress(OSError):
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)

    def close(self) -> None:
        """Tells it nothing more."""
        if self._socket is not None:
            self._socket.close()


def _datagrams() -> socket.socket | None:
    """Kept open, so that it is there when a handler has leaked all other descriptors; None on Windows."""
    if sys.platform == "win32":
        return None
    else:  # noqa: RET505 - the type checker follows the branches of a platform
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.settimeout(LONGEST_TELL)
        return made


@cache
def service_manager() -> ServiceManager:
    """That of this process; to be asked for before anything is started that would inherit its variables.

    Where its watchdog is on, a process that it ends (SIGABRT) writes the stacks of its threads to stderr.
    """
    found = ServiceManager.taken_from(os.environ)
    if found.watchdog is not None:
        faulthandler.enable()
    return found
