"""What a worker tells of its tasks in a program that traces, and that it tells nothing where nobody does."""

import asyncio
import json
import logging
import threading
from io import StringIO

import pytest
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, get_current_span
from pydantic import BaseModel

from prismq_worker_sdk import TaskManagerClient, Worker, task_handler
from prismq_worker_sdk.decide.redaction import MARK, Redactor
from prismq_worker_sdk.observe.log_setup import log_handler
from prismq_worker_sdk.wire.producer_backend import Submission
from prismq_worker_sdk.worker.config import WorkerConfig
from tests.support.api import running_api
from tests.support.base_server import BaseServer
from tests.support.children import probes
from tests.support.processes import wait_until
from tests.support.tracing import traced

PARENT, CHILD, LAST = "Test.Parent", "Test.Child", "Test.Last"
SECRET = "canary-4f1b7c93d2"


@pytest.fixture
def api(tmp_path):
    with running_api(tmp_path, own_time=True) as running:
        yield running


@pytest.fixture
def kept(monkeypatch):
    with traced(monkeypatch) as spans:
        yield spans


class Settings:
    def __init__(self, **given):
        self._given = given

    def config(self):
        return WorkerConfig(**self._given)


@pytest.fixture
def worker(tmp_path):
    """Runs handlers until they have ended so many claims."""

    def run(url, *handlers, tasks=1, **config):
        given = {
            "api_url": url,
            "state_dir": tmp_path / "state",
            "poll_interval": 0.02,
            "max_runs": tasks,
        } | config
        one = Worker(handlers, settings=Settings(**given))
        one.start()
        assert one.wait(60) == 0
        return one

    return run


@task_handler(PARENT)
def parent(params: dict, ctx) -> dict:
    ctx.submit(CHILD, {"n": 1})
    ctx.then(LAST, {})
    return {"current": f"{get_current_span().get_span_context().span_id:016x}"}


@task_handler(CHILD)
async def child(params: dict, ctx) -> None:
    await asyncio.sleep(0)


@task_handler(LAST)
def last(params: dict, ctx) -> None:
    return None


def ids(span):
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def of(kept, span):
    """The spans right below a span, in their order."""
    found = [one for one in kept.all() if one.parent and one.parent.span_id == span.context.span_id]
    return sorted(found, key=lambda one: one.start_time)


def names(spans):
    return [span.name for span in spans]


def test_one_trace_leads_from_the_producer_over_the_task_to_its_children(api, kept, worker):
    with kept.tracer.start_as_current_span("request") as request:
        handle = TaskManagerClient(api.url).submit(PARENT, {})
    worker(api.url, parent, child, last, tasks=3)

    assert {span.context.trace_id for span in kept.all()} == {request.context.trace_id}
    (send,) = of(kept, request)
    (process,) = of(kept, send)
    steps = of(kept, process)
    assert (send.name, process.name) == (f"send {PARENT}", f"process {PARENT}")
    assert names(steps) == [f"claim {PARENT}", "validate", "run", "commit", f"deliver {PARENT}"]
    run = steps[2]
    assert sorted(names(of(kept, run))) == [f"process {CHILD}", f"process {LAST}"]
    assert handle.wait(5).result == {"current": ids(run)[1]}
    (below,) = (one for one in of(kept, run) if one.name.endswith(CHILD))
    assert names(of(kept, below)) == [f"claim {CHILD}", "validate", "run", "commit", f"deliver {CHILD}"]


def test_spans_have_the_kinds_and_attributes_of_the_conventions(api, kept, worker):
    handle = TaskManagerClient(api.url).submit(CHILD, {"secret": SECRET})
    used = worker(api.url, child)

    common = {
        "messaging.system": "prismq",
        "messaging.destination.name": CHILD,
        "messaging.message.id": handle.id,
    }
    common |= {"server.address": "127.0.0.1", "server.port": int(api.url.split(":")[2].split("/")[0])}
    told = {"send": ("send", SpanKind.PRODUCER), "claim": ("receive", SpanKind.CLIENT)}
    told |= {"process": ("process", SpanKind.CONSUMER), "deliver": ("settle", SpanKind.CLIENT)}
    for name, (operation, kind) in told.items():
        span = kept.one(name)
        wanted = common | {"messaging.operation.name": name, "messaging.operation.type": operation}
        assert wanted.items() <= span.attributes.items()
        assert span.kind is kind
        assert span.status.is_unset
    send, process = kept.one("send"), kept.one("process")
    assert [link.context.span_id for link in process.links] == [send.context.span_id]
    assert process.attributes["messaging.client.id"] == used.worker_id
    assert (process.attributes["prismq.task.end"], process.attributes["prismq.task.attempt"]) == (
        "completed",
        1,
    )
    assert kept.one("deliver").attributes["prismq.report.verdict"] == "accepted"
    assert [kept.one(name).kind for name in ("validate", "run", "commit")] == [SpanKind.INTERNAL] * 3
    assert SECRET not in "".join(span.to_json() for span in kept.all())


