"""The producer's side: create tasks, look at them, wait for their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import SecretStr

from prismq_worker_sdk.errors import PrismqError, RequestRefused
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.protocol import ServerInfo, Throttled, Unreachable, UnrecognisedServer
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.alerts import Alerts
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions
from prismq_worker_sdk.wire.dialect import Dialect
from prismq_worker_sdk.wire.dialects import AUTO, DIALECTS, HEALTH, dialect_named, recognise
from prismq_worker_sdk.wire.handle import TaskHandle as TaskHandle  # noqa: PLC0414 - where users look for it
from prismq_worker_sdk.wire.key_redaction import clean_error
from prismq_worker_sdk.wire.limits import FleetLimits
from prismq_worker_sdk.wire.looking import until_children_ended, until_finished
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply, HttpRequest, Steps, perform
from prismq_worker_sdk.wire.producer_backend import (
    ChildPage,
    Created,
    LogFilter,
    LogPage,
    ProducerBackend,
    Submission,
    Submitted,
    TaskFilter,
    TaskPage,
    TypeSchema,
    error_of,
)
from prismq_worker_sdk.wire.producer_spans import kept, traced_submit, traced_submits
from prismq_worker_sdk.wire.rate_limits import RateLimits, rate_limits_of
from prismq_worker_sdk.wire.schedules import Schedules
from prismq_worker_sdk.wire.steering import Steering
from prismq_worker_sdk.wire.transport import Timeouts, Transport, checked_key
from prismq_worker_sdk.wire.workers import Workers

T = TypeVar("T")


class TaskManagerClient:
    """Creates tasks and looks at them; may be shared by threads one at a time only.

    Args:
        api_url: For example `http://localhost:8000/api`.
        api_key: The key, when the server wants one.
        options: CA, client certificate, proxy.
        sleep: How to wait between two looks.
        dialect: `v1` or `prismq-client`; `auto` finds it by the server's health, once, before the first call.

    Every method raises ServerUnreachable, NotATaskManager, Unauthorised, RequestRefused or NotSupported.
    """

    def __init__(
        self,
        api_url: str,
        *,
        api_key: str | SecretStr | None = None,
        timeouts: Timeouts | None = None,
        options: ConnectionOptions = NO_OPTIONS,
        sleep: Callable[[float], None] = time.sleep,
        dialect: str = "auto",
    ) -> None:
        secret = checked_key(api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key)
        self._transport = Transport(api_url, key=lambda: secret, timeouts=timeouts, options=options)
        self._api_url = api_url
        self._sleep = sleep
        self._limits: RateLimits | None = None
        self._found: ProducerBackend | None = None
        self._capabilities: Capabilities | None = None
        if dialect != AUTO:
            self._use(dialect_named(dialect))

    def submit(  # noqa: PLR0913 - all that can be said of a task
        self,
        task_type: str,
        params: Mapping[str, Any],
        *,
        priority: int | None = None,
        max_attempts: int | None = None,
        delay_seconds: float | None = None,
        dedupe_key: str | None = None,
        parent_id: str | None = None,
        run_key: str | None = None,
    ) -> TaskHandle:
        """Creates a task, or gives the one that stands for it already: see `created` and `task.status` of the handle.

        Args:
            dedupe_key: Gives the unfinished task that has it (v1).
            run_key: Any text that tells this run of a job from others of the same type and params. A `prismq-client`
                server creates such a task once and for ever, so that the same job runs again under another key only;
                the key is kept in the params, and taken out before a handler sees them. v1 creates a task each time
                and needs none.

        Raises:
            RequestRefused: The params do not fit the registered schema; `faults` names each field.
            NotSupported: A `prismq-client` server knows no more than type, params and run key.
        """
        wanted = Submission(
            task_type=task_type,
            params=params,
            run_key=run_key,
            priority=priority,
            max_attempts=max_attempts,
            delay_seconds=delay_seconds,
            dedupe_key=dedupe_key,
            parent_id=parent_id,
        )

        def send(one: Submission) -> Created:
            return self._perform(lambda backend: backend.submit(kept(one, self._can)))

        created = traced_submit(wanted, send, self._api_url)
        return TaskHandle(created.task, created=created.new, client=self)

    def submit_many(self, submissions: Iterable[Submission]) -> list[TaskHandle | RequestRefused]:
        """Creates many tasks, in as few calls as the server allows; one answer for each, in the order given.

        A server that announces `batch` takes up to 1,000 in one call and one transaction, any other one by one.

        Args:
            submissions: Each with what `submit` takes.

        Returns:
            Handles; in place of a task that was refused, why: it stops no other.

        Raises:
            ServerUnreachable: No answer came; what was created before stays. With a `dedupe_key` each they can be
                given again without becoming two.
        """

        def send(all_: Sequence[Submission]) -> list[Submitted]:
            return self._perform(
                lambda backend: backend.submit_many([kept(one, self._can) for one in all_], self._can())
            )

        found = traced_submits(list(submissions), send, self._api_url)
        return [
            one if isinstance(one, RequestRefused) else TaskHandle(one.task, created=one.new, client=self)
            for one in found
        ]

    def get(self, task_id: str) -> Task:
        """A task.

        Raises:
            RequestRefused: There is no such task (status 404).
        """
        return self._perform(lambda backend: backend.get(task_id))

    def show(self, task_id: str) -> dict[str, Any]:
        """A task as the server tells it, its history included where it has one."""
        return self._perform(lambda backend: backend.show(task_id))

    def tasks(
        self,
        *,
        status: str | None = None,
        task_type: str | None = None,
        worker_id: str | None = None,
        q: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **more: str | None,
    ) -> TaskPage:
        """Tasks, newest first; a `prismq-client` server finds them by status and type only, and tells no params.

        Args:
            more: `parent_id`, `error_type`, `error` (part of it), `created_after`, `created_before`, `ended_after`,
                `ended_before` (RFC 3339), where the server announces `bulk`.
        """
        wanted = TaskFilter(
            status=status, task_type=task_type, worker_id=worker_id, q=q, limit=limit, cursor=cursor, **more
        )
        return self._perform(lambda backend: backend.tasks(wanted))

    def logs(
        self, task_id: str, *, attempt: int | None = None, limit: int | None = None, cursor: str | None = None
    ) -> LogPage:
        """What the handlers of a task logged, oldest first (v1, where the server announces `logs`).

        An empty page is the end for now; its cursor may be asked again.
        """
        wanted = LogFilter(attempt=attempt, limit=limit, cursor=cursor)
        return self._perform(lambda backend: backend.logs(task_id, wanted))

    def cancel(self, task_id: str) -> Task:
        """Cancels a task: a pending one fails at once, a running one is told (v1)."""
        return self._perform(lambda backend: backend.cancel(task_id))

    def retry(self, task_id: str) -> Task:
        """Makes a failed task pending again (v1); on `prismq-client` a new one of its type and params takes its place.

        There, the same task is given for each call: retry the new one, should it fail too.

        Raises:
            RequestRefused: The task has not failed.
        """
        return self._perform(lambda backend: backend.retry(task_id))

    def publish(
        self,
        task_type: str,
        *,
        version: str,
        param_schema: Mapping[str, Any],
        result_schema: Mapping[str, Any] | None = None,
        allow_breaking: bool = False,
        limits: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Registers the parameter schema of a task type; tasks are checked against it when they are created.

        A `prismq-client` server gets the schema in the few words that it understands, less strict where it lacks one.

        Args:
            result_schema: What its results look like, for their readers; not checked, and kept by v1 only.
            allow_breaking: Whether producers may be broken; on a `prismq-client` server, whether another schema may be
                overwritten.
            limits: What its tasks use, as `limits.set_uses` takes it, where the server counts limits.

        Returns:
            The type in the server's words; with `unchanged` where a `prismq-client` server had it already.

        Raises:
            RequestRefused: The change breaks existing producers, and is not allowed to (status 409).
        """
        wanted = TypeSchema(
            name=task_type,
            version=version,
            param_schema=param_schema,
            result_schema=result_schema,
            allow_breaking=allow_breaking,
            limits=limits if limits is not None and self.limits.counted else None,
        )
        return self._perform(lambda backend: backend.publish(wanted))

    def task_types(self) -> list[dict[str, Any]]:
        """The registered task types (v1)."""
        return self._perform(lambda backend: backend.task_types())

    def stats(self) -> dict[str, Any]:
        """Depth, oldest pending age, in flight and rates, per type (v1)."""
        return self._perform(lambda backend: backend.stats())

    def children(self, task_id: str, *, limit: int | None = None, cursor: str | None = None) -> ChildPage:
        """The children of a task, newest first, and how all of them stand (v1).

        Args:
            limit: Of the page; 0 for how they stand alone.
        """
        return self._perform(lambda backend: backend.children(task_id, limit, cursor))

    @property
    def schedules(self) -> Schedules:
        """What the server makes again and again: list, show, set, delete, pause, resume, run (v1)."""
        return Schedules(lambda request: self._perform(lambda backend: backend.manage(request)))

    @property
    def steering(self) -> Steering:
        """What operators do: to many tasks, to one that waits, and to task types (v1 with the bundle `bulk`)."""
        return Steering(lambda request: self._perform(lambda backend: backend.manage(request)))

    @property
    def api_url(self) -> str:
        """The address of the server."""
        return self._api_url

    @property
    def workers(self) -> Workers:
        """Who works for this server: list, quiet, resume, terminate (v1)."""
        return Workers(lambda request: self._perform(lambda backend: backend.manage(request)))

    @property
    def limits(self) -> FleetLimits:
        """The limits of the whole fleet (v1 with the bundle `limits`)."""
        return FleetLimits(lambda request: self._perform(lambda backend: backend.manage(request)), self._can)

    @property
    def alerts(self) -> Alerts:
        """What the server tells webhooks of: list, set, delete, test (v1)."""
        return Alerts(lambda request: self._perform(lambda backend: backend.manage(request)))

    def wait(self, task_id: str, timeout: float | None = None) -> Task:
        """The task once it has completed or failed.

        Raises:
            TimeoutError: It is not finished within the timeout (seconds); it goes on all the same.
        """
        return until_finished(lambda: self.get(task_id), task_id, timeout, self._sleep)

    def wait_children(self, task_id: str, timeout: float | None = None) -> ChildPage:
        """How the children of a task stand once it and all of them have ended: see `TaskHandle.wait_children`."""
        return until_children_ended(lambda: self.children(task_id, limit=0), task_id, timeout, self._sleep)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def _perform(self, call: Callable[[ProducerBackend], Steps[T]]) -> T:
        """What a call comes to; what goes wrong is told without the key."""
        try:
            return perform(call(self._backend()), self._send)
        except PrismqError as error:
            clean_error(error, self._transport.secret)
            raise

    def _backend(self) -> ProducerBackend:
        """How this server does what a producer asks.

        A health that is refused tells nothing: the call itself is made in the first dialect, and says what is wrong.
        """
        if self._found is not None:
            return self._found
        match recognise(self._transport.send(HEALTH)):
            case ServerInfo() as info:
                self._capabilities = info.capabilities
                return self._use(dialect_named(info.dialect))
            case UnrecognisedServer() | Unreachable() | Throttled() as failure:
                raise error_of(failure, self._api_url)
        return DIALECTS[0].producer(self._api_url)

    def _can(self) -> Capabilities:
        """What the server announces; asked now where the dialect was set by hand."""
        if self._capabilities is None:
            found = recognise(self._transport.send(HEALTH))
            self._capabilities = found.capabilities if isinstance(found, ServerInfo) else BASE
        return self._capabilities

    def _use(self, dialect: Dialect) -> ProducerBackend:
        if dialect.limits_requests:
            self._limits = rate_limits_of(self._api_url)
        self._found = dialect.producer(self._api_url)
        return self._found

    def _send(self, request: HttpRequest) -> HttpAnswer:
        if self._limits is None:
            return self._transport.send(request)
        limited = self._limits.refusal(request, spread=False)
        if limited is not None:
            raise error_of(limited, self._api_url)
        answer = self._transport.send(request)
        if isinstance(answer, HttpReply):
            self._limits.learn(request, answer)
        return answer
