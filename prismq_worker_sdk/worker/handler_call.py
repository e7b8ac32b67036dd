"""Calls a handler in the thread where it is, sync or async; the same in a thread slot and in a child."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prismq_worker_sdk.decide.exceptions import handler_trace, trace_elsewhere
from prismq_worker_sdk.errors import SettingsError, TaskCancelled, Unavailable
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.values import encode_result
from prismq_worker_sdk.worker.context import CancelToken, RunningContext

if TYPE_CHECKING:  # who has no async handler needs none of it
    import asyncio

SETUP_AGAIN = 15.0
"""Seconds until a type whose `setup()` raised is claimed again; as often as a worker asks `ready()`."""

LEFT_OVER = 1.0
"""Seconds for what an async handler has left running: its end is known, and nothing may hold it up."""

_ENDLESS: list[asyncio.Task[Any]] = []


def renewed(handler: Handler) -> Handler:
    """The handler with its settings as they are now.

    Raises:
        Unavailable: They cannot be read.
    """
    if handler.settings_from is None:
        return handler
    try:
        return handler.renewed()
    except SettingsError as error:
        raise Unavailable(str(error), retry_in=SETUP_AGAIN) from error


def set_up(handler: Handler) -> None:
    """Sets a handler up for its first task.

    Raises:
        Unavailable: `setup()` raised, or its settings cannot be read.
    """
    handler = renewed(handler)
    try:
        with plugin_code("setup()"):
            handler.setup()
    except PluginRaised as error:
        raised = error.__cause__ or error
        unavailable = Unavailable(str(error), retry_in=SETUP_AGAIN)
        trace_elsewhere(unavailable, handler_trace(raised))
        raise unavailable from raised


def call(handler: Handler, params: Any, ctx: RunningContext, *, token: CancelToken, max_bytes: int) -> str:
    """What the handler returns, as JSON text; raises whatever it raises.

    Args:
        token: Tells an async handler to end, at its next await.
        max_bytes: The largest result.

    Raises:
        UnfitResult: The result cannot go (R14).
        Unavailable: The settings of its plugin cannot be read.
    """
    value = renewed(handler).run(params, ctx)
    if inspect.isawaitable(value):  # whatever was written around an async function, too
        value = _in_event_loop(token, value)
    return encode_result(value, max_bytes=max_bytes)


def _in_event_loop(token: CancelToken, work: Awaitable[Any]) -> Any:
    """Runs an async handler in an event loop of this slot alone; a cancellation reaches it at its next await."""
    import asyncio

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
    import asyncio

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
