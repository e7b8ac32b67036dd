"""Workers and servers are killed at random moments, through a network that disturbs a quarter of the requests."""

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.prove import fleet
from tests.prove.crew import WorkerThreads
from tests.prove.handlers import SQUARE
from tests.prove.kill_figures import failures, figures, table
from tests.prove.proof import Part, Proof
from tests.prove.reruns import Judge, again, at_once_in_one_worker, read_runs, under_one_claim
from tests.prove.servers import PrismqClient, StrictServer, TaskManager
from tests.support.processes import wait_until
from tests.support.taskmanager import MAX_ATTEMPTS

SERVERS = {
    "embedded TaskManager": partial(TaskManager, more=("--max-attempts", MAX_ATTEMPTS)),
    "base protocol only": StrictServer,
    "prismq-client": PrismqClient,
}
CLAIM_SECONDS = 5.0
CUT_SECONDS = 6.5


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything one part has.

    Attributes:
        kills: Of workers; the one in a cut comes on top.
        cuts: How often the network is away for longer than a claim lasts, and a worker is killed meanwhile.
        seconds: How long a handler takes, from and to.
        share: The part of the requests that is disturbed.
        children: Whether each task creates another one by its completion.
        with_parts: How many of the tasks create parts in its place, which use a limit, and a task that follows them.
        patience: Seconds until a task that has not ended counts as lost.
    """

    server: str
    tasks: int = 250
    kills: int = 9
    cuts: int = 1
    server_kills: int = 1
    workers: int = 3
    seconds: tuple = (0.0, 0.4)
    share: float = 0.25
    children: bool = False
    with_parts: int = 0
    patience: float = 240.0

    @property
    def runs(self):
        """How many handlers run at least, with those of the parts."""
        return self.tasks + 2 * self.with_parts


EMBEDDED = Size("embedded TaskManager", children=True, with_parts=20)
BASE = Size("base protocol only")
PRISMQ_CLIENT = Size("prismq-client", children=True)
SIZES = {size.server: size for size in (EMBEDDED, BASE, PRISMQ_CLIENT)}


def parts():
    embedded = [Part(f"embedded-{n:02}", partial(run, EMBEDDED, n)) for n in range(1, 21)]
    base = [Part(f"base-{n}", partial(run, BASE, 100 + n)) for n in (1, 2)]
    client = [Part(f"prismq-client-{n}", partial(run, PRISMQ_CLIENT, 200 + n)) for n in (1, 2)]
    return [*embedded, *base, *client]


def run(size, seed, chaos=None):
    """One part: what happened, counted from outside."""
    with tempfile.TemporaryDirectory() as folder:
        return (chaos or Chaos)(size, seed, Path(folder)).run()


class Chaos:
    """Tasks, workers, a server and a proxy, and the kills."""

    def __init__(self, size, seed, folder):
        self._size = size
        self._rng = Random(seed)
        self._folder = folder
        self._seed = seed

    def run(self):
        size = self._size
        self._server = self._started()
        try:
            self._add()
            with self._proxied(FaultPlan(size.share, seed=self._seed)) as proxy:
                self._proxy = proxy
                arguments = ("--server-claim-timeout", f"{CLAIM_SECONDS}s", "--startup-timeout", "2m")
                self._crew = WorkerThreads(self._folder, proxy.url, size.workers, arguments)
                try:
                    self._kill_and_wait()
                    faults = dict(proxy.counts)
                    proxy.plan = FaultPlan()
                    self._close()
                finally:
                    self._crew.clean_up()
        finally:
            self._server.kill()
        return self._found(faults)

    def _started(self):
        return SERVERS[self._size.server](self._folder / "server")

    def _proxied(self, plan):
        return FaultProxy(self._server.url, plan)

    def _add(self):
        size = self._size
        with_parts = set(self._rng.sample(range(size.tasks), size.with_parts))
        params = [
            {"n": n, "seconds": self._rng.uniform(*size.seconds), **self._more(n, n in with_parts)}
            for n in range(size.tasks)
        ]
        if with_parts:
            fleet.announce(self._server.url)
        self._params = dict(zip(self._server.add(SQUARE, params), params, strict=True))

    def _more(self, n, with_parts):
        """What a task creates."""
        if with_parts:
            return {"parts": fleet.parts_of(n, self._rng)}
        return {"child": True} if self._size.children else {}

    def _kill_and_wait(self):
        """A kill is due once so many handlers have begun, a random moment later."""
        due = self._plan()
        until = time.monotonic() + self._size.patience
        while (finished := self._server.finished()) < self._size.tasks or due:
            if time.monotonic() > until:
                break
            self._crew.fill(self._size.workers)
            if due and (self._begun() >= due[0][0] or finished == self._size.tasks):
                time.sleep(self._rng.uniform(0.0, 0.3))
                self._happen(due.pop(0)[1])
            time.sleep(0.05)
        self._kills_left = len(due)

    def _plan(self):
        size = self._size
        kinds = ["worker"] * size.kills + ["server"] * size.server_kills + ["cut"] * size.cuts
        return sorted((self._rng.randint(1, int(size.runs * 0.95)), kind) for kind in kinds)

    def _happen(self, kind):
        match kind:
            case "server":
                self._server.kill()
                self._server.start()
            case "worker":
                self._kill()
            case "cut":
                disturbed, self._proxy.plan = self._proxy.plan, FaultPlan(1.0, (Disturbance.RESET_BEFORE,))
                before = self._rng.uniform(0.0, CUT_SECONDS)
                time.sleep(before)
                self._kill()
                time.sleep(CUT_SECONDS - before)
                self._proxy.plan = disturbed

    def _kill(self):
        """Kills a worker, whatever it is doing, and starts another."""
        wait_until(self._crew.alive, "a worker that runs")
        self._crew.kill_one(self._rng)
        self._crew.fill(self._size.workers)

    def _begun(self):
        file = self._runs_file()
        return file.read_text("ascii").count("begin ") if file.exists() else 0

    def _runs_file(self):
        return self._folder / "workers" / "runs"

    def _close(self):
        """Ends the workers; one more, undisturbed, delivers what those that were killed left behind."""
        self._crew.stop()
        last = self._crew.hire()
        try:
            wait_until(lambda: last.worker.events("worker_started"), "the last worker")
            wait_until(lambda: self._crew.stored("outcomes") == 0, "the last deliveries")
        finally:
            self._crew.stop()

    def _found(self, faults):
        records = self._server.records()
        members = self._crew.members
        runs = read_runs(self._runs_file())
        judge = Judge(members, records.claims)
        results = {task_id: records.tasks[task_id] for task_id in self._params}
        right = {
            task_id: params
            for task_id, params in self._params.items()
            if results[task_id] == ("completed", {"square": params["n"] ** 2})
        }
        too_few = Counter(
            _created(params) - records.children.get(task_id, 0) for task_id, params in right.items()
        )
        verdicts = Counter(claim.task for claim in records.claims if claim.verdict == "completed")
        return {
            "server": self._size.server,
            "tasks": self._size.tasks,
            "right": len(right),
            "failed": sum(status == "failed" for status, _ in results.values()),
            "wrong": sum(status == "completed" for status, _ in results.values()) - len(right),
            "unfinished": sum(status not in {"completed", "failed"} for status, _ in results.values()),
            "completed_twice": sum(number > 1 for number in verdicts.values()),
            "children": sum(records.children.values()),
            "children_lost": sum(number for few, number in too_few.items() if few > 0),
            "children_twice": sum(number for few, number in too_few.items() if few < 0),
            **fleet.found(
                {task: fleet.ends_of(one["parts"]) for task, one in right.items() if "parts" in one},
                records.fleet,
            ),
            "ends_changed": len(records.changed),
            "claims": len(records.claims),
            "claims_open": sum(claim.verdict is None for claim in records.claims),
            "ends": dict(Counter(str(claim.verdict) for claim in records.claims)),
            "runs": sum(len(of_task) for of_task in runs.values()),
            "tasks_again": sum(len(of_task) > 1 for of_task in runs.values()),
            "again": [[*key, number] for key, number in sorted(again(runs, judge).items())],
            "twice_under_one_claim": under_one_claim(runs, judge),
            "at_once_in_one_worker": at_once_in_one_worker(runs),
            "kills": sum(member.killed_at is not None for member in members),
            "kills_left": self._kills_left,
            "kills_starting": sum(m.killed_at is not None and not m.started() for m in members),
            "cuts": self._size.cuts,
            "server_kills": self._size.server_kills,
            "workers": len(members),
            "worker_ends": dict(self._crew.ends()),
            "books_off": sum(bool(member.said("the books are off")) for member in members),
            "left": {name: self._crew.stored(name) for name in ("outcomes", "holds")},
            "faults": faults,
        }


def _created(params):
    """How many tasks a task creates by its completion."""
    return len(params["parts"]) if "parts" in params else int("child" in params)


def small(size):
    """A size for the tests of this proof."""
    few = {"tasks": 12, "kills": 1, "cuts": 0, "workers": 2, "with_parts": min(3, size.with_parts)}
    return replace(size, **few, seconds=(0.02, 0.1), share=0.1)


PROOF = Proof(
    name="kill",
    title="Killed at random moments",
    about="""\
Promise: no task is lost, no outcome counts twice, whatever is killed. Three worker processes share a state folder and
a server; every request goes through a proxy that disturbs a quarter of them (reset before and after the request, lost
and cut answers, trickle, delay, 500, 503, HTML, redirect). Workers get SIGKILL at random moments and are replaced at
once; the server too gets SIGKILL and is started again on its file; now and then the network is away for longer than a
claim lasts (5 s). Handlers append a line to a file when they begin and when they end; triggers in the server's database
write down every end of a claim. `prismq-client` is a stand-in of the server in production, on a file, which keeps a
history of its own: it has no renewal and takes no task back, so that what a kill cut off lies until its claim has
run out. Some tasks of the TaskManager have two parts, which use a limit of the whole fleet, and a task that follows
them: it must be there once, with the right counts, and never may more parts be claimed than the limit allows, in the
order in which the database wrote down their claims and ends.""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
