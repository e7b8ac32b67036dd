"""The connections of a worker: one client for each loop, all in the dialect that was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prismq_worker_sdk.model.events import Event
from prismq_worker_sdk.model.protocol import ServerInfo
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.dialect import Exchange
from prismq_worker_sdk.wire.dialects import dialect_named
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import Perform


class Connects(Protocol):
    """How a worker reaches its server."""

    def probe(self) -> Perform:
        """How to ask a server that is not known yet."""
        ...

    def open(self, found: ServerInfo) -> Perform:
        """How to talk to the server that was found; for one thread only."""
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...


class Connections:
    """Opens and closes the clients; each is used by one thread only."""

    def __init__(self, config: WorkerConfig, emit: Callable[[Event], None]) -> None:
        self._config = config
        self._emit = emit
        self._clients: list[WireClient] = []
        self._exchange: Exchange | None = None

    def probe(self) -> Perform:
        """How to ask a server that is not known yet."""
        return self._open(self._config.dialect).perform

    def open(self, found: ServerInfo) -> Perform:
        """How to talk to the server that was found."""
        if self._exchange is None:
            self._exchange = dialect_named(found.dialect).exchange()
        client = self._open(found.dialect)
        client.use(found)
        return client.perform

    def close(self) -> None:
        """Closes every connection."""
        for client in self._clients:
            client.close()

    def _open(self, dialect: str) -> WireClient:
        client = WireClient(
            self._config.api_url,
            key=self._config.key,
            dialect=dialect,
            on_call=self._emit,
            options=self._config.connection,
            exchange=self._exchange,
        )
        self._clients.append(client)
        return client
