"""The span that a new task belongs to, as requests give it and as its row keeps it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, WithJsonSchema

from prismq_worker_sdk.model.trace_context import TraceContext

TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}


class Traced(BaseModel):
    """What a new task may have: the span that it belongs to; what is malformed counts as absent.

    Attributes:
        traceparent: W3C Trace Context; `tracestate` counts for nothing without it.
    """

    traceparent: Annotated[Any, WithJsonSchema(TEXT_OR_NULL)] = None
    tracestate: Annotated[Any, WithJsonSchema(TEXT_OR_NULL)] = None

    @property
    def trace(self) -> TraceContext | None:
        """The span, None where none was given rightly."""
        return None if self.traceparent is None else TraceContext.read(self.traceparent, self.tracestate)

    def trace_columns(self) -> dict[str, str | None]:
        """The columns that keep it."""
        trace = self.trace
        return {} if trace is None else {"traceparent": trace.parent, "tracestate": trace.state or None}
