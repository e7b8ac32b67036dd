"""Spans for tests: kept in this process, or taken from any process by an OTLP/HTTP receiver."""

import gzip
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.processes import wait_until


class Kept:
    """The spans of this process, as they ended."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def all(self):
        """Without those that FastAPI makes of requests: the server is in this process too."""
        found = self._exporter.get_finished_spans()
        return [span for span in found if span.instrumentation_scope.name in {"prismq_worker_sdk", "test"}]

    def named(self, name):
        return [span for span in self.all() if span.name.partition(" ")[0] == name]

    def one(self, name):
        (found,) = wait_until(lambda: self.named(name), f"a span {name}")
        return found


@contextmanager
def traced(monkeypatch):
    """A program that traces; afterwards it is as if it never had."""
    kept = Kept()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", kept.provider)
    yield kept
    monkeypatch.undo()


@dataclass
class Received:
    """A span as a collector has got it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start: int
    end: int
    attributes: dict = field(default_factory=dict)
    links: list = field(default_factory=list)
    failed: bool = False
    text: str = ""
    resource: dict = field(default_factory=dict)

    @property
    def what(self):
        return self.name.partition(" ")[0]


class Receiver:
    """A collector that keeps what it gets.

    Args:
        hangs: Never answers.
    """

    def __init__(self, *, hangs=False):
        self._spans, self._lock, self._end = [], threading.Lock(), threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hangs:
                    receiver._end.wait()
                    return
                body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                receiver._take(self.path, body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._server.shutdown()
        self._server.server_close()

    def spans(self, trace_id=None):
        """What came, in the order of their beginnings."""
        with self._lock:
            found = [one for one in self._spans if trace_id in {None, one.trace_id}]
        return sorted(found, key=lambda one: (one.start, -one.end))

    def _take(self, path, body):
        assert path == "/v1/traces", path
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for resource in request.resource_spans:
                of = _attributes(resource.resource.attributes)
                for scope in resource.scope_spans:
                    self._spans += [_received(span, of) for span in scope.spans]


def _received(span, resource):
    return Received(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        [link.span_id.hex() for link in span.links],
        span.status.code == span.status.STATUS_CODE_ERROR,
        span.status.message,
        resource,
    )


def _attributes(pairs):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}
