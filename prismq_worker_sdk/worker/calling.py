"""Calls a handler in the thread where it is, sync or async; the same in a thread slot and in a child."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from prismq_worker_sdk.errors import TaskCancelled
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.results import encode_result
from prismq_worker_sdk.worker.cancellation import Cancellable
from prismq_worker_sdk.worker.context import RunningContext

__all__ = ["call"]


def call(handler: Handler, params: Any, ctx: RunningContext, *, told: Cancellable, max_bytes: int) -> str:
    """What the handler returns, as JSON text; raises whatever it raises.

    Args:
        told: Tells an async handler to end, at its next await.
        max_bytes: The largest result.

    Raises:
        UnfitResult: The result cannot go (R14).
    """
    value = handler.run(params, ctx)
    if handler.is_async:
        value = _in_event_loop(told, value)
    return encode_result(value, max_bytes=max_bytes)


def _in_event_loop(told: Cancellable, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine in an event loop of this slot alone; a cancellation reaches it at its next await."""

    async def cancellable() -> Any:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(coroutine)

        def cancel() -> None:
            loop.call_soon_threadsafe(task.cancel)

        forget = told.on_cancel(cancel)
        try:
            return await task
        except asyncio.CancelledError as error:
            reason = told.cancelled
            if reason is None:
                raise
            raise TaskCancelled(reason) from error
        finally:
            forget()

    with asyncio.Runner() as runner:
        return runner.run(cancellable())
