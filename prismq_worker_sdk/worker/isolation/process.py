"""One child process of a worker, as the worker sees it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.processes import ask_for_stacks, socket_pair, start_child
from prismq_worker_sdk.worker.isolation.child_output import log_output, replay
from prismq_worker_sdk.worker.isolation.protocol import Channel, Init, LoadFailed, Logged, Ready, Shutdown

BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from prismq_worker_sdk.worker.isolation.child_main import main; main(int(sys.argv[2]))"
)
LONGEST_REASON = 300
MOMENT = 1.0
"""Seconds between the end of its line and the end of a child."""

LAST_WORDS = 0.5
"""Seconds for what it printed last; programs that it started may print for ever."""

LAST_WAIT = 5.0
"""Seconds for the system to end a process that was killed."""

_OUTPUT = logging.getLogger("prismq.task.output")


class ChildEnded(Exception):  # noqa: N818 - not an error by itself
    """The child is no more."""


class NotReady(Exception):  # noqa: N818 - the reason is the plugin's
    """The child cannot load its handlers."""


class ChildProcess:
    """A child process; starting is for a thread that outlives it, everything else for one thread at a time.

    `kill` and `send` may be called from any thread.

    Attributes:
        killed: Whether the worker has ended it.
        broken: Whether it wrote nonsense into the line.
        task: What it works on, for the log.
        runs: How many tasks it was given.
    """

    def __init__(self, init: Init) -> None:
        mine, its = socket_pair()
        readable, writable = os.pipe()
        try:
            keep = () if init.lock is None else (init.lock,)
            self._process = start_child(_command(), its, output=writable, keep=keep)
        except BaseException:
            os.close(readable)
            mine.close()
            raise
        finally:
            its.close()
            os.close(writable)
        self._channel = Channel(mine)
        self._ready = False
        self._killing = threading.Lock()
        self.killed = False
        self.broken = False
        self.task: TaskRef | None = None
        self.keep: Callable[[logging.LogRecord], None] | None = None
        self.runs = 0
        self._last_line = ""
        self._output = threading.Thread(
            target=self._hear_output, args=(readable,), name="prismq-output", daemon=True
        )
        try:
            self._output.start()
        except RuntimeError:
            os.close(readable)
            self.close()
            raise
        self.send(init)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is no more; asking takes its remains away."""
        with self._killing:
            return self._process.poll() is not None

    def send(self, message: Any) -> None:
        """Tells it something; when it is no more, whoever listens to it learns that."""
        with suppress(OSError):
            self._channel.send(message)

    def receive(self, seconds: float) -> Any:
        """What it says next; None when it says nothing for so long, or logs something, which is written.

        Raises:
            ChildEnded: It is no more.
        """
        try:
            message = self._channel.receive(seconds)
        except TimeoutError:
            if self.ended:  # a process that it started may keep the line open
                raise ChildEnded from None
            return None
        except EOFError:
            raise ChildEnded from None
        except Exception:  # noqa: BLE001 - whatever nonsense came, who broke the line does not go on
            self.broken = True
            self.close()
            raise ChildEnded from None
        if not isinstance(message, Logged):
            return message
        replay(message, {} if self.task is None else {"task": self.task}, self.keep)
        return None

    def ready(self, seconds: float) -> bool:
        """Whether it has loaded its handlers; waits so long for it.

        Raises:
            NotReady: It cannot; the text says why.
        """
        if self._ready:
            return True
        try:
            message = self.receive(seconds)
        except ChildEnded:
            said = f": {self._last_line}" if self._heard_all() and self._last_line else ""
            raise NotReady(f"its process ended while it started ({ended_by(self.code())[0]}){said}") from None
        match message:
            case Ready():
                self._ready = True
            case LoadFailed(reason=reason):
                raise NotReady(reason)
        return self._ready

    def leave(self) -> None:
        """Asks it to tear its handlers down and to end."""
        self.send(Shutdown())

    def kill(self) -> None:
        """Ends it by force, unless it has ended by itself."""
        with self._killing:
            if self._process.poll() is None:
                self.killed = True
                self._process.kill()

    def show_stacks(self) -> None:
        """Lets it write down where it is; the lines come to the log."""
        with self._killing:
            if self._process.poll() is None:
                ask_for_stacks(self._process.pid)

    def code(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None for one that had closed its line and lived on."""
        try:
            return self._process.wait(MOMENT)
        except subprocess.TimeoutExpired:
            with self._killing:
                self._process.kill()
            code = self._process.wait(LAST_WAIT)
            return code if self.killed else None

    def close(self) -> None:
        """Takes away what is left of it; kills it when it still runs."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WAIT)
        self._channel.close()
        if self._output.ident is not None:
            self._output.join(LAST_WORDS)

    def _heard_all(self) -> bool:
        """Whether all that it printed is here; programs that it started may print on."""
        self._output.join(LAST_WORDS)
        return not self._output.is_alive()

    def _hear_output(self, readable: int) -> None:
        """Logs what it prints until nobody can print any more."""
        with open(readable, encoding="utf-8", errors="backslashreplace", newline="") as lines:
            log_output(lines, lambda: {} if self.task is None else {"task": self.task}, self._log)

    def _log(self, text: str, extra: dict[str, Any]) -> None:
        self._last_line = text[:LONGEST_REASON]
        _OUTPUT.info("%s", text, extra=extra)


def _command() -> list[str]:
    """This interpreter, with the options that it was started with and what it can import now."""
    options = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
    importable = json.dumps(list(map(str, sys.path)))
    return [sys.executable, *options, "-c", BOOT, importable, str(os.getpid())]


def ended_by(code: int | None) -> tuple[str, str | None]:
    """How a process ended, in words, and the name of the signal that did it."""
    if code is None:
        return "it closed the line to the worker", None
    if code >= 0:
        return f"exit code {code}", None
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return name, name
