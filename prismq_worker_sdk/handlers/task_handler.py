"""The two ways to write a handler: `@task_handler` for a function, TaskHandler for what owns resources."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, TypeAlias, get_type_hints

from prismq_worker_sdk.compat import signature
from prismq_worker_sdk.errors import PluginError, SchemaError
from prismq_worker_sdk.handlers.context import TaskContext
from prismq_worker_sdk.handlers.handler import (
    DEFAULT_TIME_LIMIT,
    Handler,
    Quota,
    parse_rate,
    takes_params_and_ctx,
)
from prismq_worker_sdk.handlers.limits import parse_limits
from prismq_worker_sdk.handlers.values import ParamsSpec, is_model
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.retry import RetryPolicy

Limits: TypeAlias = Sequence["str | Mapping[str, Any]"]


def task_handler(  # noqa: PLR0913 - all that can be said of a handler
    task_type: str,
    *,
    params: object = None,
    time_limit: float | str | None = None,
    max_concurrent: int | None = None,
    rate: str | None = None,
    limits: Limits | None = None,
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
        rate: Starts in a stretch of time in one worker, `"30/min"`.
        limits: What a task uses of limits that the server counts for the whole fleet: their keys, as `["youtube"]`, or
            `{"key": …, "units": 2}`, or `{"path": "/account", "prefix": "account:"}` for the one that a value of the
            params names. `plugins --publish` publishes it.
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
        return _handler(
            function,
            f"{function.__module__}:{function.__qualname__}",
            task_type=task_type,
            params=params,
            time_limit=time_limit,
            rate=rate,
            limits=limits,
            max_concurrent=max_concurrent,
            retry=retry,
            isolation=isolation,
        )

    return make


class TaskHandler:
    """A handler that owns resources: subclass it, set `task_type`, write `process`.

    One instance serves every slot of a worker, so `process` must not keep the state of a task on `self`. With
    `isolation="process"` each child process has an instance of its own, and `ready` is asked of the worker's.

    Attributes:
        params: As for `@task_handler`; the annotation of `process` unless set.
        settings: The settings of the plugin, set before `ready` and `setup` are called.
    """

    task_type: ClassVar[str]
    params: ClassVar[Any] = None
    time_limit: ClassVar[float | str | None] = None
    max_concurrent: ClassVar[int | None] = None
    rate: ClassVar[str | None] = None
    limits: ClassVar[Limits | None] = None
    retry: ClassVar[RetryPolicy | None] = None
    isolation: ClassVar[Literal["thread", "process"] | None] = None

    settings: Any = None

    def ready(self) -> str | None:
        """Why tasks of this type cannot be claimed now, in one sentence; None when they can."""
        return None

    def setup(self) -> None:
        """Opens what `process` needs; called once, when `ready` first says None.

        With `isolation="process"`: once in each child process, before its first task of this type.
        """

    def quotas(self) -> Sequence[Quota]:
        """What is left of the quotas of outside services, for `prismq-worker plugins --quota`; asks nobody outside."""
        return ()

    def process(self, params: Any, ctx: TaskContext) -> Any:
        """Does the work and returns the result; may be `async`."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Closes what `setup` opened; called once, after the last task has ended.

        With `isolation="process"`: in each child process that ends in order, not in one that crashes or is killed.
        """

    def as_handler(self) -> Handler:
        """This object as a Handler.

        Raises:
            PluginError: A class attribute cannot be used; names it and the class.
        """
        cls = type(self)
        origin = f"{cls.__module__}:{cls.__qualname__}"
        if cls.process is TaskHandler.process:
            raise PluginError(f"{origin} has no process(self, params, ctx); write it")
        for name in ("ready", "setup", "teardown", "quotas"):
            if inspect.iscoroutinefunction(inspect.unwrap(getattr(self, name))):
                raise PluginError(
                    f"{origin}: {name}() is async, and nobody would await it; only process() may be"
                )
        declared = ("params", "time_limit", "rate", "limits", "max_concurrent", "retry", "isolation")
        return _handler(
            self.process,
            origin,
            task_type=getattr(cls, "task_type", ""),
            ready=self.ready,
            quotas=self.quotas,
            setup=self.setup,
            teardown=self.teardown,
            settings=self.settings,
            bind=self._bind,
            **{name: getattr(cls, name) for name in declared},
        )

    def _bind(self, settings: Any) -> None:
        self.settings = settings


def as_handler(thing: object) -> Handler:
    """The Handler that this is, or that it can be made into: a Handler, a TaskHandler or a TaskHandler class.

    Raises:
        PluginError: It is none of them, or a class whose instances cannot be made without arguments.
    """
    if isinstance(thing, Handler):
        return thing
    if isinstance(thing, type) and issubclass(thing, TaskHandler):
        _takes_nothing(thing)
        return replace(thing().as_handler(), made_from=thing)
    if isinstance(thing, TaskHandler):
        return thing.as_handler()
    raise PluginError(f"{thing!r} is no handler; decorate it with @task_handler, or subclass TaskHandler")


def _takes_nothing(cls: type[Any]) -> None:
    """Raises PluginError unless an instance can be made without arguments."""
    try:
        signature(cls).bind()
    except TypeError as error:
        raise PluginError(
            f"{cls.__module__}:{cls.__qualname__} cannot be made without arguments ({error}); give an instance"
        ) from None


def _handler(
    function: Callable[..., Any],
    origin: str,
    *,
    params: object,
    time_limit: float | str | None,
    rate: str | None,
    limits: Limits | None,
    **more: Any,
) -> Handler:
    takes_params_and_ctx(function, origin)
    try:
        limit = DEFAULT_TIME_LIMIT if time_limit is None else duration.seconds(time_limit)
    except ValueError as error:
        raise PluginError(f"{origin}: time_limit: {error}") from None
    try:
        spec = ParamsSpec.of(_annotated(function) if params is None else params)
        result_schema = _result_schema(function)
    except SchemaError as error:
        raise SchemaError(f"{origin}: {error}") from None
    return Handler(
        params=spec,
        run=function,
        origin=origin,
        result_schema=result_schema,
        time_limit=limit,
        rate=parse_rate(rate, origin),
        limits=None if limits is None else parse_limits(limits, origin),
        **more,
    )


def _result_schema(function: Callable[..., Any]) -> dict[str, Any] | None:
    """The JSON Schema of the pydantic model that a function is annotated to return; None for anything else."""
    try:
        returned = _hint(function, signature(function).return_annotation)
    except NameError:
        return None  # a name for type checkers only
    if not is_model(returned):
        return None
    from prismq_worker_sdk.handlers.published import result_schema

    return result_schema(returned)


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
