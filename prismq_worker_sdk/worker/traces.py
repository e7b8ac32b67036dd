"""The spans of tasks: claim, validate, run and commit under one of the task, and deliver, whenever that is.

Made only where a tracer was set up when the worker started; names and attributes are OpenTelemetry's for messaging.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from prismq_worker_sdk.decide.exceptions import sentence, tell
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import End, TaskRef
from prismq_worker_sdk.model.protocol import ReportAnswer, ReportReply
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.tracing import context_of, enter, fail, messaging, parent, tracer
from prismq_worker_sdk.wire.address import host_and_port

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")
SECOND = 1_000_000_000
"""Nanoseconds."""

_LOG = logging.getLogger("prismq.tracing")
_TOLD: set[type] = set()


@contextmanager
def harmless() -> Iterator[None]:
    """What is done meanwhile may fail, as processors of spans do: that is told once, and stops nobody."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a program has set up, tasks are worked on
        if type(error) not in _TOLD:
            _TOLD.add(type(error))
            _LOG.warning("a span is lost: %s: %s", type(error).__name__, error)


class Traced(Protocol):
    """What has spans: an attempt."""

    claim: Claim
    ref: TaskRef
    trace: TaskTrace | None


class Tracing:
    """Makes the spans of a worker's tasks; may be used from any thread, and never waits.

    Args:
        redact: Takes secrets out of a text.
    """

    def __init__(self, found: Tracer, worker_id: str, api_url: str, redact: Callable[[str], str]) -> None:
        self._tracer = found
        self._worker_id = worker_id
        self._server = host_and_port(api_url)
        self.redact = redact

    @classmethod
    def found(cls, worker_id: str, api_url: str, redact: Callable[[str], str]) -> Tracing | None:
        """None where nobody traces."""
        used = tracer()
        return None if used is None else cls(used, worker_id, api_url, redact)

    def begin(self, attempts: Sequence[Traced], now: float) -> None:
        """Begins the spans of tasks that have come.

        Args:
            now: Clock reading.
        """
        for attempt in attempts:
            with harmless():
                attempt.trace = TaskTrace(self, attempt.claim, now)
                attempt.ref = replace(attempt.ref, trace=attempt.trace.context)

    def delivering(self, reports: Sequence[Report]) -> Sequence[Span]:
        """A span for each report that is sent now; none where they cannot be made."""
        spans: list[Span] = []
        with harmless():
            for one in reports:
                task_id, task_type = one.identity.task_id, one.identity.task_type
                spans.append(self.span("deliver", "settle", task_id, task_type, parent(one.trace)))
        return spans if len(spans) == len(reports) else ()

    def span(
        self,
        name: str,
        operation: str,
        task_id: str,
        task_type: str,
        context: Context,
        start: int | None = None,
    ) -> Span:
        """A span of an operation of a task on the server, or for it."""
        from opentelemetry import trace

        consumes = operation == "process"
        origin = trace.get_current_span(context).get_span_context()
        return self._tracer.start_span(
            f"{name} {task_type}",
            context,
            trace.SpanKind.CONSUMER if consumes else trace.SpanKind.CLIENT,
            {
                **messaging(name, operation, self._server, task_type),
                "messaging.message.id": task_id,
                "messaging.client.id": self._worker_id,
            },
            links=[trace.Link(origin)] if consumes and origin.is_valid else (),
            start_time=start,
        )

    def part(self, name: str, context: Context, start: int | None = None) -> Span:
        """A span of what the worker does for a task."""
        return self._tracer.start_span(name, context, start_time=start)


def delivered(spans: Sequence[Span], replies: Sequence[ReportReply]) -> None:
    """Ends the spans of reports that were sent."""
    for span, reply in zip(spans, replies, strict=True):
        with harmless():
            if isinstance(reply, ReportAnswer):
                span.set_attribute("prismq.report.verdict", str(reply.verdict))
            else:
                fail(span, type(reply).__name__)
            span.end()


class TaskTrace:
    """The spans of one task in this worker.

    Attributes:
        context: That of the span of the task, as its report carries it.
    """

    def __init__(self, tracing: Tracing, claim: Claim, now: float) -> None:
        from opentelemetry.trace import set_span_in_context

        task = claim.task
        start = time.time_ns() - int(_claim_seconds(claim, now) * SECOND)
        self._tracing = tracing
        self._span = tracing.span("process", "process", task.id, task.type, parent(task.trace), start)
        if task.attempt is not None:
            self._span.set_attribute("prismq.task.attempt", task.attempt)
        self._own = set_span_in_context(self._span, parent(None))
        self.context: TraceContext | None = context_of(self._span.get_span_context())
        tracing.span("claim", "receive", task.id, task.type, self._own, start).end()
        self._finished_at: int | None = None

    def enter(self) -> Callable[[], None]:
        """Makes the span of the task current in this thread; the result takes that back."""
        return enter(self._own)

    def validate(self, parse: Callable[[Any], T], params: Any) -> T:
        """What `parse` gives, under a span."""
        return self._under("validate", parse, params)

    def run(self, call: Callable[[Any], T], params: Any) -> T:
        """What the handler gives, under a span that is current in it."""
        return self._under("run", call, params)

    def finish(self) -> None:
        """The handler has ended."""
        self._finished_at = time.time_ns()

    def end(self, end: End, error: str = "", error_type: str = "") -> None:
        """Its end is stored; a second end is none.

        Args:
            error: Without secrets.
        """
        if not self._span.is_recording():
            return
        with harmless():
            if self._finished_at is not None:
                self._tracing.part("commit", self._own, self._finished_at).end()
            self._span.set_attribute("prismq.task.end", str(end))
            if end is End.FAILED:
                fail(self._span, error_type, error)
        with harmless():
            self._span.end()

    def _under(self, name: str, call: Callable[[Any], T], given: Any) -> T:
        from opentelemetry.trace import set_span_in_context

        span, leave = None, None
        with harmless():
            span = self._tracing.part(name, self._own)
            leave = enter(set_span_in_context(span, self._own))
        try:
            return call(given)
        except BaseException as error:
            with harmless():
                if span is not None:
                    fail(span, type(error).__name__, sentence(tell(error), self._tracing.redact))
            raise
        finally:
            with harmless():
                if leave is not None:
                    leave()
                if span is not None:
                    span.end()


def _claim_seconds(claim: Claim, now: float) -> float:
    """How long the claim waited for this task while the task was there: durations only, no clocks are compared."""
    waited, task = max(0.0, now - claim.sent_at), claim.task
    if task.created_at is None or task.claimed_at is None:
        return waited
    return min(waited, max(timedelta(), task.claimed_at - task.created_at).total_seconds())
