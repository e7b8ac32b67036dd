"""A strict server of the base protocol, of the tests' own: it shares nothing with the SDK.

In a thread: `with BaseServer() as server: server.url`. As a process that can be killed and started again on
its journal: `python tests/support/base_server.py --port P --journal FILE` prints one JSON line.

Control, never faulted: GET /_control, POST /_control with {"add": […], "faults": {…}, "expire": [ids],
"key": "…", "away": true}.
"""

import argparse
import http.client
import json
import random
import socket
import struct
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CALLS = ("health", "claim", "complete", "fail")
TROUBLES = ("reset", "lost_answer", "http_500", "http_503", "http_429", "html_502", "cut", "slow")


class State:
    """Tasks, their owners, and everything that was asked."""

    def __init__(self, *, claim_timeout=300.0, journal=None, empty=None, key=None, seed=1):
        self.lock = threading.RLock()
        self.claim_timeout = claim_timeout
        self.journal = journal
        self.empty = empty
        self.key = key
        self.away = False
        self.faults = {}
        self.rng = random.Random(seed)
        self.tasks = {}
        self.exchanges = []
        self.violations = []
        self.upstream = None
        if journal is not None:
            self._replay()

    def _replay(self):
        try:
            with Path(self.journal).open(encoding="utf-8") as file:
                for line in file:
                    task = json.loads(line)
                    self.tasks[task["id"]] = task
        except FileNotFoundError:
            pass

    def save(self, task):
        if self.journal is not None:
            with Path(self.journal).open("a", encoding="utf-8") as file:
                file.write(json.dumps(task) + "\n")

    def add(self, tasks):
        with self.lock:
            added = []
            for given in tasks:
                task = {
                    "id": str(uuid.uuid4()),
                    "params": {},
                    "status": "pending",
                    "created_at": "2026-11-23T10:00:00Z",
                    "claimed_at": None,
                    "completed_at": None,
                    "worker_id": None,
                    "result": None,
                    "error": None,
                    "claimed_clock": None,
                    **given,
                }
                self.tasks[task["id"]] = task
                self.save(task)
                added.append(task["id"])
            return added

    def claim(self, worker_id, types):
        with self.lock:
            now = time.time()
            for task in self.tasks.values():
                lapsed = task["status"] == "processing" and now - task["claimed_clock"] >= self.claim_timeout
                if task["type"] in types and (task["status"] == "pending" or lapsed):
                    task.update(
                        status="processing",
                        worker_id=worker_id,
                        claimed_clock=now,
                        claimed_at="2026-11-23T10:00:01Z",
                    )
                    self.save(task)
                    return 200, {name: value for name, value in task.items() if name != "claimed_clock"}
            return (404, {"detail": "no task available"}) if self.empty == 404 else (200, None)

    def end(self, task_id, worker_id, status, **said):
        with self.lock:
            task = self.tasks.get(task_id)
            if task is None:
                return 404, {"detail": "no such task"}
            if task["status"] != "processing" or task["worker_id"] != worker_id:
                return 409, {"detail": "not, or no longer, yours"}
            task.update(status=status, completed_at="2026-11-23T10:00:02Z", **said)
            self.save(task)
            return 200, {"status": "success"}

    def expire(self, ids):
        with self.lock:
            for task_id in ids:
                self.tasks[task_id]["claimed_clock"] = 0.0
                self.save(self.tasks[task_id])

    def trouble(self, call):
        """The fault for this call, drawn by its probability; None for none."""
        if self.away:
            return "reset"
        plan = self.faults.get(call) or self.faults.get("*")
        if not plan:
            return None
        if self.rng.random() >= plan.get("probability", 1.0):
            return None
        if plan.get("times") is not None:
            if plan["times"] <= 0:
                return None
            plan["times"] -= 1
        return self.rng.choice(plan.get("kinds", TROUBLES))

    def seen(self):
        with self.lock:
            counts = {}
            for task in self.tasks.values():
                counts[task["status"]] = counts.get(task["status"], 0) + 1
            return {
                "tasks": list(self.tasks.values()),
                "counts": counts,
                "exchanges": self.exchanges,
                "violations": self.violations,
            }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    state: State

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve("GET")

    def do_POST(self):
        self._serve("POST")

    def do_PUT(self):
        self._serve("PUT")

    def _serve(self, method):
        try:
            if self.path == "/_control":
                self._control(method)
            else:
                self._protocol(method)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _control(self, method):
        if method == "GET":
            self._answer(200, self.state.seen())
            return
        said = self._body() or {}
        answer = {}
        with self.state.lock:
            if "add" in said:
                answer["added"] = self.state.add(said["add"])
            for name in ("faults", "key", "away", "claim_timeout"):
                if name in said:
                    setattr(self.state, name, said[name])
            self.state.expire(said.get("expire", []))
        self._answer(200, answer)

    def _protocol(self, method):
        state = self.state
        call, task_id = self._call(method)
        fault = state.trouble(call)
        if fault == "reset":
            self._note(call, task_id, None, 0, "reset")
            self._reset()
            return
        body = self._body() if method == "POST" else None
        if fault in {"http_500", "http_503", "http_429", "html_502"}:
            self._note(call, task_id, body, int(fault[-3:]), fault)
            self._faulty(fault)
            return
        status, answer = self._carry_out(call, task_id, body)
        self._note(call, task_id, body, status, fault)
        if fault == "lost_answer":
            self._reset()
        elif fault == "cut":
            self._answer(status, answer, cut=True)
        else:
            self._answer(status, answer)

    def _call(self, method):
        parts = self.path.split("/")
        if method == "GET" and self.path == "/api/health":
            return "health", None
        if method == "POST" and self.path == "/api/tasks/claim":
            return "claim", None
        if method == "POST" and len(parts) == 5 and parts[:3] == ["", "api", "tasks"] and parts[4] in CALLS:
            return parts[4], parts[3]
        return "unknown", None

    def _carry_out(self, call, task_id, body):
        if self.state.upstream is not None:
            return self._forward(body)
        if call == "health":
            return 200, {"status": "healthy"}
        if self.state.key is not None and self.headers.get("X-API-Key") != self.state.key:
            return 401, {"detail": "invalid or missing API key"}
        wanted = {
            "claim": {"worker_id": str, "task_types": list},
            "complete": {"worker_id": str, "result": object},
            "fail": {"worker_id": str, "error": str},
        }.get(call)
        fault = self._violation(wanted, body)
        if fault is not None:
            self.state.violations.append(f"{self.command} {self.path}: {fault}")
            return 400, {"detail": fault}
        if call == "claim":
            return self.state.claim(body["worker_id"], body["task_types"])
        if call == "complete":
            return self.state.end(task_id, body["worker_id"], "completed", result=body["result"])
        return self.state.end(task_id, body["worker_id"], "failed", error=body["error"])

    def _forward(self, body):
        """As a proxy: the answer of the server behind, which is another one than this."""
        behind = http.client.HTTPConnection("127.0.0.1", self.state.upstream, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            behind.request(self.command, self.path, data, {"Content-Type": "application/json"})
            answer = behind.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            behind.close()

    def _violation(self, wanted, body):
        if wanted is None:
            return "no such call in the base protocol"
        if self.headers.get("Content-Type") != "application/json":
            return f"content type {self.headers.get('Content-Type')!r}"
        if not isinstance(body, dict) or set(body) != set(wanted):
            return f"body must have exactly {sorted(wanted)}, got {body!r}"
        for name, kind in wanted.items():
            if not isinstance(body[name], kind):
                return f"{name} is {body[name]!r}"
        if not 1 <= len(body["worker_id"]) <= 255 or not body["worker_id"].isprintable():
            return f"worker_id {body['worker_id']!r}"
        if "task_types" in body and (
            not body["task_types"] or not all(isinstance(t, str) for t in body["task_types"])
        ):
            return f"task_types {body['task_types']!r}"
        return None

    def _note(self, call, task_id, body, status, fault):
        with self.state.lock:
            worker = body.get("worker_id") if isinstance(body, dict) else None
            self.state.exchanges.append(
                {
                    "n": len(self.state.exchanges),
                    "call": call,
                    "task": task_id,
                    "worker_id": worker,
                    "status": status,
                    "fault": fault,
                    "body": body,
                }
            )

    def _body(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            return json.loads(data, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
        except ValueError:
            return None

    def _answer(self, status, body, *, cut=False):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.wfile.flush()
        if cut:
            self._close()

    def _faulty(self, fault):
        status = int(fault[-3:])
        html = fault.startswith("html")
        data = b"<html><body>Bad gateway</body></html>" if html else b'{"detail": "trouble"}'
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if html else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status in {429, 503}:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def _reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def _close(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR) if sys.platform == "darwin" else None
        socket.close(self.connection.detach())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        """Connections that were closed on purpose are no news."""

    def shutdown_request(self, request):
        try:
            super().shutdown_request(request)
        except OSError:
            self.close_request(request)


class BaseServer:
    """The server in a thread of this process."""

    def __init__(self, *, port=0, **options):
        self.state = State(**options)
        handler = type("Bound", (Handler,), {"state": self.state})
        self._server = _Server(("127.0.0.1", port), handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--claim-timeout", type=float, default=300.0)
    parser.add_argument("--journal")
    options = parser.parse_args()
    server = BaseServer(port=options.port, claim_timeout=options.claim_timeout, journal=options.journal)
    print(json.dumps({"url": server.url, "port": server.port}), flush=True)
    server._server.serve_forever()


if __name__ == "__main__":
    main()
