"""Processes that match patterns which no linear engine can express: one that takes too long is ended."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from prismq_worker_sdk.processes import parent_channel, socket_pair, start_child

BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from prismq_worker_sdk.handlers.match_process import main; main()"
)
HEAD = struct.Struct("!Q")
READY, FOUND, NOT_FOUND = b"r", b"1", b"0"

START_LIMIT = 30.0
"""Seconds that a process may take to start."""

MARGIN = 2.0
"""Seconds after its limit that a process ends by itself, should whoever asked be no more."""

IDLE = 2
"""Processes that are kept for later."""

LAST_WAIT = 5.0
"""Seconds for the system to end a process that was killed."""


def command() -> list[str]:
    """Starts a process that matches."""
    return [sys.executable, "-c", BOOT, json.dumps(list(map(str, sys.path)))]


class MatchProcesses:
    """Processes that match, one for each thread that asks at the same time; started when they are needed.

    Args:
        start: The command of a process.
    """

    def __init__(self, start: Callable[[], list[str]] = command) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        atexit.register(self.close)

    def search(self, pattern: str, text: str, seconds: float) -> bool:
        """Whether the pattern is found in the text, as `re.search` has it.

        Raises:
            TimeoutError: It took longer.
            OSError: There is no room for a process.
        """
        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
            process = idle or _Process(self._start())
            try:
                found = process.search(pattern, text, seconds)
            except EOFError:
                process.close()
                if idle is None:
                    raise OSError("a process that matches patterns ended by itself") from None
                continue  # somebody has ended it while it was idle
            except BaseException:
                process.close()
                raise
            with self._lock:
                if len(self._idle) < IDLE:
                    self._idle.append(process)
                    return found
            process.close()
            return found

    def close(self) -> None:
        """Ends those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()


class _Process:
    def __init__(self, start: list[str]) -> None:
        mine, its = socket_pair()
        try:
            self._process = start_child(start, its, output=subprocess.DEVNULL, keep=())
        except BaseException:
            mine.close()
            raise
        finally:
            its.close()
        self._channel = mine
        self._ready = False

    def search(self, pattern: str, text: str, seconds: float) -> bool:
        """Whether the pattern is found in the text.

        Raises:
            TimeoutError: It took longer; what the process does now is unknown.
            EOFError: The process is no more.
        """
        if not self._ready:
            try:
                self._answer(START_LIMIT)
            except TimeoutError:
                raise EOFError from None
            self._ready = True
        asked = json.dumps([pattern, text, seconds]).encode()
        until = time.monotonic() + seconds
        self._channel.settimeout(seconds)
        try:
            self._channel.sendall(HEAD.pack(len(asked)) + asked)
        except TimeoutError:
            raise
        except OSError:
            raise EOFError from None
        return self._answer(max(0.001, until - time.monotonic())) == FOUND

    def close(self) -> None:
        """Ends it."""
        self._channel.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WAIT)

    def _answer(self, seconds: float) -> bytes:
        self._channel.settimeout(seconds)
        try:
            answer = self._channel.recv(1)
        except TimeoutError:
            raise
        except OSError:
            answer = b""
        if not answer:
            raise EOFError
        return answer


def main() -> None:
    """Answers what it is asked until nobody is there to ask; a stop signal is for whoever asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with parent_channel() as channel, channel.makefile("rb") as asked:
        channel.sendall(READY)
        while len(head := asked.read(HEAD.size)) == HEAD.size:
            pattern, text, seconds = json.loads(asked.read(HEAD.unpack(head)[0]))
            _end_after(seconds + MARGIN)
            found = re.search(pattern, text) is not None
            _end_after(0)
            channel.sendall(FOUND if found else NOT_FOUND)
    os._exit(0)


def _end_after(seconds: float) -> None:
    """Lets the system end this process then, whatever holds its interpreter; 0 takes it back."""
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
