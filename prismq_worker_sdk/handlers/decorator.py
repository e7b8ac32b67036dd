"""`@task_handler`: a function becomes the handler of a task type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_type_hints

from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.handler import DEFAULT_TIME_LIMIT, Handler, parse_rate, takes_params_and_ctx
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.retry import RetryPolicy

__all__ = ["task_handler"]


def task_handler(
    task_type: str,
    *,
    params: object = None,
    time_limit: float | str | None = None,
    max_concurrent: int | None = None,
    rate: str | None = None,
    retry: RetryPolicy | None = None,
    isolation: Literal["thread", "process"] | None = None,
) -> Callable[[Callable[..., Any]], Handler]:
    """Makes a function `(params, ctx)` the handler of a task type; it may be `async`.

    Args:
        task_type: Dotted names, such as `PrismQ.YouTube.ScrapeShorts`.
        params: A TaskParams model, a JSON Schema, the mission's form, or `dict`; the annotation of the
            function's first parameter unless given.
        time_limit: Seconds, or `"2m"`; one hour unless given.
        max_concurrent: Tasks of this type at the same time in one worker.
        rate: Starts in a stretch of time, `"30/min"`.
        retry: Tries inside one claim after Transient; none unless given.
        isolation: Where it runs; the worker's setting unless given.

    Raises:
        PluginError: An argument cannot be used; names it and the function.
        SchemaError: The parameters are declared wrongly.
    """

    def make(function: Callable[..., Any]) -> Handler:
        from prismq_worker_sdk.handlers.schema import ParamsSpec

        origin = f"{function.__module__}:{function.__qualname__}"
        takes_params_and_ctx(function, origin)
        declared = declared_params(function) if params is None else params
        return Handler(
            task_type=task_type,
            params=ParamsSpec.of(declared),
            run=function,
            origin=origin,
            is_async=inspect.iscoroutinefunction(function),
            time_limit=limit_of(time_limit, origin),
            max_concurrent=max_concurrent,
            rate=parse_rate(rate, origin),
            retry=retry,
            isolation=isolation,
        )

    return make


def declared_params(function: Callable[..., Any]) -> object:
    """What the annotation of the first parameter declares; `dict` when there is none."""
    first = next(iter(inspect.signature(function).parameters))
    try:
        annotation = get_type_hints(function).get(first, dict)
    except NameError:
        annotation = function.__annotations__.get(first, dict)
    origin = getattr(annotation, "__origin__", None)
    return dict if origin is dict or annotation is Any else annotation


def limit_of(time_limit: float | str | None, origin: str) -> float:
    """The seconds of a time limit.

    Raises:
        PluginError: It is no duration.
    """
    if time_limit is None:
        return DEFAULT_TIME_LIMIT
    try:
        return duration.seconds(time_limit)
    except ValueError as error:
        raise PluginError(f"{origin}: time_limit: {error}") from None
