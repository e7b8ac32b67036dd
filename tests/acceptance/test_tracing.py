"""One trace over real processes: the producer here, a TaskManager, workers of which one is killed, a process slot."""

import signal

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from prismq_worker_sdk import TaskManagerClient
from tests.support.processes import wait_until
from tests.support.taskmanager import TaskManager
from tests.support.tracing import Receiver

PARENT, CHILD = "Trace.Parent", "Trace.Child"
PLUGIN = f"""
import os, time
from pathlib import Path
from opentelemetry import trace
from prismq_worker_sdk import task_handler

def begun(name):
    Path(os.environ["RUNS_FILE"]).with_name(name).touch()

@task_handler("{PARENT}")
def parent(params: dict, ctx) -> dict:
    ctx.log.warning("in the parent")
    begun("begun")
    while not Path(os.environ["GATE_FILE"]).exists():
        ctx.sleep(0.02)
    ctx.submit("{CHILD}", {{}})
    return {{}}

@task_handler("{CHILD}", isolation="process")
def child(params: dict, ctx) -> dict:
    with trace.get_tracer("plugin").start_as_current_span("own"):
        ctx.log.warning("in the child")
    return {{}}
"""
AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "20"}
NEVER = {"OTEL_EXPORTER_OTLP_TIMEOUT": "100000"}
"""Seconds; longer than any deadline here."""


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture
def manager(tmp_path):
    running = TaskManager(tmp_path / "server")
    yield running
    running.kill()


