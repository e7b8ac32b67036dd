"""The end of a command's process: what was asked for is told, and no thread that is left holds it up."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from contextlib import suppress

__all__ = ["end_process"]

LAST_MOMENT = 1.0
"""Seconds for threads that a plugin or a handler has left running."""

LAST_CALLBACKS = 3.0
"""Seconds for what libraries do at the end of a process (atexit)."""


def end_process(code: int) -> int:
    """Lets this process end soon with this exit code, which it gives back; Python waits without limit."""
    with suppress(AttributeError, OSError, ValueError):  # there is no stdout, or nobody reads it any more
        sys.stdout.flush()
    joined = threading.Event()
    atexit.register(
        joined.set
    )  # called once the interpreter has joined the threads, before all other callbacks

    def end() -> None:
        if joined.wait(LAST_MOMENT):
            time.sleep(LAST_CALLBACKS)
        os._exit(code)

    threading.Thread(target=end, name="prismq-end", daemon=True).start()
    return code
