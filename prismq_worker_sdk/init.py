"""What the first process of a container owes the others: it passes signals on, and takes the dead away."""

from __future__ import annotations

import os
import signal
import sys

FIRST = 1
"""The number of the first process of a container."""


def lead_as_init() -> None:
    """As the first process of a container, goes on in a child, and stays behind as its init; else does nothing.

    Whatever loses its parent becomes a child of the first process, which has to wait for it. A worker cannot: it would
    take the ends of the programs that its handlers wait for. For a process that has no threads yet.
    """
    if sys.platform != "win32" and os.getpid() == FIRST:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _passed_on() | {signal.SIGCHLD})
        child = os.fork()
        if child:
            os._exit(_watch_over(child))
        os.setpgid(0, 0)  # what is sent to the group of the first process comes once, from there
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


if sys.platform != "win32":

    def _passed_on() -> set[signal.Signals]:
        return {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}

    def _watch_over(child: int) -> int:
        """Passes signals on and waits for whatever ends, until the child does; its exit code, as a shell tells it."""
        while True:
            number = signal.sigwait(_passed_on() | {signal.SIGCHLD})
            if number != signal.SIGCHLD:
                os.kill(child, number)
            elif (code := _bury(child)) is not None:
                return code if code >= 0 else 128 - code

    def _bury(child: int) -> int | None:
        """Waits for every process that has ended; the exit code of the child where it is among them."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                return os.waitstatus_to_exitcode(status)
            if pid == 0:
                return None