@pytest.fixture
def producer(monkeypatch, receiver, manager):
    """A program that traces and sends what it has straight away."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{receiver.url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield TaskManagerClient(manager.url)
    provider.shutdown()


@pytest.fixture
def start(start_worker, tmp_path, manager):
    plugin = tmp_path / "traced_plugin.py"
    plugin.write_text(PLUGIN)

    def start(*arguments, **environment):
        return start_worker(manager.url, *arguments, environment=environment, plugin=plugin)

    return start


def below(spans, above):
    return [one for one in spans if one.parent_id == above.span_id]


def one(spans, what, kind):
    (found,) = [span for span in spans if span.name == f"{what} {kind}"]
    return found


def told(worker, message):
    (line,) = [line for line in worker.lines() if line["message"] == message]
    return line["trace_id"], line["span_id"]


def test_a_trace_leads_from_submit_to_the_child_through_a_worker_that_is_killed(
    receiver, manager, producer, start
):
    asked = AT_ONCE | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    with trace.get_tracer("test").start_as_current_span("request") as request:
        trace_id = f"{request.get_span_context().trace_id:032x}"
        handle = producer.submit(PARENT, {})
    first = start(**asked)
    wait_until((first.folder / "begun").exists, "the begin of the handler")
    manager.kill()
    first.gate_file.touch()
    wait_until(lambda: first.stored() == 1, "the stored outcome")
    wait_until(
        lambda: [one for one in receiver.spans(trace_id) if one.what == "process"], "the span of the task"
    )
    (committed,) = wait_until(lambda: first.events("committed"), "the line of the end")
    first.kill()
    manager.start()
    second = start("--max-runs", "1", **asked)
    assert second.exit_code() == 0
    assert handle.wait(0).result == {}

    def whole():
        found = receiver.spans(trace_id)
        ends = [span for span in found if span.what == "deliver" and not span.failed]
        return found if len(ends) == 2 and [span for span in found if span.name == "own"] else None

    spans = wait_until(whole, "the whole trace")
    root, send = spans[0], one(spans, "send", PARENT)
    assert (root.name, root.parent_id, send.parent_id) == ("request", "", root.span_id)
    assert {span.parent_id for span in spans[1:]} <= {span.span_id for span in spans}
    process = one(spans, "process", PARENT)
    assert below(spans, send) == [process]
    steps = below(spans, process)
    assert [span.what for span in steps[:4]] == ["claim", "validate", "run", "commit"]
    assert {span.what for span in steps[4:]} == {"deliver"}
    assert not steps[-1].failed
    (child,) = below(spans, steps[2])
    assert child.name == f"process {CHILD}"
    after = below(spans, child)
    assert [span.what for span in after] == ["claim", "validate", "run", "commit", "deliver"]
    (own,) = below(spans, after[2])
    assert own.name == "own"
    for span in spans:
        assert span.start <= span.end
        assert all(span.start <= later.start for later in below(spans, span))
    assert {span.resource["service.name"] for span in (process, child, own)} == {"prismq-worker"}
    assert steps[-1].attributes["messaging.client.id"] != steps[0].attributes["messaging.client.id"]
    assert told(first, "in the parent") == (trace_id, steps[2].span_id)
    assert told(second, "in the child") == (trace_id, own.span_id)
    assert (committed["trace_id"], committed["span_id"]) == (trace_id, process.span_id)


def test_a_collector_that_never_answers_delays_neither_tasks_nor_the_stop(manager, start):
    client = TaskManagerClient(manager.url)
    with Receiver(hangs=True) as deaf:
        worker = start(**AT_ONCE, **NEVER, OTEL_EXPORTER_OTLP_ENDPOINT=deaf.url)
        worker.gate_file.touch()
        for handle in [client.submit(CHILD, {}) for _ in range(20)]:
            assert handle.wait(60).status == "completed"
        assert worker.terminate(30) == 0


def test_a_collector_that_is_away_delays_neither_tasks_nor_the_stop(manager, start, unused_port):
    client = TaskManagerClient(manager.url)
    worker = start(**AT_ONCE, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{unused_port}")
    worker.gate_file.touch()
    for handle in [client.submit(PARENT, {}) for _ in range(5)]:
        assert handle.wait(60).status == "completed"
    assert worker.terminate(30) == 0
    (said,) = [line for line in worker.lines() if "OpenTelemetry says" in line["message"]]
    assert "Connection refused" in said["message"]
    assert not [line for line in worker.lines() if line["logger"].startswith("opentelemetry")]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"}, None),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"}, None),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "'zipkin'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}", "OTEL_BSP_SCHEDULE_DELAY": "-1"}, "positive"),
    ],
    ids=str,
)
def test_an_environment_that_asks_for_no_traces_or_in_vain_keeps_no_worker_from_its_tasks(
    receiver, manager, start, environment, said
):
    handle = TaskManagerClient(manager.url).submit(CHILD, {})
    worker = start(
        "--max-runs", "1", **{name: value.format(url=receiver.url) for name, value in environment.items()}
    )

    assert worker.exit_code() == 0
    assert handle.wait(0).status == "completed"
    assert receiver.spans() == []
    warned = [
        line["message"]
        for line in worker.lines()
        if line["level"] == "WARNING" and "OTEL_" in line["message"]
    ]
    assert len(warned) == (said is not None)
    assert all(said in text for text in warned)


def test_spans_that_wait_are_sent_at_the_end(receiver, manager, start):
    handle = TaskManagerClient(manager.url).submit(CHILD, {})
    worker = start(
        "--max-runs",
        "1",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="1000000",
        OTEL_SERVICE_NAME="shorts",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )

    assert worker.exit_code() == 0
    assert handle.wait(0).status == "completed"
    found = wait_until(receiver.spans, "the spans")
    assert {"claim", "validate", "run", "commit", "deliver", "process"} <= {span.what for span in found}
    of = found[0].resource
    assert (of["service.name"], of["deployment.environment.name"]) == ("shorts", "test")


def test_a_second_signal_while_spans_are_sent_ends_in_order_too(manager, start):
    client = TaskManagerClient(manager.url)
    with Receiver(hangs=True) as deaf:
        worker = start(**NEVER, OTEL_EXPORTER_OTLP_ENDPOINT=deaf.url)
        assert client.submit(CHILD, {}).wait(60).status == "completed"
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGTERM)
        assert worker.exit_code(30) == 0
