"""The spans of what a producer creates, by OpenTelemetry's conventions for messaging; none where nobody traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from prismq_worker_sdk.errors import RequestRefused
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.tracing import context_of, current, fail, messaging, span_of, tracer
from prismq_worker_sdk.wire.address import host_and_port
from prismq_worker_sdk.wire.producer_backend import Created, Submission, Submitted

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer


def traced_submit(wanted: Submission, send: Callable[[Submission], Created], api_url: str) -> Created:
    """What comes of a submission under a span `send`, whose context goes with the task."""
    found = tracer()
    if found is None:
        return send(_with(wanted))
    with _span(found, "send", wanted.task_type, api_url) as span:
        created = send(_with(wanted))
        span.set_attribute("messaging.message.id", created.task.id)
    return created


def traced_submits(
    wanted: Sequence[Submission], send: Callable[[Sequence[Submission]], list[Submitted]], api_url: str
) -> list[Submitted]:
    """The same of many: a span `create` for each, and one `send` that links to them."""
    found = tracer()
    if found is None:
        return send([_with(one) for one in wanted])
    from opentelemetry.trace import Link

    tasks = [_created(found, one, api_url) for one in wanted]
    links = [Link(span_of(one.trace)) for one in tasks if one.trace is not None]
    with _span(found, "send", None, api_url, links=links) as span:
        span.set_attribute("messaging.batch.message_count", len(tasks))
        return send(tasks)


def _created(found: Tracer, wanted: Submission, api_url: str) -> Submission:
    if wanted.trace is not None:
        return wanted
    with _span(found, "create", wanted.task_type, api_url) as span:
        return replace(wanted, trace=context_of(span.get_span_context()))


def _with(wanted: Submission) -> Submission:
    """The task with the span that is current now, unless it was given one."""
    if wanted.trace is not None or (trace := current()) is None:
        return wanted
    return replace(wanted, trace=trace)


def kept(wanted: Submission, can: Callable[[], Capabilities]) -> Submission:
    """The task without its span where the server keeps none."""
    return wanted if wanted.trace is None or can().keeps_trace else replace(wanted, trace=None)


@contextmanager
def _span(
    found: Tracer, operation: str, task_type: str | None, api_url: str, links: Sequence[Link] = ()
) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind

    with found.start_as_current_span(
        operation if task_type is None else f"{operation} {task_type}",
        kind=SpanKind.CLIENT if task_type is None else SpanKind.PRODUCER,
        attributes=messaging(operation, operation, host_and_port(api_url), task_type),
        links=links,
        record_exception=False,  # its text may say what a task holds
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except RequestRefused as error:
            fail(span, str(error.status))
            raise
        except Exception as error:
            fail(span, type(error).__name__)
            raise
