"""File descriptors that are kept back for the worker's own calls, for the time when a handler has leaked all others."""

from __future__ import annotations

import errno
import os
import threading

KEPT = 8
FOR_ONE_CALL = 3
"""A connection, and what is opened on the way to it: a look-up, certificates."""


def is_exhaustion(error: OSError) -> bool:
    """Whether it says that no descriptor is left, to this process or on the whole machine."""
    return error.errno in {errno.EMFILE, errno.ENFILE}


class Reserve:
    """Keeps descriptors back; may be used from any thread.

    Args:
        kept: How many.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._most = kept
        self._kept: list[int] = []
        self._lock = threading.Lock()

    def refill(self) -> None:
        """Keeps back what is missing, as far as there are any."""
        with self._lock:
            while len(self._kept) < self._most:
                try:
                    self._kept.append(os.open(os.devnull, os.O_RDONLY))
                except OSError:
                    return

    def lend(self, number: int = FOR_ONE_CALL) -> bool:
        """Gives some of them up where none are left otherwise; whether there is hope for another try."""
        with self._lock:
            if not self._kept or not none_left():
                return False
            for descriptor in self._kept[-number:]:
                os.close(descriptor)
            del self._kept[-number:]
            return True


def none_left() -> bool:
    """Whether this process can open nothing more."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_exhaustion(error)
    return False


RESERVE = Reserve()
"""For the whole process, as its limit is."""
