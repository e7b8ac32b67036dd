"""One exchange with the server, and what it says beside its answers (R35, R40)."""

from __future__ import annotations

from dataclasses import replace

from prismq_worker_sdk.model.calls import Exchange, Exchanged, Healthy, Probe, Vanished
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.worker.effects import Call, Loop
from prismq_worker_sdk.worker.runtime import Runtime

__all__ = ["talk"]


def talk(runtime: Runtime, call: Exchange) -> Loop:
    """The reply to an exchange; the server's order is obeyed, a vanished extension is looked for again."""
    reply = yield Call(replace(call, worker_id=runtime.worker_id))
    match reply:
        case Exchanged(order=order):
            runtime.obey(order)
        case Vanished(reason=reason):
            found = yield Call(Probe())
            if isinstance(found, Healthy):
                runtime.health = found
                runtime.emit(Notice("warning", f"{reason}; going on with what it has"))
        case _:
            pass
    return reply
