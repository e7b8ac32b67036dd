"""Several workers in this process against one server, and every request that they send."""

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager

from prismq_worker_sdk import Worker, task_handler
from prismq_worker_sdk.model.events import ApiCalled, ClaimEnded, End, WorkerStarted
from prismq_worker_sdk.worker.config import WorkerConfig


class Settings:
    def __init__(self, **given):
        self._given = given

    def config(self):
        return WorkerConfig(**self._given)


class Fleet:
    """Workers with handlers that do nothing, each with a state folder of its own.

    Attributes:
        runs: Task id → how often a handler ran for it.
        calls: (call, error) → how many requests; error is "" for a good answer.
    """

    def __init__(self, folder, url, *types, size, **config):
        self._lock = threading.Lock()
        self.runs = Counter()
        self.calls = Counter()
        self.started = 0
        self.ends = Counter()
        self.workers = [
            Worker(
                [self._handler(name) for name in types],
                settings=Settings(api_url=url, state_dir=folder / f"worker-{number}", **config),
                listeners=[self._listen],
            )
            for number in range(size)
        ]

    @contextmanager
    def running(self):
        """All of them, stopped at the end."""
        with ExitStack() as stack:
            for worker in self.workers:
                stack.enter_context(worker)
            yield self
            for worker in self.workers:
                worker.stop()

    def codes(self):
        return {worker.wait() for worker in self.workers}

    def of(self, call):
        """Requests of a kind."""
        with self._lock:
            return sum(number for (name, _error), number in self.calls.items() if name == call)

    def failed(self, error):
        """Requests that were answered so."""
        with self._lock:
            return sum(number for (_name, word), number in self.calls.items() if word == error)

    def requests(self):
        with self._lock:
            return sum(self.calls.values())

    def _handler(self, name):
        @task_handler(name)
        def work(params: dict, ctx):
            with self._lock:
                self.runs[ctx.task.id] += 1
            return {"n": params.get("n")}

        return work

    def _listen(self, event):
        with self._lock:
            match event:
                case ApiCalled(call=call, error=error):
                    self.calls[call, error] += 1
                case WorkerStarted():
                    self.started += 1
                case ClaimEnded(end=End() as end):
                    self.ends[end] += 1
