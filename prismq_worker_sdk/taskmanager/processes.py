"""The TaskManager in several processes, which share one address and one database."""

from __future__ import annotations

import logging
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.processes import let_stop_signals_in, stop_signals_held_back
from prismq_worker_sdk.taskmanager.app import create_app
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.listening import address, bind
from prismq_worker_sdk.taskmanager.server import Server

if sys.platform != "win32":
    from multiprocessing import resource_tracker

_LOG = logging.getLogger("prismq.taskmanager")
_SPAWN = multiprocessing.get_context("spawn")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a process that ended is started again; twice as long each time until one has lived for LONG_LIFE."""
LONG_LIFE = 60.0
LOOK_EVERY = 2.0
END_SECONDS = 30.0


class ServingProcesses:
    """Serves in `config.workers` processes: `with ServingProcesses(config) as server: server.url`.

    One that ends is started again. All end with this one, even when it is killed.

    Args:
        prepare: What each process does first, such as setting up its logs; can be pickled.
        ended: Called when they cannot go on.
        tick: Called every few seconds while they are looked after.

    Raises:
        SettingsError: The address is taken, or the database cannot be opened.
    """

    def __init__(
        self,
        config: TaskManagerConfig,
        *,
        prepare: Callable[[], object] = lambda: None,
        ended: Callable[[], None] = lambda: None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._config, self._prepare, self._ended, self._tick = config, prepare, ended, tick
        self._listening = bind(config)
        try:
            connect(config.url).close()  # what is wrong with it is said once, and its tables are changed once
        except BaseException:
            self._listening.close()
            raise
        self.port: int = self._listening.getsockname()[1]
        self.url = address(config, self.port)
        self._stopping = threading.Event()
        self._processes: list[_Process] = []
        self._watch = threading.Thread(target=self._keep, name="taskmanager-processes", daemon=True)

    def __enter__(self) -> Self:
        self._processes = [self._start(place) for place in range(self._config.workers)]
        self._watch.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        for one in self._processes:
            one.stop()
        self._watch.join(END_SECONDS)
        for one in self._processes:
            one.end(END_SECONDS)
        self._listening.close()

    def _start(self, place: int) -> _Process:
        return _Process(self._config, self._listening, self._prepare, place)

    def _keep(self) -> None:
        """Starts again what ends, until all of it is to."""
        try:
            pause, ended_at = FIRST_PAUSE, time.monotonic()
            while not self._stopping.is_set():
                self._tick()
                over = wait([one.process.sentinel for one in self._processes], LOOK_EVERY)
                if not over:
                    if time.monotonic() - ended_at >= LONG_LIFE:
                        pause = FIRST_PAUSE
                    continue
                for place, one in enumerate(self._processes):
                    if one.process.sentinel in over and not self._stopping.wait(pause):
                        code = one.process.exitcode
                        _LOG.error(
                            "serving process %d ended (exit code %s); it is started again", place, code
                        )
                        self._processes[place] = self._start(place)
                pause, ended_at = min(LONGEST_PAUSE, pause * 2), time.monotonic()
        finally:
            self._ended()


class _Process:
    """One process that serves; `alive` is held open here, and its end there is the end of this one."""

    def __init__(
        self, config: TaskManagerConfig, listening: socket.socket, prepare: Callable[[], object], place: int
    ) -> None:
        theirs, self._alive = _SPAWN.Pipe(duplex=False)
        self.process: SpawnProcess = _SPAWN.Process(
            target=_serve, args=(config, listening, prepare, theirs), name=f"taskmanager-{place}"
        )
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # it lets the signals in when it is started
        with stop_signals_held_back():  # they are this process's business: Ctrl-C reaches all of a terminal
            self.process.start()
        theirs.close()

    def stop(self) -> None:
        self._alive.close()

    def end(self, seconds: float) -> None:
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(
    config: TaskManagerConfig, listening: socket.socket, prepare: Callable[[], object], alive: Connection
) -> None:
    """What such a process does."""
    let_stop_signals_in()
    prepare()
    server = Server(create_app(config), config)

    def watch() -> None:
        wait([alive])
        server.should_exit = True

    threading.Thread(target=watch, name="taskmanager-parent", daemon=True).start()
    server.run(sockets=[listening])
