"""Which handlers ran again, and why: from the file that handlers append to, the logs and the server's records."""

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

KILLED_RUNNING = "its worker was killed while it ran"
KILLED_ENDING = "its worker was killed between its end and the commit"
KILLED_COMMITTED = "its worker was killed after the commit, the claim ran out before the delivery"
CUT_OFF = "its worker was cut off, the claim ran out"
TOLD = "it was told to end: "
UNEXPLAINED = "unexplained"
REASONS = (KILLED_RUNNING, KILLED_ENDING, KILLED_COMMITTED, CUT_OFF)


@dataclass(slots=True)
class Run:
    """One run of a handler, `end` is None when it was cut."""

    task: str
    worker: int
    begun: float
    end: str | None = None
    ended: float | None = None


def read_runs(path):
    """The runs of each task, in the order they began."""
    found, open_runs = defaultdict(list), {}
    for line in path.read_text("ascii").splitlines():
        what, task, _attempt, worker, at = line.split()
        if what == "begin":
            run = Run(task, int(worker), float(at))
            open_runs[task, run.worker] = run
            found[task].append(run)
        else:
            run = open_runs[task, int(worker)]
            run.end, run.ended = what, float(at)
    return dict(found)


class Judge:
    """Finds the claim of each run, and why a run was not the last of its task."""

    def __init__(self, members, claims):
        self._members = {member.number: member for member in members}
        self._claims = defaultdict(list)
        for claim in claims:
            self._claims[claim.task, claim.worker_id].append(claim)

    def claim_of(self, run):
        """The last claim that this worker had been given when the handler began."""
        given = self._claims[run.task, self._members[run.worker].worker_id()]
        place = bisect_right([claim.at for claim in given], run.begun)
        return given[place - 1] if place else None

    def reason(self, run):
        member, claim = self._members[run.worker], self.claim_of(run)
        killed = member.killed_at is not None and member.killed_at >= run.begun
        expired = claim is not None and claim.verdict == "expired"
        if killed and run.end is None:
            return KILLED_RUNNING
        if killed and run.task not in member.committed():
            return KILLED_ENDING
        if run.end is not None and run.end != "end":
            return TOLD + run.end.removeprefix("cancelled-")
        if killed and expired:
            return KILLED_COMMITTED
        return CUT_OFF if expired else UNEXPLAINED

    def learned(self, run):
        """How the server learned of the end of that claim."""
        claim = self.claim_of(run)
        return "no claim" if claim is None else str(claim.verdict)


def again(runs, judge):
    """(reason, how the server learned) → how often a handler ran once more for it."""
    cut = [run for of_task in runs.values() for run in of_task[:-1]]
    return Counter((judge.reason(run), judge.learned(run)) for run in cut)


def under_one_claim(runs, judge):
    """How many runs there were beyond one for each claim; none is allowed."""
    claims = Counter(
        id(claim)
        for of_task in runs.values()
        for run in of_task
        if (claim := judge.claim_of(run)) is not None
    )
    without = sum(judge.claim_of(run) is None for of_task in runs.values() for run in of_task)
    return sum(number - 1 for number in claims.values()) + without


def at_once_in_one_worker(runs):
    """How often a handler began while the same worker still ran it for the same task (R9); none is allowed."""
    return sum(
        earlier.worker == later.worker and (earlier.ended is None or later.begun < earlier.ended)
        for of_task in runs.values()
        for earlier, later in pairwise(of_task)
    )
