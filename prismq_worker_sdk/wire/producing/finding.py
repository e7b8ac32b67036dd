"""Which way a producer goes: the dialect that was given, or the one that the server's health tells."""

from __future__ import annotations

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.protocol import ServerInfo, Throttled, Unreachable, UnrecognisedServer
from prismq_worker_sdk.wire.client import HEALTH, told_by_health
from prismq_worker_sdk.wire.dialects import prismq_client, v1
from prismq_worker_sdk.wire.producing.caller import Caller
from prismq_worker_sdk.wire.producing.prismq_client import PrismqClientWay
from prismq_worker_sdk.wire.producing.v1 import V1Way
from prismq_worker_sdk.wire.producing.way import Way

__all__ = ["Finder"]

AUTO = "auto"
DIALECTS = (v1.NAME, prismq_client.NAME)


class Finder:
    """Finds the way, once.

    Args:
        dialect: `auto` to ask the server's health before the first call, or the dialect that it speaks.

    Raises:
        SettingsError: There is no such dialect.
    """

    def __init__(self, caller: Caller, dialect: str) -> None:
        if dialect not in {AUTO, *DIALECTS}:
            raise SettingsError(f"dialect={dialect!r} is none; give {AUTO}, {' or '.join(DIALECTS)}")
        self._caller = caller
        self._found: Way | None = None if dialect == AUTO else self._way_of(dialect)

    def way(self) -> Way:
        """How the server does what a producer asks.

        A health that is refused tells nothing: the call itself is made as v1 has it, and says what is wrong.

        Raises:
            NotATaskManager: What answers there is something else.
            ServerUnreachable: Nothing answers there.
        """
        if self._found is None:
            match told_by_health(self._caller.send(HEALTH)):
                case ServerInfo(dialect=dialect):
                    self._found = self._way_of(dialect)
                case UnrecognisedServer() | Unreachable() | Throttled() as failure:
                    raise self._caller.error(failure)
                case _:
                    return V1Way(self._caller)
        return self._found

    def _way_of(self, dialect: str) -> Way:
        if dialect != prismq_client.NAME:
            return V1Way(self._caller)
        self._caller.keep_limits()
        return PrismqClientWay(self._caller)
