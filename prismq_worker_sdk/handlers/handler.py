"""A handler: what runs for one task type, and how; and the handlers of a worker, by type."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from prismq_worker_sdk.compat import signature
from prismq_worker_sdk.errors import PluginError, SecretFileError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.retry import RetryPolicy

if TYPE_CHECKING:
    from prismq_worker_sdk.handlers.settings_source import SettingsSource
    from prismq_worker_sdk.handlers.values import ParamsSpec

DEFAULT_TIME_LIMIT = 3600.0
"""Seconds that a handler has unless it says otherwise (R16)."""

TASK_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*\Z")
LONGEST_TYPE = 255
_RATE = re.compile(r"(\d+)\s*/\s*(\d*)\s*(s|sec|m|min|h|hour|d|day)\Z", re.ASCII)
_UNITS = {"sec": "s", "min": "m", "hour": "h", "day": "d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of something that an outside service gives out.

    Attributes:
        name: What is counted, for people: `search calls`.
        used: How much of it is used up, as far as is known here.
        limit: How much there is until `resets_at`.
        resets_at: When it is given anew, with time zone; None when nobody knows.
        blocked: Why nothing of it can be had now, "" when it can.
    """

    name: str
    used: int
    limit: int
    resets_at: datetime | None = None
    blocked: str = ""

    @property
    def left(self) -> int:
        """How much may still be used; 0 while it is blocked."""
        return 0 if self.blocked else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in `period` seconds."""

    count: int
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What runs for one task type, and how; callable like the function it was made from.

    Attributes:
        run: Takes the parsed params and `ctx`; returns the result, or an awaitable of it.
        ready: Why the type cannot be claimed now, None when it can.
        quotas: What is left of the quotas of outside services.
        result_schema: JSON Schema of its results, None when it declares none.
        time_limit: Seconds.
        max_concurrent: Tasks of this type at the same time, None for no limit of its own.
        limits: What a task of it uses of the limits of the fleet, as it is published; None where nothing is said.
        origin: Where it was written, `module:name`.
        settings: What `ctx.settings` gives.
        settings_from: Where they come from, and may come from anew; None where they stay what they are.
        bind: Hands the settings to an object that wants them, before `ready` is asked.
        plugin: The module of the plugin that gave it, "" where none did.
        plugin_version: Of the distribution of that plugin, "" where it has none.
        made_from: The class whose instance was made for it without arguments, where one was.
    """

    task_type: str
    params: ParamsSpec
    run: Callable[[Any, Any], Any]
    origin: str
    ready: Callable[[], str | None] = lambda: None
    quotas: Callable[[], Sequence[Quota]] = lambda: ()
    result_schema: dict[str, Any] | None = field(default=None, compare=False)
    setup: Callable[[], None] = lambda: None
    teardown: Callable[[], None] = lambda: None
    time_limit: float = DEFAULT_TIME_LIMIT
    max_concurrent: int | None = None
    rate: Rate | None = None
    limits: tuple[dict[str, Any], ...] | None = field(default=None, compare=False)
    retry: RetryPolicy | None = None
    isolation: Literal["thread", "process"] | None = None
    settings: Any = None
    settings_from: SettingsSource | None = field(default=None, compare=False)
    bind: Callable[[Any], None] | None = None
    plugin: str = field(default="", compare=False)
    plugin_version: str = field(default="", compare=False)
    made_from: type[Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_task_type(self.task_type, self.origin)
        if not self.time_limit > 0:
            raise PluginError(f"{self.origin}: time_limit={self.time_limit!r} must be more than 0")
        if self.max_concurrent is not None and not _is_count(self.max_concurrent):
            raise PluginError(
                f"{self.origin}: max_concurrent={self.max_concurrent!r} must be a whole number, 1 or more"
            )
        if self.retry is not None and not isinstance(self.retry, RetryPolicy):
            raise PluginError(f"{self.origin}: retry={self.retry!r} is no RetryPolicy; write RetryPolicy(…)")
        if self.isolation not in {None, "thread", "process"}:
            raise PluginError(
                f"{self.origin}: isolation={self.isolation!r} is unknown; write 'thread' or 'process'"
            )

    def __call__(self, params: Any, ctx: Any) -> Any:
        """What the function itself gives."""
        return self.run(params, ctx)

    def with_settings(self, settings: Any) -> Handler:
        """The same handler with its plugin's settings."""
        if self.bind is not None:
            self.bind(settings)
        return replace(self, settings=settings)

    def with_settings_from(self, source: SettingsSource) -> Handler:
        """The same handler with its plugin's settings, which may change or come later.

        Raises:
            SettingsError: A value cannot be used.
        """
        handler = replace(self, settings_from=source)
        try:
            return handler.renewed()
        except SecretFileError:
            return handler

    def renewed(self) -> Handler:
        """The same handler with its plugin's settings as they are now.

        Raises:
            SecretFileError: They are not there yet.
        """
        settings = self.settings if self.settings_from is None else self.settings_from()
        return self if settings is self.settings else self.with_settings(settings)

    def unready(self) -> str | None:
        """Why its type cannot be claimed now, None when it can; asks `ready` once the settings are there."""
        try:
            return self.renewed().ready()
        except SecretFileError as error:
            return str(error)


def check_task_type(task_type: object, origin: str) -> None:
    """Raises PluginError unless it is a task type: dotted names such as Some.Type (docs/rules.md, limits)."""
    if not isinstance(task_type, str) or len(task_type) > LONGEST_TYPE or not TASK_TYPE.match(task_type):
        raise PluginError(
            f"{origin}: {task_type!r} is no task type; write dotted names of letters, digits and _, such as "
            "PrismQ.YouTube.ScrapeShorts"
        )


def parse_rate(value: str | None, origin: str) -> Rate | None:
    """The rate of `30/min`, `5/s`, `100/h` or `10/30s`; None for None.

    Raises:
        PluginError: It is no rate.
    """
    if value is None:
        return None
    found = _RATE.match(str(value).strip())
    if found is not None:
        period = duration.seconds(f"{found[2] or 1}{_UNITS.get(found[3], found[3])}")
        if int(found[1]) > 0 and period > 0:
            return Rate(int(found[1]), period)
    raise PluginError(f"{origin}: rate={value!r} is no rate; write for example 30/min, 5/s or 10/30s")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def takes_params_and_ctx(function: Callable[..., Any], origin: str) -> None:
    """Raises PluginError unless it can be called as `function(params, ctx)` and returns rather than yields."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{origin}: a handler returns its result; it cannot be a generator")
    try:
        signature(function).bind(object(), object())
    except TypeError:
        raise PluginError(f"{origin}: a handler takes two arguments, (params, ctx)") from None


class Registry:
    """The handlers of a worker, by task type.

    Attributes:
        find: The handler of a type, None when there is none.

    Raises:
        PluginError: Two handlers are for one task type; names both.
    """

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._handlers: dict[str, Handler] = {}
        self.find: Callable[[str], Handler | None] = self._handlers.get
        for handler in handlers:
            other = self._handlers.get(handler.task_type)
            if other is None or other == handler or _imported(other, handler):
                self._handlers[handler.task_type] = handler
            elif not _imported(handler, other):
                raise PluginError(
                    f"two handlers are for {handler.task_type}: {other.origin} and {handler.origin}; "
                    f"{_remedy(other, handler)}"
                )

    @property
    def types(self) -> tuple[str, ...]:
        """The task types, in the order of registration."""
        return tuple(self._handlers)

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers, in the order of registration."""
        return tuple(self._handlers.values())

    def get(self, task_type: str) -> Handler:
        """The handler of a type.

        Raises:
            PluginError: There is none; names those that exist.
        """
        found = self.find(task_type)
        if found is None:
            known = ", ".join(self.types) or "none"
            raise PluginError(f"no handler is for {task_type!r}; there are handlers for: {known}")
        return found


def contested(handlers: Iterable[Handler]) -> dict[str, str]:
    """The types that several handlers are for, and the sentence that refuses them."""
    by_type: dict[str, list[Handler]] = {}
    for handler in handlers:
        by_type.setdefault(handler.task_type, []).append(handler)
    found = {}
    for task_type, several in by_type.items():
        try:
            Registry(several)
        except PluginError as error:
            found[task_type] = str(error)
    return found


def _imported(one: Handler, home: Handler) -> bool:
    """Whether a plugin has imported one from the plugin whose own it is."""
    same = one.run == home.run or (one.made_from is not None and one.made_from is home.made_from)
    return same and one.plugin != home.plugin == home.origin.partition(":")[0]


def _remedy(one: Handler, other: Handler) -> str:
    if one.plugin == other.plugin:
        return "give one of them another type"
    return "load only one of their plugins (--plugin)"
