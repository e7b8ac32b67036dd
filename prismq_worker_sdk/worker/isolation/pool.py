"""The child processes of a worker: kept for later tasks, with a warm spare, ended with the worker (R20)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from prismq_worker_sdk.decide.crashes import crashed
from prismq_worker_sdk.errors import Defer, HandlerCrashed, PluginError, Unavailable
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.reference import packed_settings, reference_of
from prismq_worker_sdk.processes import hold_back_stop_signals, is_child, oom_kills
from prismq_worker_sdk.worker.isolation.child_output import levels
from prismq_worker_sdk.worker.isolation.process import ChildProcess, NotReady, ended_by
from prismq_worker_sdk.worker.isolation.protocol import Init

LOOK_EVERY = 5.0
"""Seconds between two looks at children that wait for work."""

TICK = 0.25
"""Seconds between two looks at whoever waits for a child."""

LEAVE_LIMIT = 5.0
"""Seconds that a child has for tearing its handlers down."""

START_LIMIT = 60.0
"""Seconds that a child may take to load its handlers."""

PAUSE = 30.0
"""Seconds that a type rests whose handler could get no child."""


class ChildPool:
    """The child processes of a worker; may be used from any thread.

    Every child is started by one thread that lives as long as the pool: Linux ends a child together with the
    thread that started it.

    Args:
        handlers: Those that run in children.
        size: Children that may work at the same time.

    Raises:
        PluginError: A fresh process would not find a handler, or its settings cannot be taken there.
    """

    def __init__(self, handlers: Iterable[Handler], *, size: int) -> None:
        handlers = tuple(handlers)
        if is_child():
            raise PluginError(
                "a child process that loads its handlers starts a worker; put what starts the worker under "
                "if __name__ == '__main__':"
            )
        self._references = {one.task_type: reference_of(one) for one in handlers}
        self._settings = {one.task_type: packed_settings(one) for one in handlers}
        self._size = size
        self._lock: int | None = None
        self._change = threading.Condition()
        self._idle: list[ChildProcess] = []
        self._living: set[ChildProcess] = set()
        self._leaving: dict[ChildProcess, float] = {}
        self._waiting = 0
        self._proving = threading.Lock()
        self._proven = False
        self._most = 0
        self._over = threading.Event()
        self._closed = False
        self._trouble: str | None = None
        self._oom_kills = oom_kills()
        self._thread = threading.Thread(target=self._maintain, name="prismq-children", daemon=True)

    def start(self, *, lock: int | None = None) -> None:
        """Begins: the first child is started at once.

        Args:
            lock: The descriptor of the state folder's lock; held while a child lives (R20).
        """
        self._lock = lock
        self._thread.start()

    def has(self, task_type: str) -> bool:
        """Whether handlers of this type run in children."""
        return task_type in self._references

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the children."""
        with self._change:
            return tuple(child.pid for child in self._living)

    def for_readiness(self, handler: Handler) -> Handler:
        """The handler as it is asked in this process: it is set up once a child has loaded it."""
        if not self.has(handler.task_type):
            return handler
        return replace(handler, setup=self._until_one_is_ready, teardown=lambda: None)

    def take(self, *, ended: Callable[[], bool] = lambda: False) -> ChildProcess | None:
        """A child that has loaded its handlers; None when `ended` came true while none was ready.

        Raises:
            Unavailable: There can be none now.
        """
        give_up_at = time.monotonic() + START_LIMIT
        while (child := self._pick(ended)) is not None:
            try:
                while not child.ready(TICK):
                    if ended():
                        self.give_back(child)
                        return None
                    if time.monotonic() > give_up_at:
                        raise NotReady(f"it has not loaded its handlers within {START_LIMIT:.0f} s")
            except NotReady as error:
                self.discard(child)
                raise Unavailable(f"no child process can be used: {error}", retry_in=PAUSE) from None
            if not child.ended:
                self._proved()
                return child
            self.discard(child)
        return None

    def give_back(self, child: ChildProcess) -> None:
        """Keeps a child for the next task."""
        child.task = None
        with self._change:
            if not self._closed:
                self._idle.append(child)
                if self._waiting:
                    self._change.notify_all()
                return
        self.discard(child)

    def discard(self, child: ChildProcess) -> None:
        """Ends a child; the spare takes its place."""
        child.close()
        with self._change:
            self._living.discard(child)
            self._leaving.pop(child, None)
            self._change.notify_all()

    def retire(self, child: ChildProcess) -> None:
        """Lets a child tear its handlers down and end; the spare takes its place."""
        child.task = None
        with self._change:
            closed = self._closed
            self._leaving[child] = time.monotonic() + LEAVE_LIMIT
            self._change.notify_all()
        if closed:
            self.discard(child)
        child.leave()

    def crash(self, child: ChildProcess) -> HandlerCrashed | Defer:
        """Why a child ended in the middle of its task; takes its remains away."""
        code = child.code()
        kills = oom_kills()
        with self._change:
            grown = kills is not None and kills > (self._oom_kills or 0)
            self._oom_kills = kills
        self.discard(child)
        if child.broken:
            return HandlerCrashed("crashed: it wrote into the line between its process and the worker")
        if child.killed:
            return Defer("the worker ended the process of the handler")
        if code is None:
            return HandlerCrashed("crashed: its process closed the line to the worker while it ran")
        return crashed(code, ended_by(code)[1], out_of_memory=grown)

    def close(self, seconds: float) -> None:
        """Kills the children that work, lets the others tear down for so long, and waits for the end of all."""
        with self._change:
            self._closed = True
            idle, self._idle, leaving = self._idle, [], tuple(self._leaving)
            busy = self._living.difference(idle, leaving)
            self._change.notify_all()
        for child in busy:
            child.kill()
        for child in idle:
            if child.runs:
                child.leave()
            else:  # it has nothing to tear down
                child.kill()
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at and not all(child.ended for child in (*idle, *busy, *leaving)):
            time.sleep(TICK / 10)
        for child in (*idle, *leaving):
            self.discard(child)
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _proved(self) -> None:
        """A child has loaded the handlers: from now on there is a spare."""
        if not self._proven:
            with self._change:
                self._proven = True
                self._change.notify_all()

    def _until_one_is_ready(self) -> None:
        """Returns once a child has loaded the handlers; raises where none can."""
        with self._proving:
            if self._proven:
                return
            child = self.take(ended=lambda: self._closed)
            if child is not None:
                self.give_back(child)

    def _pick(self, ended: Callable[[], bool]) -> ChildProcess | None:
        """A child, which may be starting still; one that has worked before comes first."""
        with self._change:
            self._waiting += 1
            if self._wanted:
                self._change.notify_all()
            try:
                while not self._idle:
                    if self._closed or ended():
                        return None
                    if self._trouble is not None:
                        raise Unavailable(f"no child process can be started: {self._trouble}", retry_in=PAUSE)
                    self._change.wait(TICK)
                child = max(self._idle, key=lambda one: one.runs)
                self._idle.remove(child)
                return child
            finally:
                self._waiting -= 1

    def _maintain(self) -> None:
        """Starts children, one for everybody who waits and a spare, until the pool is closed."""
        hold_back_stop_signals()
        while not self._closed:
            with self._change:
                if not self._wanted:
                    self._change.wait(LOOK_EVERY)
            self._reap()
            if self._wanted:
                self._start_one()
        self._over.wait()  # Linux ends children together with the thread that started them

    @property
    def _wanted(self) -> bool:
        """Whether one more child is wanted: one for each task that ever ran at the same time, and a spare."""
        working = len(self._living) - len(self._leaving)
        busy = working - len(self._idle)
        self._most = max(self._most, min(self._size, busy + self._waiting))
        return not self._closed and working < self._most + self._proven

    def _start_one(self) -> None:
        init = Init(tuple(self._references.values()), self._settings, levels(), tuple(sys.argv), self._lock)
        try:
            child = ChildProcess(init)
        except Exception as error:  # noqa: BLE001 - no room for a process or a thread; it is tried again
            with self._change:
                self._trouble = str(error)
                self._change.notify_all()
                self._change.wait(LOOK_EVERY)
            return
        with self._change:
            self._trouble = None
            if not self._closed:
                self._living.add(child)
                self._idle.append(child)
                self._change.notify_all()
                return
        child.close()

    def _reap(self) -> None:
        """Takes away children that ended while nobody watched them."""
        now = time.monotonic()
        with self._change:
            gone = [child for child in self._idle if child.ended]
            self._idle = [child for child in self._idle if child not in gone]
            gone += [child for child, until in self._leaving.items() if child.ended or now > until]
        for child in gone:
            self.discard(child)
