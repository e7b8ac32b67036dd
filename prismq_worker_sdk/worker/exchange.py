"""One exchange with the server, and what it says beside its answers (R35, R40)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.protocol import (
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    ExtensionGone,
    Probe,
    ServerInfo,
)
from prismq_worker_sdk.worker.driver import Call, Effect, Reply
from prismq_worker_sdk.worker.services import Services

UNKNOWN_PAUSE = 60.0
"""Seconds before a type that the server does not know is asked for again."""


def exchange(services: Services, call: ExchangeRequest) -> Generator[Effect, Reply, ExchangeReply]:
    """The reply to an exchange; the server's order is obeyed, a vanished extension is looked for again.

    Types that the server does not know are asked for again later: somebody may register them.
    """
    reply = yield Call(replace(call, worker_id=services.worker_id))
    if reply is None or isinstance(reply, ServerInfo):
        raise TypeError(f"an exchange was answered with {reply!r}")
    match reply:
        case ExchangeResponse(command=command, unknown_types=unknown):
            services.apply_command(command)
            _pause(services, unknown)
        case ExtensionGone(reason=reason):
            found = yield Call(Probe(within=call.within))
            if isinstance(found, ServerInfo):
                services.shared.server_info = found
                services.emit(Notice("warning", f"{reason}; going on with what it has"))
        case _:
            pass
    return reply


def _pause(services: Services, unknown: tuple[str, ...]) -> None:
    now = services.clock.monotonic()
    closed = services.availability.closed(
        now
    )  # another loop's claim, under way at the same time, may have been told it too
    for name in unknown:
        if name not in closed:
            reason = "the TaskManager does not know this type; register it (prismq-worker plugins --publish)"
            services.availability.pause(name, UNKNOWN_PAUSE, reason, now=now)
