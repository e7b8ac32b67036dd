"""What happens between a stop signal and the exit, in every situation a worker can be in."""

import os
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.prove.crew import HANDLERS
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.servers import TaskManager
from tests.support.processes import Worker, wait_until

GRACE = 25.0
LONG = 30.0
SLOTS = 4
TIMES = 5
"""How often a stop that takes no time is repeated."""

MARGIN = 1.0
"""Seconds beyond the promise that a loaded machine may take."""

SETTLED = 6
"""Requests after which a worker claims all its types."""


class NotInThisVersion(Exception):  # noqa: N818 - says what it is
    """The worker knows no such setting."""


class Scene:
    """A server, a proxy in front of it, and one worker that is stopped."""

    def __init__(self, folder, *, seconds=LONG, backlog=1000, grace=GRACE):
        self.folder = folder
        self.seconds = seconds
        self.backlog = backlog
        self.grace = grace
        self._stack = ExitStack()

    def __enter__(self):
        self.server = TaskManager(self.folder / "server", lease="10m", claim_timeout="10m")
        self._stack.callback(self.server.kill)
        self.proxy = self._stack.enter_context(FaultProxy(self.server.url))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def start(self, *arguments, url=None):
        """The worker, begun."""
        given = ["--concurrency", str(SLOTS), "--grace-period", f"{self.grace}s", *arguments]
        self.worker = Worker(self.folder / "worker", url or self.proxy.url, arguments=given, plugin=HANDLERS)
        self._stack.callback(self.worker.clean_up)
        return self.worker

    def started(self, *arguments):
        """The worker, once it found its server."""
        worker = self.start(*arguments)
        begun = lambda: worker.events("worker_started") or worker.process.poll() is not None
        wait_until(begun, "the start of the worker")
        if "not in this version" in worker.text():
            raise NotInThisVersion
        return worker

    def waiting(self):
        """The worker, once its claim went through the proxy; it has no answer, as there is no task."""
        worker = self.started("--poll-interval", "30s")
        wait_until(lambda: self.proxy.counts["passed"] >= 2, "the claim that waits")
        return worker

    def running(self, task_type, *arguments, seconds=None):
        """The worker, once a handler runs in every slot."""
        params = {"seconds": self.seconds if seconds is None else seconds}
        self.server.add(f"Prove.{task_type}", [params] * SLOTS)
        worker = self.started(*arguments)
        wait_until(lambda: len(worker.runs()) == SLOTS, "a handler in every slot")
        return worker

    def stop(self, send=None):
        """Sends the signal and sees what it comes to."""
        begun = time.monotonic()
        (send or self.terminate)()
        code = self.worker.exit_code(deadline=120)
        seconds = time.monotonic() - begun
        return {
            "seconds": round(seconds, 2),
            "code": code,
            "claims": dict(Counter(str(claim.verdict) for claim in self.server.records().claims)),
            "reports": self.worker.stored("outcomes"),
            "holds": self.worker.stored("holds"),
        }

    def terminate(self):
        self.worker.signal(signal.SIGTERM)

    def terminate_twice(self):
        self.terminate()
        wait_until(lambda: self.worker.events("phase_draining"), "the drain")
        self.terminate()

    def interrupt_group(self):
        os.killpg(self.worker.process.pid, signal.SIGINT)


def searching(scene):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        worker = scene.start("--startup-timeout", "1h", url=f"http://127.0.0.1:{nobody.getsockname()[1]}/api")
        wait_until(lambda: worker.events("server_lost"), "the search")
        return scene.stop()


def asking(scene):
    """A claim was sent this very moment; the server has nothing and begins to wait."""
    scene.waiting()
    return scene.stop()


def idle(scene):
    """In a call that waits for work on the server since a second."""
    scene.waiting()
    time.sleep(1.0)
    return scene.stop()


def idle_group(scene):
    scene.waiting()
    time.sleep(1.0)
    return scene.stop(scene.interrupt_group)


def finishing(scene, *arguments):
    scene.running("Careful", *arguments, seconds=min(scene.seconds, 3.0))
    return scene.stop()


def careful(scene, *arguments):
    scene.running("Careful", *arguments)
    return scene.stop()


def deaf(scene, *arguments):
    scene.running("Deaf", *arguments)
    return scene.stop()


def twice(scene, *arguments):
    scene.running("Deaf", *arguments)
    return scene.stop(scene.terminate_twice)


def interrupted(scene, *arguments):
    scene.running("Careful", *arguments, seconds=min(scene.seconds, 3.0))
    return scene.stop(scene.interrupt_group)


def backlog(scene, plan=None):
    """Reports pile up while claims pass; then the server is away: killed, or behind this plan."""
    scene.proxy.plan = FaultPlan(1.0, (Disturbance.RESET_BEFORE,), lambda _m, _p, body: b'"reports"' in body)
    scene.server.add("Prove.Quick", [{}] * scene.backlog)
    worker = scene.started("--concurrency", "128")
    wait_until(lambda: worker.stored("outcomes") == scene.backlog, "the reports that wait", 120)
    if plan is None:
        scene.server.kill()
        scene.proxy.plan = FaultPlan()
    else:
        scene.proxy.plan = plan
    return scene.stop()


def silent(scene):
    return backlog(scene, FaultPlan(1.0, (Disturbance.DELAY,), seconds=3600))


def held(scene, seconds=3600.0):
    """A claim is on its way when a task comes, and its answer is late."""
    worker = scene.started()
    wait_until(lambda: scene.proxy.counts["passed"] >= SETTLED, "some claims")
    scene.proxy.plan = FaultPlan(1.0, (Disturbance.DELAY,), lambda _m, _p, body: b'"claim"' in body, seconds)
    wait_until(lambda: scene.proxy.counts[Disturbance.DELAY] >= 1, "the claim that is held")
    scene.server.add("Prove.Careful", [{"seconds": scene.seconds}])
    assert worker.runs() == []
    return scene.stop()


