"""Workers and servers are killed at random moments, through a network that disturbs a quarter of the requests."""

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.prove.crew import WorkerThreads
from tests.prove.handlers import SQUARE
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.reruns import (
    REASONS,
    UNEXPLAINED,
    Judge,
    again,
    at_once_in_one_worker,
    read_runs,
    under_one_claim,
)
from tests.prove.servers import PrismqClient, StrictServer, TaskManager
from tests.support.processes import wait_until

SERVERS = {
    "embedded TaskManager": TaskManager,
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
    patience: float = 240.0


EMBEDDED = Size("embedded TaskManager", children=True)
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
        slow, slowest = self._size.seconds
        child = {"child": True} if self._size.children else {}
        params = [
            {"n": n, "seconds": self._rng.uniform(slow, slowest), **child} for n in range(self._size.tasks)
        ]
        self._squares = {task_id: n**2 for n, task_id in enumerate(self._server.add(SQUARE, params))}

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
        return sorted((self._rng.randint(1, int(size.tasks * 0.95)), kind) for kind in kinds)

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
        results = {task_id: records.tasks[task_id] for task_id in self._squares}
        right = [t for t, n in self._squares.items() if results[t] == ("completed", {"square": n})]
        wanted = [records.children.get(task_id, 0) for task_id in right] if self._size.children else []
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
            "children_lost": wanted.count(0),
            "children_twice": sum(number > 1 for number in wanted),
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


SUMS = (
    "tasks",
    "right",
    "failed",
    "wrong",
    "unfinished",
    "completed_twice",
    "children",
    "children_lost",
    "children_twice",
    "ends_changed",
    "claims",
    "claims_open",
    "runs",
    "tasks_again",
    "twice_under_one_claim",
    "at_once_in_one_worker",
    "kills",
    "kills_left",
    "kills_starting",
    "cuts",
    "server_kills",
    "workers",
    "books_off",
)
COUNTS = ("ends", "worker_ends", "left", "faults")


def figures(results):
    """One entry for each server."""
    found = {}
    for server in dict.fromkeys(result["server"] for result in results):
        mine = [result for result in results if result["server"] == server]
        again = Counter()
        for result in mine:
            again.update({(reason, learned): number for reason, learned, number in result["again"]})
        found[server] = {
            "parts": len(mine),
            **{name: sum(result[name] for result in mine) for name in SUMS},
            **{name: dict(sum((Counter(result[name]) for result in mine), Counter())) for name in COUNTS},
            "again": [[*key, number] for key, number in sorted(again.items())],
        }
    return found


def failures(found):
    return [sentence for server, one in found.items() for sentence in _failures(server, one)]


def _failures(server, one):
    wrong = {
        "unfinished": "tasks were lost: they never ended",
        "wrong": "tasks completed with a wrong result",
        "failed": "tasks failed, though none had used up its attempts",
        "completed_twice": "tasks had two accepted results",
        "children_lost": "tasks completed without the child that they submitted",
        "children_twice": "tasks completed with a child too many",
        "ends_changed": "ends of claims or tasks were changed afterwards",
        "claims_open": "claims have no end on the server",
        "twice_under_one_claim": "runs were not under a claim of their own",
        "at_once_in_one_worker": "handlers ran twice at once in one worker",
        "kills_left": "kills were not carried out",
        "books_off": "workers had sums that are off",
    }
    for name, text in wrong.items():
        if one[name]:
            yield f"{server}: {one[name]} {text}"
    for name, number in one["left"].items():
        if number:
            yield f"{server}: {number} {name} were left in the state folder"
    for reason, learned, number in one["again"]:
        if reason == UNEXPLAINED:
            yield f"{server}: {number} handlers ran again for no known reason (the claim ended as {learned})"
    for end, number in one["worker_ends"].items():
        if end not in {"0", "75", "1, a disturbed answer at its start"}:
            yield f"{server}: {number} workers ended with {end}"


def table(found):
    servers = list(found)
    return "\n\n".join([_counts(found, servers), _reruns(found, servers), _ends(found, servers)])


def _counts(found, servers):
    rows = [
        ("tasks", "tasks"),
        ("… completed with the right result", "right"),
        ("… failed", "failed"),
        ("… lost (no end)", "unfinished"),
        ("… with two accepted results", "completed_twice"),
        ("child tasks created by completions", "children"),
        ("… missing", "children_lost"),
        ("… created twice", "children_twice"),
        ("workers killed", "kills"),
        ("… while they started", "kills_starting"),
        ("the network was away for 6.5 s", "cuts"),
        ("servers killed and started again", "server_kills"),
        ("worker processes in all", "workers"),
        ("claims on the server", "claims"),
        ("… without exactly one end", "claims_open"),
        ("ends changed afterwards", "ends_changed"),
        ("handler runs", "runs"),
        ("… beyond one for each claim", "twice_under_one_claim"),
        ("workers whose sums were off", "books_off"),
    ]
    lines = [(text, *(found[server][name] for server in servers)) for text, name in rows]
    disturbed = [
        sum(number for kind, number in found[server]["faults"].items() if kind != "passed")
        for server in servers
    ]
    return grid(("", *servers), [*lines, ("requests disturbed", *disturbed)])


def _reruns(found, servers):
    keys = {(reason, learned) for server in servers for reason, learned, _ in found[server]["again"]}
    rows = [
        (reason, LEARNED[learned], *(_number(found[server]["again"], reason, learned) for server in servers))
        for reason, learned in sorted(keys, key=_place)
    ]
    rows.append(
        ("the tasks that ran more than once", "", *(found[server]["tasks_again"] for server in servers))
    )
    return grid(("A handler ran again because", "and the server learned by", *servers), rows)


def _place(key):
    reason, learned = key
    return (REASONS.index(reason) if reason in REASONS else len(REASONS), reason, learned)


LEARNED = {
    "failed": "the next start's report of the crash",
    "expired": "the end of the claim's time",
    "released": "the worker, which gave it back",
    "completed": "the report",
    "None": "nothing",
    "no claim": "nothing: no claim",
}


def _number(again, reason, learned):
    return next((number for why, how, number in again if (why, how) == (reason, learned)), 0)


def _ends(found, servers):
    ends = dict.fromkeys(end for server in servers for end in found[server]["worker_ends"])
    rows = [(end, *(found[server]["worker_ends"].get(end, 0) for server in servers)) for end in sorted(ends)]
    return grid(("Exit code of the workers that were not killed", *servers), rows)


def small(server):
    """A size for the tests of this proof."""
    return replace(SIZES[server], tasks=12, kills=1, cuts=0, workers=2, seconds=(0.02, 0.1), share=0.1)


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
run out.""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
