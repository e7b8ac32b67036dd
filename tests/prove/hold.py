"""Handlers that hold the interpreter for longer than a lease: who still renews, and what is said about it."""

import json
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from prismq_worker_sdk.testing import FaultPlan, FaultProxy
from tests.prove.crew import HANDLERS
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.servers import TaskManager
from tests.prove.stop import NotInThisVersion
from tests.support.processes import Worker, wait_until

SLOTS = 4
RENEWED_AFTER = 1 / 3
"""The part of a lease after which a claim is renewed."""

ALLOWED = 0.10
"""The part of a lease that one renewal in a hundred may be late, at most."""

NAMED = ("the interpreter was held", "Prove.Holding", "handlers.py", "in holding")
"""What a warning that names the handler with its stack has in it: the task, the file, and the function."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything; seconds.

    Attributes:
        hold: For how long a handler lets no other Python code of its process run.
    """

    isolation: str
    tasks: int = 8
    hold: float = 30.0
    lease: float = 10.0
    patience: float = 300.0


def parts():
    processes = [Part(f"process-{n}", partial(run, Size("process"))) for n in (1, 2, 3)]
    return [*processes, Part("thread", partial(run, Size("thread", tasks=2)))]


def run(size):
    """One part; without figures where this version has no such slots."""
    with tempfile.TemporaryDirectory() as folder:
        server = TaskManager(Path(folder) / "server", lease=f"{size.lease}s", claim_timeout="5m")
        watch = Renewals()
        try:
            with FaultProxy(server.url, FaultPlan(where=watch)) as proxy:
                return {"isolation": size.isolation, "lease": size.lease, "hold": size.hold} | _run(
                    size, Path(folder), server, proxy.url, watch
                )
        except NotInThisVersion:
            return {"isolation": size.isolation, "missing": True}
        finally:
            server.kill()


def _run(size, folder, server, url, watch):
    given = ("--concurrency", str(SLOTS), "--isolation", size.isolation)
    worker = Worker(folder / "worker", url, arguments=given, plugin=HANDLERS)
    try:
        begun = lambda: worker.events("worker_started") or worker.process.poll() is not None
        wait_until(begun, "the start of the worker")
        if "not in this version" in worker.text():
            raise NotInThisVersion
        server.add("Prove.Holding", [{"seconds": size.hold}] * size.tasks)
        wait_until(lambda: server.finished() == size.tasks, "the end of all tasks", size.patience)
        worker.terminate(60)
        records = server.records()
        return {
            "tasks": size.tasks,
            "right": sum(status == "completed" for status, _result in records.tasks.values()),
            "again": len(worker.runs()) // 2 - size.tasks,
            "ends": dict(Counter(str(claim.verdict) for claim in records.claims)),
            "late": watch.lateness(size.lease),
            "warned": sum(_names_the_handler(line) for line in worker.lines()),
        }
    finally:
        worker.clean_up()


def _names_the_handler(line):
    return line["level"] in {"WARNING", "ERROR"} and all(word in line["message"] for word in NAMED)


class Renewals:
    """Sees every request on its way to the server, and notes when which claim was renewed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._seen = defaultdict(list)

    def __call__(self, _method, _path, body):
        now = time.monotonic()
        said = json.loads(body) if body else {}
        with self._lock:
            for lease in said.get("leases", []):
                self._seen[lease["lease_token"]].append(now)
        return False

    def lateness(self, lease):
        """By how many seconds each renewal but a claim's first came after it was due."""
        return [
            round(max(0.0, later - earlier - lease * RENEWED_AFTER), 3)
            for times in self._seen.values()
            for earlier, later in pairwise(times)
        ]


def figures(results):
    """One entry for each kind of slot that this version has, None for one that it has not."""
    found = {}
    for isolation in dict.fromkeys(result["isolation"] for result in results):
        mine = [result for result in results if result["isolation"] == isolation]
        there = [result for result in mine if not result.get("missing")]
        found[isolation] = _figures(there) if there else None
    return found


def _figures(results):
    late = sorted(second for result in results for second in result["late"])
    return {
        **{name: sum(result[name] for result in results) for name in ("tasks", "right", "again", "warned")},
        "ends": dict(sum((Counter(result["ends"]) for result in results), Counter())),
        "lease": results[0]["lease"],
        "hold": results[0]["hold"],
        "renewals": len(late),
        **{f"late_p{percent}": _percentile(late, percent) for percent in (50, 99, 100)},
    }


def _percentile(values, percent):
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else None


def failures(found):
    for isolation, one in found.items():
        if one is not None and one["right"] != one["tasks"]:
            yield f"{isolation} slots: {one['right']} of {one['tasks']} tasks completed"
    process, thread = found.get("process"), found.get("thread")
    if process is not None:
        limit = process["lease"] * ALLOWED
        if process["late_p99"] is None or process["late_p99"] > limit:
            yield f"process slots: p99 of the lateness is {process['late_p99']} s, {limit:g} s are allowed"
        if process["again"]:
            yield f"process slots: {process['again']} handlers ran again"
    if thread is not None and not thread["warned"]:
        yield "thread slots: no warning names the handler with its stack"


def table(found):
    rows = [_row(isolation, one) for isolation, one in found.items()]
    head = (
        "slots",
        "tasks",
        "completed",
        "runs beyond one",
        "renewals",
        "late: median s",
        "p99 s",
        "most s",
        "warned",
    )
    return grid(head, rows)


def _row(isolation, one):
    if one is None:
        return (isolation, "not in this version", *[""] * 7)
    late = [_seconds(one[f"late_p{percent}"]) for percent in (50, 99, 100)]
    numbers = (one[name] for name in ("tasks", "right", "again", "renewals"))
    return (isolation, *map(str, numbers), *late, "yes" if one["warned"] else "no")


def _seconds(value):
    return "-" if value is None else f"{value:.2f}"


PROOF = Proof(
    name="hold",
    title="A handler that holds the interpreter",
    about="""\
Promise: in process slots a handler that lets no other Python code run for 30 s costs no claim: with a lease of 10 s,
99 of 100 renewals are less than 1 s late. In thread slots nothing can renew meanwhile; there a warning names the
handler and shows where it stands. Renewals are timed on their way to the server.""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
