"""The TaskManager as a server in a thread of this process."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from prismq_worker_sdk.compat import Self
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.system import is_exhaustion
from prismq_worker_sdk.taskmanager.app import CHORES, create_app
from prismq_worker_sdk.taskmanager.certificate import ServedCertificate
from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.listening import address, bind
from prismq_worker_sdk.taskmanager.rarely import Rarely
from prismq_worker_sdk.taskmanager.silent import CLIENT_SECONDS, SilentClients

START_SECONDS = 30.0
LOOK_TICKS = 50
"""Ticks of uvicorn, ten a second, between two looks for clients that are silent."""
TELL_EVERY = 60.0
"""Seconds between two words of the log about descriptors that have run out."""
_LOG = logging.getLogger("prismq.taskmanager")


class RunningServer:
    """A TaskManager in a thread of this process: `with RunningServer(config) as server: server.url`.

    Args:
        clock: Time; the machine's unless given.
        chores: What it does by itself; tests that turn the clock do so themselves.
        ended: Called when it has ended.
        tick: Called several times a second while it serves.

    Raises:
        SettingsError: The address is taken, or the database cannot be opened.
    """

    def __init__(
        self,
        config: TaskManagerConfig,
        *,
        clock: Clock | None = None,
        chores: Sequence[Chore] = CHORES,
        ended: Callable[[], None] = lambda: None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._listening = bind(config)
        try:
            self._server = Server(create_app(config, clock=clock, chores=chores), config, tick)
        except BaseException:
            self._listening.close()
            raise
        self._ended = ended
        self.port: int = self._listening.getsockname()[1]
        self.url = address(config, self.port)
        self._thread = threading.Thread(target=self._run, name="taskmanager", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
        self._listening.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        finally:
            self._ended()


class Server(uvicorn.Server):
    """Serves an application of `create_app`, over https where it has a certificate; ticks several times a second."""

    def __init__(
        self, app: FastAPI, config: TaskManagerConfig, tick: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
                server_header=False,
                ws="none",
                ssl_certfile=config.tls_cert,
                ssl_keyfile=config.tls_key,
            )
        )
        self._certificate = None if config.tls_cert is None else ServedCertificate(config)
        self._waiting = app.state.taskmanager.waiting
        self._silent = SilentClients(CLIENT_SECONDS)
        self._told = Rarely(TELL_EVERY)
        self._tick = tick

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Takes no signals: stopping is the business of whoever serves."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens."""
        asyncio.get_running_loop().set_exception_handler(self._heard)
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Whether it is to end; closes what silent clients keep open."""
        self._tick()
        if counter % LOOK_TICKS == 0:
            for one in self._silent.found(self.server_state.connections, time.monotonic()):
                one.transport.close()
            if self._certificate is not None and self.config.ssl is not None:
                self._certificate.renew(self.config.ssl)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets those go that wait for work, so that it need not wait for the end of their requests."""
        self._waiting.close()
        await super().shutdown(sockets)

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught; asyncio tells thousands of times a second of a connection that it cannot accept."""
        error = context.get("exception")
        if not isinstance(error, OSError) or not is_exhaustion(error):
            loop.default_exception_handler(context)
        elif self._told.is_due("no descriptor"):
            _LOG.error(
                "no descriptor is left (%s): who connects must wait; let the server have more (ulimit -n, LimitNOFILE)",
                error.strerror,
            )
