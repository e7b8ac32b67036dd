"""One worker for a long time: memory, threads, open files and the outbox must not grow."""

import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from prismq_worker_sdk.outbox.schema import TABLES
from tests.bench.noop import TYPE
from tests.bench.processes import NOOP
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.support.processes import Worker
from tests.support.taskmanager import TaskManager

MEBIBYTE = 2**20
TOLERANCE = 1.05
SLOTS = 16


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything; durations in seconds.

    Attributes:
        idle: How long the worker has nothing to do afterwards.
        warm: When the first measure is taken, counted from the first task.
        every: Between two measures.
        backlog: Tasks that wait at the server, about.
        patience: For all tasks together.
    """

    tasks: int = 200_000
    idle: float = 600.0
    warm: float = 60.0
    every: float = 5.0
    backlog: int = 3000
    patience: float = 7200.0


WHOLE = Size()


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment; bytes, and seconds since the first task was there."""

    at: float
    done: int
    memory: int
    threads: int
    files: int
    outbox: int
    rows: int
    server_memory: int
    server_files: int


def parts():
    return [Part("soak", partial(run, WHOLE))]


def run(size):
    with tempfile.TemporaryDirectory() as folder:
        server = TaskManager(Path(folder) / "server", lease="1m", claim_timeout="5m")
        try:
            arguments = ("--concurrency", str(SLOTS), "--poll-interval", "10s", "--log-level", "WARNING")
            worker = Worker(Path(folder) / "worker", server.url, arguments=arguments, plugin=NOOP)
            try:
                samples = Soak(size, server, worker).run()
                code = worker.terminate(60)
            finally:
                worker.clean_up()
            warnings = len(worker.lines())
        finally:
            server.kill()
    return {"samples": [asdict(sample) for sample in samples], "code": code, "warnings": warnings} | asdict(
        size
    )


class Soak:
    """Feeds, and measures."""

    def __init__(self, size, server, worker):
        self._size = size
        self._server = server
        self._worker = worker
        self._samples = []

    def run(self):
        size = self._size
        self._begun = time.monotonic()
        given = done = 0
        while done < size.tasks and self._now() < size.patience:
            done = self._server.finished()
            given += self._feed(given, done)
            self._look(done)
            time.sleep(min(1.0, size.every))
        idle_until = self._now() + size.idle
        while self._now() < idle_until:
            self._look(done)
            time.sleep(min(1.0, size.every))
        self._look(self._server.finished(), now=True)
        return self._samples

    def _feed(self, given, done):
        """Fills the backlog when half of it is gone."""
        waiting = given - done
        if waiting > self._size.backlog / 2:
            return 0
        wanted = min(self._size.tasks - given, self._size.backlog - waiting)
        self._server.add(TYPE, [{}] * wanted)
        return wanted

    def _now(self):
        return time.monotonic() - self._begun

    def _look(self, done, *, now=False):
        if not now and self._samples and self._now() - self._samples[-1].at < self._size.every:
            return
        worker, server = Process(self._worker.process.pid), Process(self._server.process.pid)
        files = list(self._worker.state_dir.glob("*/outbox.db*"))
        sample = Sample(
            at=round(self._now(), 1),
            done=done,
            memory=worker.memory(),
            threads=worker.threads(),
            files=worker.files(),
            outbox=sum(file.stat().st_size for file in files),
            rows=sum(self._worker.stored(table) for table in TABLES),
            server_memory=server.memory(),
            server_files=server.files(),
        )
        self._samples.append(sample)


