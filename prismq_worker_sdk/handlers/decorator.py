"""`@task_handler`: a function becomes the handler of a task type."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from prismq_worker_sdk.compat import signature
from prismq_worker_sdk.errors import PluginError, SchemaError
from prismq_worker_sdk.handlers.handler import DEFAULT_TIME_LIMIT, Handler, parse_rate, takes_params_and_ctx
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.retry import RetryPolicy

if TYPE_CHECKING:
    from prismq_worker_sdk.handlers.schema import ParamsSpec


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

    Where it is annotated to return a pydantic model, the JSON Schema of that is published beside the params'.

    Args:
        task_type: Dotted names, such as `PrismQ.YouTube.ScrapeShorts`.
        params: A TaskParams model, a JSON Schema, the mission's form, or `dict`; the annotation of the
            function's first parameter unless given.
        time_limit: Seconds, or `"2m"`; one hour unless given.
        max_concurrent: Tasks of this type at the same time in one worker.
        rate: Starts in a stretch of time, `"30/min"`.
        retry: Tries inside one claim after Transient; none unless given.
        isolation: Where it runs, `"thread"` or `"process"`; the worker's setting unless given. In a process of its
            own it can be killed, may crash, and holds nobody up; it must stand at the top of a module or come from
            a plugin.

    Raises:
        PluginError: An argument cannot be used; names it and the function.
        SchemaError: The parameters, or the model that it returns, are declared wrongly.
    """
    if not isinstance(task_type, str):
        raise PluginError(f'@task_handler({task_type!r}): write @task_handler("PrismQ.YouTube.ScrapeShorts")')

    def make(function: Callable[..., Any]) -> Handler:
        if not (inspect.isroutine(function) and hasattr(function, "__qualname__")):
            raise PluginError(f"{function!r} is no function; decorate one, or subclass TaskHandler")
        origin = f"{function.__module__}:{function.__qualname__}"
        takes_params_and_ctx(function, origin)
        return Handler(
            task_type=task_type,
            params=spec_of(function if params is None else None, params, origin),
            run=function,
            origin=origin,
            result_schema=result_schema_of(function, origin),
            time_limit=limit_of(time_limit, origin),
            max_concurrent=max_concurrent,
            rate=parse_rate(rate, origin),
            retry=retry,
            isolation=isolation,
        )

    return make


def spec_of(function: Callable[..., Any] | None, declared: object, origin: str) -> ParamsSpec:
    """What parameters a handler takes: those that its function's first annotation declares, or the declared ones.

    Raises:
        SchemaError: They are declared wrongly; names the handler.
    """
    from prismq_worker_sdk.handlers.schema import ParamsSpec

    try:
        return ParamsSpec.of(declared if function is None else _annotated(function))
    except SchemaError as error:
        raise SchemaError(f"{origin}: {error}") from None


def result_schema_of(function: Callable[..., Any], origin: str) -> dict[str, Any] | None:
    """The JSON Schema of the pydantic model that a function is annotated to return; None for anything else.

    Raises:
        SchemaError: The model has none; names the handler.
    """
    from prismq_worker_sdk.handlers.schema import is_model

    try:
        returned = _hint(function, signature(function).return_annotation)
    except NameError:
        return None  # a name for type checkers only
    if not is_model(returned):
        return None
    from prismq_worker_sdk.handlers.published import result_schema

    try:
        return result_schema(returned)
    except SchemaError as error:
        raise SchemaError(f"{origin}: {error}") from None


def _annotated(function: Callable[..., Any]) -> object:
    """What the annotation of the first parameter declares; `dict` when there is none."""
    first = next(iter(signature(function).parameters.values()))
    if first.annotation is first.empty:
        return dict
    try:
        annotation = _hint(function, first.annotation)
    except NameError:
        name = getattr(first.annotation, "__forward_arg__", first.annotation)
        raise SchemaError(
            f"the annotation {name!r} is not known where the module is imported; import it there, or give params=…"
        ) from None
    origin = getattr(annotation, "__origin__", annotation)
    return dict if origin in (dict, Mapping, Any) else annotation


def _hint(function: Callable[..., Any], annotation: object) -> object:
    """The type that an annotation of a function means."""
    alone = SimpleNamespace(__annotations__={"it": annotation})
    return get_type_hints(alone, globalns=getattr(inspect.unwrap(function), "__globals__", {}))["it"]


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