def test_a_failure_is_told_by_its_type_and_without_secrets(api, kept, worker):
    @task_handler("Test.Fails")
    def fails(params: dict, ctx):
        raise KeyError(f"the key {SECRET} is wrong")

    TaskManagerClient(api.url).submit("Test.Fails", {"password": SECRET}, max_attempts=1)
    worker(api.url, fails, secrets=[SECRET])

    for name in ("run", "process"):
        span = kept.one(name)
        assert span.attributes["error.type"] == "KeyError"
        assert not span.status.is_ok
        assert MARK in span.status.description
    assert "error.type" not in kept.one("deliver").attributes
    assert SECRET not in "".join(span.to_json() for span in kept.all())
    assert not any(span.events for span in kept.all())


def test_params_that_do_not_fit_fail_the_validation(api, kept, worker):
    class Wanted(BaseModel):
        n: int

    @task_handler("Test.Wants", params=Wanted)
    def wants(params: Wanted, ctx) -> int:
        return params.n

    TaskManagerClient(api.url).submit("Test.Wants", {"n": "x"}, max_attempts=1)
    worker(api.url, wants)

    assert kept.one("validate").attributes["error.type"] == "InvalidParams"
    assert kept.one("process").attributes["error.type"] == "invalid_params"
    assert kept.named("run") == []


def test_a_task_of_a_base_server_begins_a_trace_of_its_own(kept, worker):
    with BaseServer() as server:
        server.state.add([{"type": CHILD}])
        worker(server.url, child)

    process = kept.one("process")
    assert process.parent is None
    assert names(of(kept, process)) == [f"claim {CHILD}", "validate", "run", "commit", f"deliver {CHILD}"]


@pytest.mark.parametrize("given", ["x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", 7, None, ["a"]])
def test_a_malformed_traceparent_of_a_server_begins_a_trace_of_its_own(kept, worker, given):
    with BaseServer() as server:
        server.state.add([{"type": CHILD, "traceparent": given, "tracestate": "\x00"}])
        worker(server.url, child)

    assert kept.one("process").parent is None


def test_log_lines_of_a_task_name_its_trace(api, kept, worker):
    @task_handler("Test.Says")
    def says(params: dict, ctx):
        ctx.log.warning("in the handler")
        with kept.tracer.start_as_current_span("own"):
            logging.getLogger("library").warning("in a span of its own")

    @task_handler("Test.SaysLater")
    async def later(params: dict, ctx):
        await asyncio.sleep(0)
        ctx.log.warning("after an await")
        await asyncio.to_thread(ctx.log.warning, "in a thread of asyncio")

    out = StringIO()
    handler = log_handler("json", Redactor(), stream=out)
    logging.getLogger().addHandler(handler)
    try:
        client = TaskManagerClient(api.url)
        client.submit("Test.Says", {})
        client.submit("Test.SaysLater", {})
        worker(api.url, says, later, tasks=2)
    finally:
        logging.getLogger().removeHandler(handler)

    lines = {line["message"]: line for line in map(json.loads, out.getvalue().splitlines())}
    runs = {parent_type(kept, run): run for run in kept.named("run")}
    own = kept.one("own")
    assert named(lines["in the handler"]) == ids(runs["Test.Says"])
    assert named(lines["in a span of its own"]) == ids(own)
    assert (
        named(lines["after an await"])
        == named(lines["in a thread of asyncio"])
        == ids(runs["Test.SaysLater"])
    )


def parent_type(kept, span):
    (above,) = (one for one in kept.all() if one.context.span_id == span.parent.span_id)
    return above.attributes["messaging.destination.name"]