class Process:
    """What the system knows of a process."""

    def __init__(self, pid):
        self._place = Path("/proc") / str(pid)

    def memory(self):
        """Resident, bytes."""
        return self._status("VmRSS:") * 1024

    def threads(self):
        return self._status("Threads:")

    def files(self):
        return len(list((self._place / "fd").iterdir()))

    def _status(self, name):
        lines = (self._place / "status").read_text("ascii", "replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


def figures(results):
    return {} if not results else _figures(results[0])


def _figures(result):
    samples = [Sample(**sample) for sample in result["samples"]]
    busy = [sample for sample in samples if sample.done < result["tasks"]] or samples[:1]
    warm = next((sample for sample in samples if sample.at >= result["warm"]), samples[-1])
    seconds = next((sample.at for sample in samples if sample.done >= result["tasks"]), samples[-1].at)
    return {
        "tasks": result["tasks"],
        "done": samples[-1].done,
        "idle_seconds": result["idle"],
        "warm_seconds": warm.at,
        "tasks_per_second": round(samples[-1].done / seconds, 1),
        "code": result["code"],
        "warnings": result["warnings"],
        "marks": {
            "warm": asdict(warm),
            "busy": asdict(busy[-1]),
            "end": asdict(samples[-1]),
            "most": {name: max(getattr(sample, name) for sample in samples) for name in asdict(warm)},
            "warm_most": {
                name: max(getattr(sample, name) for sample in samples if sample.at <= warm.at)
                for name in asdict(warm)
            },
        },
        "minutes": [asdict(sample) for sample in _one_a_minute(samples)],
    }


def _one_a_minute(samples):
    last = None
    for sample in samples:
        if last is None or sample.at - last >= 60:
            last = sample.at
            yield sample


def failures(found):
    if not found:
        return
    warm, end, early = (found["marks"][name] for name in ("warm", "end", "warm_most"))
    if found["done"] != found["tasks"]:
        yield f"{found['done']} of {found['tasks']} tasks were done"
    if found["code"] != 0:
        yield f"the worker exited with {found['code']}"
    if end["memory"] > warm["memory"] * TOLERANCE:
        yield f"the memory of the worker grew from {_mib(warm['memory'])} to {_mib(end['memory'])}"
    if end["threads"] > early["threads"] + SLOTS:
        yield f"threads: {end['threads']} at the end, {early['threads']} in the first minute, {SLOTS} slots"
    for name, text in (("files", "open files"), ("rows", "rows in the outbox")):
        if end[name] > early[name]:
            yield f"{text}: {end[name]} at the end, {early[name]} at most in the first minute"
    if end["outbox"] > early["outbox"] * TOLERANCE:
        yield f"the outbox grew from {_mib(early['outbox'])} to {_mib(end['outbox'])}"


def table(found):
    if not found:
        return "No figures yet."
    names = {
        "memory": "memory of the worker (RSS)",
        "threads": "its threads",
        "files": "its open files",
        "outbox": "outbox, files",
        "rows": "outbox, rows of all tables",
        "server_memory": "for information: memory of the server",
        "server_files": "for information: open files of the server",
    }
    marks = [found["marks"][mark] for mark in ("warm", "busy", "end", "most")]
    rows = [(text, *(_shown(name, mark[name]) for mark in marks)) for name, text in names.items()]
    head = ("", f"after {found['warm_seconds']:.0f} s", "at the last tasks", "at the end", "at most")
    done = f"{found['done']:,} tasks, {found['tasks_per_second']:.0f} a second, "
    idle = f"then {found['idle_seconds'] / 60:.0f} minutes of nothing; exit code {found['code']}."
    return f"{done}{idle}\n\n{grid(head, rows)}"


def _shown(name, value):
    return _mib(value) if name in {"memory", "outbox", "server_memory"} else str(value)


def _mib(size):
    return f"{size / MEBIBYTE:.1f} MiB"


PROOF = Proof(
    name="soak",
    title="For a long time",
    about=f"""\
Promise: a worker needs after {WHOLE.tasks:,} tasks what it needed after the first minute. One worker with {SLOTS} slots
on the embedded TaskManager, a handler that does nothing, some thousands of tasks always waiting, then 10 minutes idle.
Memory and the outbox may end 5 % above the first minute's, open files and rows in the outbox may not grow at all, and
threads by the slots only: one is made when it is first needed, and kept.""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
