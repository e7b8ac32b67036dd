"""Calls a handler in the thread where it is, sync or async; the same in a thread slot and in a child."""

from __future__ import annotations

import inspect
from typing import Any

from prismq_worker_sdk.decide.exceptions import handler_trace, trace_elsewhere
from prismq_worker_sdk.errors import SettingsError, Unavailable
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.values import encode_result
from prismq_worker_sdk.worker.context import CancelToken, RunningContext

SETUP_AGAIN = 15.0
"""Seconds until a type whose `setup()` raised is claimed again; as often as a worker asks `ready()`."""


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
        from prismq_worker_sdk.worker.event_loop import in_event_loop

        value = in_event_loop(token, value)
    return encode_result(value, max_bytes=max_bytes)
