"""Names the handler that held the whole interpreter: C code that keeps its lock, or one endless built-in call."""

from __future__ import annotations

import faulthandler
import os
import re
import tempfile
import threading
import time
from typing import IO

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.processes import thread_seconds
from prismq_worker_sdk.worker import handler_call
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.services import Services

EVERY = 1.0
"""Seconds between two looks."""

HELD = 3.0
"""So late a look means that nothing in this process could go on."""

LEAST_SHARE = 0.1
"""Of the time that the interpreter was held: who computed less has not held it by computing."""

FAR = 4
"""Who computed so many times as much as every other one has held it."""

_THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+)[^\n]*\n((?:  [^\n]*\n)*)", re.MULTILINE)


class InterpreterWatch:
    """A thread that looks every second, and says who is to blame when it comes late.

    Args:
        stacks: Whether to use the timer of `faulthandler`, which every part of a process shares: only where the
            worker owns the process. It writes the stacks down from outside the interpreter, while it is held.
    """

    def __init__(self, services: Services, *, stacks: bool) -> None:
        self._services = services
        self._wants_stacks = stacks
        self._stacks: IO[bytes] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="prismq-watch", daemon=True)

    def start(self) -> None:
        """Begins, unless every handler has a process of its own."""
        children = self._services.children
        if children is None or not all(map(children.has, self._services.registry.types)):
            self._stacks = _file() if self._wants_stacks else None
            self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
        finally:
            if self._stacks is not None:
                faulthandler.cancel_dump_traceback_later()
                self._stacks.close()

    def _look(self) -> None:
        over = {one for one in self._attempts() if one.returned}
        used = {one.native_id: _seconds(one) for one in self._attempts()}
        if self._stacks is not None:
            faulthandler.dump_traceback_later(EVERY + HELD / 2, exit=False, file=self._stacks.fileno())
        due = time.monotonic() + EVERY
        self._stop.wait(EVERY)
        late = time.monotonic() - due
        if self._stacks is not None:
            faulthandler.cancel_dump_traceback_later()
        if late >= HELD:
            suspects = [one for one in self._attempts() if one not in over]
            self._tell(_busiest(suspects, used, late) if suspects else [], late)

    def _tell(self, suspects: list[Attempt], late: float) -> None:
        stacks = self._written()
        if stacks is None or not suspects:
            return  # the whole process stood still, as when it is stopped, or it was no handler
        names = " or ".join(f"task {one.ref.task_id} ({one.ref.task_type})" for one in suspects)
        shown = "\n".join(stacks[one.thread_id] for one in suspects if one.thread_id in stacks)
        text = (
            f"the interpreter was held for {duration.text(late)} by {names}: nothing else in this worker could go on, "
            "renewals neither; let the handler run with isolation='process'"
        )
        where = f"; it was here:\n{shown}" if shown else ""
        self._services.emit(Notice("warning", self._services.redactor.text(text + where)))

    def _written(self) -> dict[int, str] | None:
        """The stacks by thread, most recent call first; None when they were written only at the end."""
        file = self._stacks
        if file is None:
            return {}
        written = os.fstat(file.fileno())
        file.seek(0)
        text = file.read(written.st_size).decode("utf-8", "replace")
        file.seek(0)
        file.truncate()
        if not text or time.time() - written.st_mtime < HELD / 4:
            return None
        return {int(found[1], 16): _of_handler(found[2]) for found in _THREAD.finditer(text)}

    def _attempts(self) -> tuple[Attempt, ...]:
        """The last attempt of each thread, if its handler runs there."""
        children = self._services.children
        last = tuple(self._services.shared.threads.values())
        return last if children is None else tuple(one for one in last if not children.has(one.ref.task_type))


def _file() -> IO[bytes] | None:
    """A file for stacks; None where the disk has no room."""
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError:
        return None


def _of_handler(stack: str) -> str:
    """The part of a stack that is not ours, most recent call first."""
    lines = stack.splitlines()
    ours = next((number for number, line in enumerate(lines) if handler_call.__file__ in line), len(lines))
    return "\n".join(lines[:ours])


def _seconds(attempt: Attempt) -> float | None:
    return None if attempt.native_id is None else thread_seconds(attempt.native_id)


def _busiest(suspects: list[Attempt], used: dict[int | None, float | None], late: float) -> list[Attempt]:
    """The one whose thread computed by far the most, where there is one; else all of them.

    Args:
        used: Seconds that each thread had computed before.
    """
    now = {one: (_seconds(one) or 0.0) - (used.get(one.native_id) or 0.0) for one in suspects}
    first, *others = sorted(suspects, key=lambda one: now[one], reverse=True)
    if now[first] > late * LEAST_SHARE and all(now[first] > FAR * now[other] for other in others):
        return [first]
    return suspects
