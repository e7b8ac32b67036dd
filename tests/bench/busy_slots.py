"""How many slots a worker keeps busy on the server in production, over a way that takes its time."""

import threading
import time

from prismq_worker_sdk import Worker, task_handler
from prismq_worker_sdk.model.events import ApiCalled
from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.support.deployed import Process
from tests.support.fleet import Settings
from tests.support.processes import wait_until

TYPE = "Bench.Slow"


class Spans:
    """From when to when something went on, as often as it did; told from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._spans = []

    def add(self, begin, end):
        with self._lock:
            self._spans.append((begin, end))

    def __len__(self):
        return len(self._spans)

    def at_once(self, begin, end):
        """How many of them went on at a time, on average."""
        with self._lock:
            return sum(max(0.0, min(end, e) - max(begin, b)) for b, e in self._spans) / (end - begin)


def busy_slots(folder, *, round_trip, slots, handler, tasks):
    """Slots whose handler runs, and with them those whose claim is on its way; averages of the middle of the run."""
    runs, claims = Spans(), Spans()

    @task_handler(TYPE)
    def slow(params: dict, ctx):
        begin = time.monotonic()
        ctx.sleep(handler)
        runs.add(begin, time.monotonic())

    def listen(event):
        if isinstance(event, ApiCalled) and event.call == "claim":
            now = time.monotonic()
            claims.add(now - event.seconds, now)

    delay = FaultPlan(share=1.0, kinds=(Disturbance.DELAY,), seconds=round_trip)
    server = Process(folder / "server")
    try:
        server.add(TYPE, [{"n": number} for number in range(tasks)])
        with FaultProxy(server.url, delay) as proxy:
            settings = Settings(api_url=proxy.url, state_dir=folder / "state", concurrency=slots)
            with Worker([slow], settings=settings, listeners=[listen]):
                wait_until(lambda: len(runs) >= tasks // 4, "the first quarter of the tasks", 120)
                begin = time.monotonic()
                wait_until(lambda: len(runs) >= tasks * 3 // 4, "the third quarter of the tasks", 120)
                end = time.monotonic()
    finally:
        server.kill()
    busy = runs.at_once(begin, end)
    return busy, busy + claims.at_once(begin, end)
