"""Path of one task: the files, functions and moves between files that it takes through a real worker, HTTP included."""

import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import prismq_worker_sdk
from prismq_worker_sdk import TaskManagerClient, Worker, WorkerSettings, task_handler
from tests.bench.processes import embedded_server
from tests.support.processes import wait_until

TYPE = "Bench.Path"
PRODUCT = Path(prismq_worker_sdk.__file__).parent
BESIDE = ("lease", "supervisor", "watch", "ready", "health", "log")
"""Threads that work by the clock, whether or not there is a task."""

QUIET = 0.5
"""Seconds without a call after which the worker is at rest."""

GOALS = {"files": 20, "moves between files": 100}


@dataclass(frozen=True)
class Call:
    """One call of a function of the product, as the profiler saw it."""

    thread: str
    file: str
    function: str


@dataclass(frozen=True)
class Trace:
    """All calls that one task caused."""

    calls: list

    def figures(self):
        return {
            "files": len(self.files()),
            "functions": len({(call.file, call.function) for call in self.calls}),
            "moves between files": self._moves(),
            "calls": len(self.calls),
        }

    def files(self):
        """File → how many calls, in the order in which the task comes to them."""
        return Counter(call.file for call in self.calls)

    def text(self):
        lines = [f"{'path of one task':40}  found  goal"]
        for what, found in self.figures().items():
            goal = GOALS.get(what)
            verdict = "" if goal is None else f"  ≤ {goal}{'' if found <= goal else ' missed'}"
            lines.append(f"{what:40}  {found:5}{verdict}")
        lines.append(f"\n{'file, in the order of the path':40}  calls  threads")
        for file, calls in self.files().items():
            threads = dict.fromkeys(call.thread for call in self.calls if call.file == file)
            lines.append(f"{file:40}  {calls:5}  {', '.join(threads)}")
        return "\n".join(lines)

    def values(self):
        return {"table": "path of one task", "rows": self.figures(), "files": dict(self.files())}

    def _moves(self):
        last, moves = {}, 0
        for call in self.calls:
            moves += last.get(call.thread) != call.file
            last[call.thread] = call.file
        return moves


def run(_seconds):
    yield traced()


def traced():
    """The trace of a worker's third task: what is made once is there by then."""
    calls = []

    @task_handler(TYPE)
    def nothing(params: dict, ctx):
        return {"done": 1}

    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_server(Path(folder)) as server,
        profiled(calls),
        Worker(
            [nothing], settings=WorkerSettings(api_url=server.url, state_dir=Path(folder) / "state")
        ) as worker,
        closing(TaskManagerClient(server.url)) as producer,
    ):
        for task in range(3):
            resting(calls)
            before = len(calls)
            producer.submit(TYPE, {"task": task})
            wait_until(lambda done=task + 1: accepted(worker) == done, "the verdict")
        resting(calls)
        return Trace(calls[before:])


def accepted(worker):
    return worker.stats.settled.get("accepted", 0)


def resting(calls):
    """Returns once nothing was called for a while."""
    seen = [len(calls), time.monotonic()]

    def quiet():
        if len(calls) != seen[0]:
            seen[:] = len(calls), time.monotonic()
        return time.monotonic() - seen[1] > QUIET

    wait_until(quiet, "a rest of the worker")


@contextmanager
def profiled(calls):
    """Notes the product's calls on the worker's threads that start in the block."""

    def note(frame, event, _argument):
        thread = threading.current_thread().name
        if event != "call" or not thread.startswith("prismq-"):
            return
        code = frame.f_code
        file = Path(code.co_filename)
        kind = thread.removeprefix("prismq-")
        if kind.split("-")[0] in BESIDE or PRODUCT not in file.parents:
            return
        name = getattr(code, "co_qualname", code.co_name)
        calls.append(Call(kind, file.relative_to(PRODUCT).as_posix(), name))

    threading.setprofile(note)
    try:
        yield
    finally:
        threading.setprofile(None)