def answered(scene):
    return held(scene, 3.0)


@dataclass(frozen=True, slots=True)
class Case:
    """A situation, and what is promised of it.

    Attributes:
        longest: Seconds from the signal to the exit that are promised.
        code: The exit code.
        claims: How the claims end at the server: (verdict, how many); an open one runs out there.
        reports: How many stored reports stay for the next start.
    """

    name: str
    text: str
    happen: Callable[[Scene], dict]
    longest: float
    code: int = 0
    claims: tuple = ()
    reports: int = 0
    times: int = 1


OPEN = "None"
FINISHED = (("completed", SLOTS),)
GIVEN_BACK = (("released", SLOTS),)
LEFT = ((OPEN, SLOTS),)
STORED = ((OPEN, 1000),)


def processes(happen):
    """The same with handlers in processes."""
    return lambda scene: happen(scene, "--isolation", "process")


CASES = (
    Case("searching", "the server is not there yet", searching, 1.0, times=TIMES),
    Case("asking", "a claim was sent this very moment", asking, 1.0, times=TIMES),
    Case("idle", "idle, in a call that waits on the server", idle, 1.0, times=TIMES),
    Case("idle-group", "the same, Ctrl-C to the whole group", idle_group, 1.0, times=TIMES),
    Case("finishing", "handlers that need 3 s more", finishing, 4.0, claims=FINISHED),
    Case("group", "the same, Ctrl-C to the whole group", interrupted, 4.0, claims=FINISHED),
    Case("careful", "30 s handlers that look at `ctx`", careful, GRACE, claims=GIVEN_BACK),
    Case("deaf", "30 s handlers that look at nothing", deaf, GRACE, 75, LEFT),
    Case("twice", "the same, and a second SIGTERM", twice, 1.0, 75, LEFT),
    Case("backlog", "1,000 reports wait, the server is gone", backlog, GRACE, 75, STORED, 1000),
    Case("silent", "1,000 reports wait, the server never answers", silent, GRACE, 75, STORED, 1000),
    Case(
        "claim-answered",
        "a claim is answered 3 s later, with a task",
        answered,
        4.0,
        claims=(("released", 1),),
    ),
    Case("claim-held", "a claim is never answered", held, GRACE),
    Case("process-finishing", "process slots: 3 s more", processes(finishing), 4.0, claims=FINISHED),
    Case("process-group", "process slots: Ctrl-C to the group", processes(interrupted), 4.0, claims=FINISHED),
    Case("process-careful", "process slots: look at `ctx`", processes(careful), GRACE, claims=GIVEN_BACK),
    Case("process-deaf", "process slots: look at nothing", processes(deaf), GRACE, claims=GIVEN_BACK),
)


def parts():
    return [Part(case.name, partial(run, case)) for case in CASES]


def run(case, **sizes):
    """One part: the stops, as often as the case says; none where this version has no such thing."""
    stops = []
    for _ in range(case.times):
        with tempfile.TemporaryDirectory() as folder, Scene(Path(folder), **sizes) as scene:
            try:
                stops.append(case.happen(scene))
            except NotInThisVersion:
                break
    return {"case": case.name, "stops": stops}


def figures(results):
    return {result["case"]: result["stops"] for result in results}


def failures(found):
    return [
        f"{case.text}: {fault}"
        for case in CASES
        for stop in found.get(case.name, [])
        for fault in faults(case, stop)
    ]


def faults(case, stop):
    """What was promised of a stop and did not hold."""
    if stop["seconds"] > case.longest + MARGIN:
        yield f"it took {stop['seconds']} s, {case.longest:g} s are promised"
    if stop["code"] != case.code:
        yield f"the exit code was {stop['code']} instead of {case.code}"
    if stop["claims"] != dict(case.claims):
        yield f"the claims ended as {stop['claims']} instead of {dict(case.claims)}"
    if (stop["reports"], stop["holds"]) != (case.reports, 0):
        yield f"{stop['reports']} reports and {stop['holds']} holds stayed, {case.reports} and 0 should"


def table(found):
    rows = [_row(case, found[case.name]) for case in CASES if case.name in found]
    return grid(
        ("stopped while", "seconds", "longest", "stops", "exit code", "claims at the server", "reports kept"),
        rows,
    )


def _row(case, stops):
    if not stops:
        return (case.text, "not in this version", "", "", "", "", "")
    seconds = [stop["seconds"] for stop in stops]
    codes = ", ".join(str(code) for code in sorted({stop["code"] for stop in stops}))
    ends = {_ends(stop["claims"]) for stop in stops}
    kept = max(stop["reports"] for stop in stops)
    times = (f"{median(seconds):.2f}", f"{max(seconds):.2f}", str(len(stops)))
    return (case.text, *times, codes, " or ".join(sorted(ends)), str(kept))


def _ends(claims):
    shown = [
        f"{number} {'open' if verdict == OPEN else verdict}" for verdict, number in sorted(claims.items())
    ]
    return ", ".join(shown) or "none"


PROOF = Proof(
    name="stop",
    title="Stopped in every situation",
    about=f"""\
Promise: from the signal to the exit it takes the grace period ({GRACE:.0f} s here) at most, an idle worker a second;
what is not done is given back, left to run out, or kept for the next start, and the exit code says which (0: nothing
is left here, 75: start me again). One worker with {SLOTS} slots on the embedded TaskManager, stopped by SIGTERM unless
it says otherwise. *Open* claims run out on the server after their lease; a stored report of theirs is taken until
somebody else has the task.""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