def named(line):
    return line["trace_id"], line["span_id"]


def test_many_tasks_have_a_span_of_their_creation_each(api, kept, worker):
    with kept.tracer.start_as_current_span("request") as request:
        TaskManagerClient(api.url).submit_many(Submission(task_type=CHILD, params={}) for _ in range(2))
    worker(api.url, child, tasks=2)

    one, two, send = of(kept, request)
    assert names([one, two, send]) == [f"create {CHILD}"] * 2 + ["send"]
    assert {one.kind, two.kind} == {SpanKind.PRODUCER}
    assert send.kind is SpanKind.CLIENT
    assert send.attributes["messaging.batch.message_count"] == 2
    assert [link.context.span_id for link in send.links] == [one.context.span_id, two.context.span_id]
    assert names(of(kept, one)) == names(of(kept, two)) == [f"process {CHILD}"]


def test_tasks_are_created_under_the_span_of_a_coroutine_and_of_its_threads(api, kept):
    async def request(number):
        with kept.tracer.start_as_current_span(f"request {number}") as span:
            await asyncio.sleep(0)
            await asyncio.to_thread(TaskManagerClient(api.url).submit, LAST, {})
            return span.context.span_id

    async def requests():
        return await asyncio.gather(*map(request, range(3)))

    above = asyncio.run(requests())
    assert sorted(above) == sorted(span.parent.span_id for span in kept.named("send"))


def test_a_refused_submit_says_so(api, kept):
    with pytest.raises(Exception, match="type"):
        TaskManagerClient(api.url).submit("no type!", {})

    span = kept.one("send")
    assert (span.attributes["error.type"], span.status.is_ok) == ("422", False)
    assert not span.events


def test_a_server_that_keeps_no_trace_gets_none(kept):
    with BaseServer() as server:
        client = TaskManagerClient(server.url)
        with pytest.raises(Exception, match="base protocol"):
            client.submit(CHILD, {})

    assert kept.one("send").attributes["error.type"]


def test_without_a_tracer_a_task_carries_its_trace_to_its_children(api, worker):
    given = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "v=1"}
    api.submit(PARENT, **given)
    worker(api.url, parent, child, last, tasks=3)

    listed = api.call("GET", f"/tasks?type={CHILD}&limit=1").json()["tasks"]
    assert {name: listed[0][name] for name in given} == given


class Broken(SpanProcessor):
    """Raises whatever it is told."""

    def __init__(self, *moments):
        self._moments = moments

    def on_start(self, span, parent_context=None):
        if "start" in self._moments:
            raise RuntimeError("broken at the start")

    def on_end(self, span):
        if "end" in self._moments:
            raise RuntimeError("broken at the end")


@pytest.mark.parametrize("moment", ["start", "end"])
def test_a_processor_of_spans_that_raises_costs_no_task(kept, worker, moment):
    kept.provider.add_span_processor(Broken(moment))
    with BaseServer() as server:
        server.state.add([{"type": CHILD}, {"type": "Test.Fails"}])

        @task_handler("Test.Fails")
        def fails(params: dict, ctx):
            raise KeyError("x")

        worker(server.url, child, fails, tasks=2)
        assert server.state.seen()["counts"] == {"completed": 1, "failed": 1}


def test_a_child_of_a_process_slot_belongs_to_the_span_of_its_handler(api, kept, worker):
    (submit,) = [one for one in probes() if one.task_type == "Probe.Submit"]
    with kept.tracer.start_as_current_span("request"):
        handle = TaskManagerClient(api.url).submit("Probe.Submit", {})
    worker(api.url, submit, isolation="process")

    found = api.call("GET", f"/tasks/{handle.id}/children").json()["tasks"]
    assert {one["traceparent"] for one in found} == {f"00-{'-'.join(ids(kept.one('run')))}-03"}


def test_the_tracer_of_one_worker_is_looked_for_when_it_starts(api, kept, tmp_path):
    settings = Settings(api_url=api.url, state_dir=tmp_path, poll_interval=0.02)
    done = threading.Event()

    @task_handler("Test.Done")
    def note(params: dict, ctx):
        done.set()

    with Worker([note], settings=settings):
        api.submit("Test.Done")
        wait_until(done.is_set)
    assert kept.one("process")
