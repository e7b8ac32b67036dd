"""OpenTelemetry's SDK, set up by its standard variables, in processes of ours."""

import logging
import sys
import threading

import pytest
from opentelemetry import trace
from opentelemetry.util._once import Once

from prismq_worker_sdk.model.events import Phase, PhaseChanged
from prismq_worker_sdk.observe.span_export import SpanExport, span_export

ASKS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


class Provider:
    """Whose shutdown takes until the test is over."""

    def __init__(self):
        self.begun, self.over = threading.Event(), threading.Event()

    def shutdown(self):
        self.begun.set()
        self.over.wait(60)


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.over.set()


@pytest.fixture(autouse=True)
def nobody_traces(monkeypatch):
    said = logging.getLogger("opentelemetry")
    handlers, propagate = said.handlers[:], said.propagate
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    yield
    said.handlers[:], said.propagate = handlers, propagate


def test_an_end_does_not_wait_for_what_is_not_sent(provider):
    export = SpanExport(provider)
    export(PhaseChanged(Phase.DRAINING, "a test", 0.0))
    export.close()

    assert provider.begun.wait(10)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "x"},
        {"OTEL_TRACES_EXPORTER": "none", **ASKS},
        {"OTEL_TRACES_EXPORTER": " , ", **ASKS},
        {"OTEL_SDK_DISABLED": " TRUE ", **ASKS},
    ],
    ids=str,
)
def test_nothing_is_set_up_where_nobody_asks(environment):
    told = []

    assert span_export(told.append, environment) is None
    assert told == []
    assert trace._TRACER_PROVIDER is None


@pytest.mark.parametrize("environment", [ASKS, {"OTEL_TRACES_EXPORTER": "otlp"}], ids=str)
def test_a_variable_that_asks_for_traces_sets_them_up(environment):
    told = []
    export = span_export(told.append, environment)
    provider = trace.get_tracer_provider()

    assert told == []
    assert provider.resource.attributes["service.name"] == "prismq-worker"
    assert isinstance(export, SpanExport)
    export.close()


def test_what_is_not_known_is_said_and_the_rest_is_done():
    told = []
    export = span_export(told.append, {"OTEL_TRACES_EXPORTER": "zipkin,otlp"})

    assert isinstance(export, SpanExport)
    assert [("'zipkin'" in text, "otlp" in text) for text in told] == [(True, True)]
    export.close()


def test_a_provider_that_a_plugin_has_set_up_stays(monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider

    own = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", own)

    assert span_export(pytest.fail, ASKS) is None
    assert trace.get_tracer_provider() is own


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    told = []

    assert span_export(told.append, ASKS) is None
    assert "prismq-worker-sdk[otel]" in told[0]


def test_of_what_opentelemetry_says_one_line_a_minute_is_shown(caplog):
    export = span_export(pytest.fail, ASKS)
    for number in range(5):
        logging.getLogger("opentelemetry.exporter").warning("batch %s", number)

    shown = [record.getMessage() for record in caplog.records]
    assert len(shown) == 1
    assert "batch 0" in shown[0]
    export.close()
