"""TaskHandler: a handler that owns resources."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.context import TaskContext
from prismq_worker_sdk.handlers.decorator import limit_of, result_schema_of, spec_of
from prismq_worker_sdk.handlers.handler import Handler, parse_rate, takes_params_and_ctx
from prismq_worker_sdk.model.quota import Quota
from prismq_worker_sdk.model.retry import RetryPolicy


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
        takes_params_and_ctx(self.process, origin)
        for name in ("ready", "setup", "teardown", "quotas"):
            if inspect.iscoroutinefunction(inspect.unwrap(getattr(self, name))):
                raise PluginError(
                    f"{origin}: {name}() is async, and nobody would await it; only process() may be"
                )
        return Handler(
            task_type=getattr(cls, "task_type", ""),
            params=spec_of(self.process if cls.params is None else None, cls.params, origin),
            run=self.process,
            origin=origin,
            ready=self.ready,
            quotas=self.quotas,
            result_schema=result_schema_of(self.process, origin),
            setup=self.setup,
            teardown=self.teardown,
            time_limit=limit_of(cls.time_limit, origin),
            max_concurrent=cls.max_concurrent,
            rate=parse_rate(cls.rate, origin),
            retry=cls.retry,
            isolation=cls.isolation,
            settings=self.settings,
            bind=self._bind,
        )

    def _bind(self, settings: Any) -> None:
        self.settings = settings
