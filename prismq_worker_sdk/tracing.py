"""What OpenTelemetry of this process gives: a tracer where somebody set one up, and trace contexts in and out.

Nothing of it is imported here before the program has imported it: without it this costs a look into a dictionary.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer, TracerProvider

Endpoint = tuple[str, int]
"""Host and port of a server."""

API = "opentelemetry.trace"
SCOPE = "prismq_worker_sdk"
LONGEST_TEXT = 500
"""Characters of an error that a span tells."""


def tracer() -> Tracer | None:
    """The tracer of this program; None where nobody set one up, or it was switched off (`OTEL_SDK_DISABLED`)."""
    if API not in sys.modules:
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    return _tracer_of(provider)


@lru_cache(maxsize=1)
def _tracer_of(provider: TracerProvider) -> Tracer | None:
    """That of a provider; to ask it again and again is slow."""
    from opentelemetry import trace

    found = provider.get_tracer(SCOPE, __version__)
    return None if isinstance(found, trace.NoOpTracer) else found


def current(otherwise: TraceContext | None = None) -> TraceContext | None:
    """The span that is current in this thread, or in this task of its event loop.

    Args:
        otherwise: What is given where none is.
    """
    if API not in sys.modules:
        return otherwise
    from opentelemetry import trace

    return context_of(trace.get_current_span().get_span_context()) or otherwise


def context_of(span: SpanContext) -> TraceContext | None:
    """A span as what comes next carries it; None for none."""
    if not span.is_valid:
        return None
    parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags & 3:02x}"
    return TraceContext.read(parent, span.trace_state.to_header())


def parent(trace_context: TraceContext | None) -> Context:
    """What spans are begun under that come next; nothing, so that they begin a trace, where none is given."""
    from opentelemetry import trace
    from opentelemetry.context import Context

    if trace_context is None:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(span_of(trace_context)), Context())


def entered(trace_context: TraceContext | None) -> Callable[[], None]:
    """Makes a span of elsewhere current in this thread; the result takes that back."""
    if API not in sys.modules or trace_context is None:
        return _nothing
    return enter(parent(trace_context))


def enter(context: Context) -> Callable[[], None]:
    """Makes a context current in this thread; the result takes that back."""
    from opentelemetry.context import attach, detach

    token = attach(context)
    return lambda: detach(token)


def _nothing() -> None:
    """Nothing is to be taken back."""


def span_of(trace_context: TraceContext) -> SpanContext:
    """A span of elsewhere."""
    from opentelemetry import trace

    return trace.SpanContext(
        int(trace_context.trace_id, 16),
        int(trace_context.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(trace_context.parent[-2:], 16)),
        trace_state=trace.TraceState.from_header([trace_context.state]),
    )


def messaging(
    name: str, operation: str, server: Endpoint, task_type: str | None = None
) -> dict[str, str | int]:
    """The attributes of a span by the conventions for messaging, without what a task holds.

    Args:
        name: The operation in our words.
        operation: The same in theirs: `create`, `send`, `receive`, `process` or `settle`.
    """
    found: dict[str, str | int] = {
        "messaging.system": "prismq",
        "messaging.operation.name": name,
        "messaging.operation.type": operation,
        "server.address": server[0],
        "server.port": server[1],
    }
    return found if task_type is None else {**found, "messaging.destination.name": task_type}


def fail(span: Span, error_type: str, text: str = "") -> None:
    """Marks a span as failed.

    Args:
        text: Without secrets.
    """
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", error_type or "_OTHER")
    span.set_status(Status(StatusCode.ERROR, text[:LONGEST_TEXT] or None))
