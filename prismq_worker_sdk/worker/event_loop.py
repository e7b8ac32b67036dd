"""An async handler in an event loop of its slot alone; imported with the first of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from prismq_worker_sdk.errors import TaskCancelled
from prismq_worker_sdk.worker.context import CancelToken

LEFT_OVER = 1.0
"""Seconds for what an async handler has left running: its end is known, and nothing may hold it up."""

_ENDLESS: list[asyncio.Task[Any]] = []


def in_event_loop(token: CancelToken, work: Awaitable[Any]) -> Any:
    """Runs an async handler in an event loop of this slot alone; a cancellation reaches it at its next await."""

    async def cancellable() -> Any:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def cancel() -> None:
            with suppress(RuntimeError):  # the handler has just ended, and its loop with it
                loop.call_soon_threadsafe(task.cancel)

        forget = token.on_cancel(cancel)
        try:
            return await task
        except asyncio.CancelledError as error:
            reason = token.cancelled
            if reason is None:
                raise
            raise TaskCancelled(reason) from error
        finally:
            forget()

    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(cancellable())
    finally:
        _close(loop)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Ends what an async handler has left running.

    Unlike `asyncio.run` it waits for no thread of `asyncio.to_thread`: one that the handler has given up on would keep
    its result from being stored for as long as it likes. A task that goes on whatever is raised in it is kept for ever:
    where Python takes it away, in the midst of another task or of the worker itself, it would hold that up.
    """
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    left.add(loop.create_task(loop.shutdown_asyncgens()))
    ending = loop.create_task(asyncio.wait(left, timeout=LEFT_OVER))
    try:
        while not ending.done():
            with suppress(KeyboardInterrupt, SystemExit):  # of what is left: the handler's own end stands
                loop.run_until_complete(ending)
    finally:
        _ENDLESS.extend(task for task in left if not task.done())
        asyncio.set_event_loop(None)
        loop.close()
