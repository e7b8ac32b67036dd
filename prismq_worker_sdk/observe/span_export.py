"""Sends spans away by OpenTelemetry's SDK, where its standard environment variables ask for it.

It is set up for processes of ours only; a program that embeds a worker sets up its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from prismq_worker_sdk.model.events import Event, PhaseChanged
from prismq_worker_sdk.model.log import message_of
from prismq_worker_sdk.observe.bus import BatchListener
from prismq_worker_sdk.tracing import tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "prismq-worker"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
KNOWN = ("otlp", "console")
FLUSH_SECONDS = 1.0
"""How long the end of a process waits for spans that were not sent yet, at most."""
QUIET_SECONDS = 60.0
"""OpenTelemetry logs several lines for each batch that a collector does not take; one in so long is shown."""

_LOG = logging.getLogger("prismq.tracing")


class _OneOfMany(logging.Handler):
    """Shows a line of OpenTelemetry's own now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Shows it, unless another one was shown just now."""
        if (now := time.monotonic()) >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            _LOG.warning(
                "OpenTelemetry says, and more that is not shown for a minute: %s", message_of(record)
            )


class SpanExport(BatchListener):
    """Spans on their way: as many wait in memory as OTEL_BSP_MAX_QUEUE_SIZE says, and nobody waits for them."""

    kinds = frozenset({PhaseChanged})

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._until: float | None = None

    def __call__(self, *events: Event) -> None:
        """Hears when the worker must have ended."""
        for event in events:
            if isinstance(event, PhaseChanged) and event.seconds_left is not None:
                self._until = time.monotonic() + event.seconds_left

    def close(self) -> None:
        """Sends what is left, for a second at most, and no longer than the worker's grace period."""
        left = FLUSH_SECONDS if self._until is None else min(FLUSH_SECONDS, self._until - time.monotonic())
        sending = threading.Thread(target=self._provider.shutdown, name="prismq-spans", daemon=True)
        sending.start()
        sending.join(max(0.0, left))


def span_export(
    tell: Callable[[str], None], environment: Mapping[str, str] = os.environ
) -> SpanExport | None:
    """Sets the SDK up; None where nothing asks for it, a plugin has done so already, or it cannot be.

    Args:
        tell: Is told why not, a sentence.
    """
    wanted = _wanted(environment, tell)
    if not wanted or tracer() is not None:
        return None
    try:
        return SpanExport(_provider(wanted))
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        tell(
            "the environment asks for traces (OTEL_…), which need the extra otel: pip install 'prismq-worker-sdk[otel]'"
        )
    except Exception as error:  # noqa: BLE001 - whatever a variable says, tasks are worked on
        tell(f"traces are not sent: the environment (OTEL_…) cannot be used: {error}")
    return None


def _wanted(environment: Mapping[str, str], tell: Callable[[str], None]) -> list[str]:
    """The exporters that are asked for and known; none where the SDK is switched off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    default = "otlp" if any(map(environment.get, ENDPOINTS)) else ""
    named = environment.get("OTEL_TRACES_EXPORTER", "").strip() or default
    found = [one.strip() for one in named.split(",") if one.strip() not in {"", "none"}]
    for unknown in sorted({*found} - {*KNOWN}):
        tell(
            f"OTEL_TRACES_EXPORTER names {unknown!r}, which is passed over: otlp, console and none are known"
        )
    protocol = next((value for name in PROTOCOLS if (value := environment.get(name))), PROTOCOL)
    if protocol != PROTOCOL and "otlp" in found:
        tell(
            f"traces are not sent by OTLP: its protocol is {protocol!r} (OTEL_EXPORTER_OTLP_PROTOCOL), and only "
            f"{PROTOCOL} is known; collectors take it at port 4318"
        )
        found.remove("otlp")
    return [one for one in KNOWN if one in found]


def _provider(wanted: list[str]) -> TracerProvider:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)  # an exit waits for nobody
    for one in wanted:
        if one == "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        else:
            provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    said = logging.getLogger("opentelemetry")
    said.handlers[:], said.propagate = [_OneOfMany()], False
    return provider


def _resource() -> Resource:
    """What the environment says of this process; a service without a name gets ours."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    found = Resource.create()
    unnamed = str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found.merge(Resource({SERVICE_NAME: SERVICE})) if unnamed else found
