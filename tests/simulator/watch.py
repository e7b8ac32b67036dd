"""What must hold at every moment of a simulation; each breach is one sentence with the rule it breaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from prismq_worker_sdk.decide.delivery import Judgement, Park, Settle
from prismq_worker_sdk.decide.leases import ABANDON_AFTER
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.events import ClaimEnded, Event, TaskFailedEarly
from prismq_worker_sdk.model.events import End as EndOfClaim
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome, Released
from prismq_worker_sdk.model.protocol import ExchangeRequest
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.outbox.bounds import CHECKPOINT_SECONDS
from prismq_worker_sdk.outbox.store import Held, HoldResult
from prismq_worker_sdk.worker.attempt import Attempt, Finished
from tests.simulator.closed import ClosedTypes
from tests.simulator.host import Worker
from tests.simulator.pauses import PausedLimits
from tests.simulator.plan import Steered
from tests.simulator.prefetched import PrefetchedTasks
from tests.simulator.scene import Scene
from tests.simulator.trouble import Trouble

SLACK = 6.0
"""Seconds that a loop may rest before it looks again."""

AT_ONCE = 1.5
LONGEST_LINE = 45.0
CALM = 20.0
"""Seconds after which a disturbance is over for certain."""

ENDS = ("the plan stops it", "every slot is lost", "every task type is paused")
"""Why a worker may end."""


class Watch:
    """Sees everything that happens in a simulation.

    Attributes:
        findings: What must not be, one sentence each.
        starts: How often each handler was begun.
        holds: How often each task was held to be run.
        given_back: Its claims that had to go back without losing an attempt.
        failed_early: Tasks of which it was told that the server failed them before their attempts were used up.
        offered: Tasks of which a result was sent to a server that creates children before it takes the report.
        prefetched: What waited for a slot.
        pauses: Of the limit of a plan.
        trace: What happened, for people.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.findings: list[str] = []
        self.trace: list[str] = []
        self.starts: Counter[str] = Counter()
        self.holds: Counter[str] = Counter()
        self.given_back: defaultdict[str, set[Identity]] = defaultdict(set)
        self.failed_early: set[str] = set()
        self.offered: set[str] = set()
        self.prefetched = PrefetchedTasks(scene)
        self._completed: dict[tuple[int, str], tuple[float, int, Worker]] = {}
        self._checkpoints: dict[tuple[int, str], float] = {}
        self._running: dict[tuple[Worker, str], tuple[float, int, Attempt]] = {}
        self._here: set[tuple[Worker, str]] = set()
        self._workers: dict[str, Worker] = {}
        self._stored: dict[Worker, set[Identity]] = {}
        self._sent: dict[Worker, set[Identity]] = {}
        self._owners: set[str] = set()
        self._lapsed: set[tuple[Worker, str]] = set()
        self._closed = ClosedTypes()
        self._trouble = Trouble(scene)
        self.pauses = PausedLimits(scene, self._trouble)

    def find(self, rule: str, what: str) -> None:
        """Something that must not be."""
        self.findings.append(f"{rule}: {what} (at {self._scene.schedule.now:.3f} s)")

    def note(self, process: Worker, what: object) -> None:
        """Something for the trace."""
        if self._scene.traced:
            self.trace.append(f"{self._scene.schedule.now:9.3f} {process.worker_id:12} {what}")

    # the process

    def step(self, process: Worker) -> None:
        """A loop made a step."""
        services = process.services
        if services is None:
            return
        for breach in self.prefetched.step(process, services):
            self.find(*breach)
        for attempt in services.attempts.live():
            self._check_lease(process, attempt)

    def event(self, process: Worker, event: Event) -> None:
        """Something happened in a worker."""
        self.note(process, event)
        if isinstance(event, ClaimEnded) and event.end is EndOfClaim.LAPSED:
            self._lapsed.add((process, event.ref.task_id))
        if isinstance(event, TaskFailedEarly):
            self.failed_early.add(event.ref.task_id)

    def calls(self, process: Worker, call: ExchangeRequest) -> None:
        """A worker calls the server."""
        self.note(process, call)
        self._sent.setdefault(process, set()).update(report.identity for report in call.reports)
        if self._scene.plan.dialect == "prismq-client":
            results = [one for one in call.reports if isinstance(one.outcome, Completed)]
            self.offered.update(one.identity.task_id for one in results)
        if call.claim is None:
            return
        for name in self._closed.claimed(process, call):
            self.find("R18", f"{process.worker_id} claims {name}, which is closed")
        unsent = self._stored.get(process, set()) - self._sent[process]
        if unsent:
            self.find("R27", f"{process.worker_id} claims before it has sent its stored reports")

    def recovered(self, process: Worker) -> None:
        """A worker has made whole what it found on its disk."""
        self._workers[process.worker_id] = process
        found = process.host.outbox.after(0, 1000)
        self._stored[process] = {report.identity for report in found}

    def stopped(self, process: Worker, grace: float) -> None:
        """A worker is told to stop."""
        services = process.services
        self.prefetched.stopped(process)
        since, seen = self._scene.schedule.now, self._scene.network.disturbed[process.host.number]
        calm = not self._trouble.may_excuse(
            process, since - CALM, seen, most=0
        ) and not self._scene.network.disturbances(process.host.number, since - CALM)
        idle = (
            services is not None
            and not services.attempts.all()
            and not self._waiting(process)
            and grace > AT_ONCE
        )

        def look(name: str) -> None:
            if not process.dead and not self._trouble.may_excuse(process, since, seen, most=0):
                self.find("R36", f"{process.worker_id} was told to stop and has not ended {name}")

        if idle and calm:
            self._scene.schedule.after(
                AT_ONCE, lambda: None if self._busy(process) else look("at once, though it was idle")
            )
        self._scene.schedule.after(grace + 1.0, lambda: look("within its grace period"))

    def died(self, process: Worker, what: str) -> None:
        """A loop of a worker died."""
        self.find("R31", f"{process.worker_id}: {what}")

    def exited(self, process: Worker, code: int, reason: str) -> None:
        """A worker has ended."""
        self.note(process, f"exit {code}: {reason}")
        services = process.services
        if services is None:
            return
        waiting, left = self._waiting(process), len(services.attempts.all())
        faults = services.accounting.faults(waiting=waiting)
        if faults and not process.host.disk_is_full:
            self.find("R38", f"{process.worker_id}: {'; '.join(faults)}")
        if code == 0 and (waiting or left):
            self.find(
                "R37", f"{process.worker_id} exits with 0 and leaves {waiting} reports, {left} handlers"
            )
        for breach in self.pauses.exited(process, services, CALM):
            self.find(*breach)
        cut_off = [
            one.ref.task_id for one in services.attempts.live() if self._scene.work(one.ref.task_id).obeys
        ]
        host = process.host
        if cut_off and process.grace > AT_ONCE and not host.suspended_until and not host.had_full_disk:
            self.find("R36", f"{process.worker_id} exits over {cut_off}, which would have ended when told to")
        if not any(reason.startswith(end) for end in ENDS):
            self.find("R34", f"{process.worker_id} ended by itself: {reason}")

    # its claims

    def held(self, process: Worker, claim: Claim, found: HoldResult) -> None:
        """A claim was written down, or answered."""
        task = claim.task.id
        self._owners.add(claim.identity.token or "")
        if isinstance(found, Held):
            self.holds[task] += 1
            if (process.host.number, task) in self._completed and not self._scene.work(task).fate:
                self.find("R25", f"{task} is to be computed again where its result still is")

    def started(self, process: Worker, attempt: Attempt, last_checkpoint: Any) -> None:
        """A handler begins."""
        task, host = attempt.claim.task.id, process.host.number
        now = self._scene.schedule.now
        self.starts[task] += 1
        self.note(process, f"starts {task}")
        for breach in self.prefetched.begins(process, attempt):
            self.find(*breach)
        if (process, task) in self._here:
            self.find("R9", f"{task} runs twice at a time in {process.worker_id}")
        if last_checkpoint is None and self._keeps_checkpoint(process, task):
            self.find("R30", f"{task} begins without the checkpoint that it stored on this host")
        if self._scene.cancelled_at.get(task, now) < self._scene.server.tasks[task].claimed_at:
            self.find("R29", f"{task} is begun though it was cancelled before")
        for other, since, seen in self._elsewhere(process, task):
            if not self._trouble.may_excuse(other, since, seen, most=2):
                self.find(
                    "R21",
                    f"{task} is begun by {process.worker_id} while {other.worker_id} has it, in good health",
                )
        self._check_unconfirmed(task)
        seen = self._scene.network.disturbed[host]
        self._running[process, task] = (now, seen, attempt)
        self._here.add((process, task))
        self._watch_limit(process, attempt)

    def checkpointed(self, process: Worker, task_id: str) -> None:
        """A handler has stored a checkpoint."""
        self._checkpoints[process.host.number, task_id] = process.host.clock.utc().timestamp()

    def left(self, process: Worker, attempt: Attempt) -> None:
        """A handler has left its slot."""
        self._running.pop((process, attempt.claim.task.id), None)
        self._here.discard((process, attempt.claim.task.id))

    def committed(self, process: Worker, identity: Identity, outcome: Outcome) -> None:
        """An outcome was committed."""
        self.note(process, f"commits {outcome}")
        now, host = self._scene.schedule.now, process.host.number
        self._running.pop((process, identity.task_id), None)
        if self._scene.server.exchange or isinstance(outcome, Completed):  # others may be held back
            self._watch_delivery(process, identity)
        if isinstance(outcome, Completed):
            self._completed[host, identity.task_id] = (now, self._scene.network.disturbed[host], process)
        self._closed.ended(process, identity, outcome)
        attempt = next(
            (
                one
                for one in (process.services.attempts.all() if process.services else ())
                if one.claim.identity == identity
            ),
            None,
        )
        if attempt is not None:
            self._count_given_back(attempt)
        if attempt is None or attempt.cancelled is None:
            begun = attempt is None or attempt.started_at is not None
            unavailable = self._scene.work(identity.task_id).end == "unavailable"
            if begun and unavailable and isinstance(outcome, Released):
                self._closed.unavailable(process, identity.task_type)
            return
        told = isinstance(outcome, Failed) and outcome.error_type in {"", "TaskCancelled"}
        match attempt.cancelled:
            case CancelReason.STOPPING | CancelReason.EXPIRED if told:
                self.find("R15", f"{identity.task_id} fails because its worker stops or its claim ran out")
            case CancelReason.ASKED if isinstance(outcome, Released):
                self.find("R15", f"{identity.task_id} goes back though it was cancelled")
            case CancelReason.LOST if isinstance(outcome, Completed | Released):
                self.find("R15", f"{identity.task_id} is reported though its claim was lost")

    def judged(self, process: Worker, report: Report, judgement: Judgement) -> None:
        """A worker has stored what became of a report."""
        self.note(process, f"judges {report.identity.task_id}: {judgement}")
        identity = report.identity
        claim = self._scene.claim_of(identity)
        accepted = claim is not None and bool(claim.accepted)
        match judgement:
            case Settle(settlement=Settlement.ACCEPTED):
                if not accepted:
                    self.find("R26", f"{identity.task_id} counts as accepted, and the server never took it")
            case Settle() if isinstance(report.outcome, Failed) and report.outcome.error_type == "crashed":
                pass  # an orphan may have been reported from memory before its worker ended
            case Settle() if isinstance(report.outcome, Released) and not self._scene.server.exchange:
                pass  # it is left to lapse where a report might end it for good
            case Settle() if not self._trouble.tells_apart or self._scene.held_before(identity):
                pass  # what was taken may have been the outcome of an earlier claim of the same worker id
            case Settle(settlement=Settlement.LOST) if accepted:
                self.find("R26", f"{identity.task_id} counts as lost, and the server took it")
            case Settle(settlement=Settlement.LOST | Settlement.UNCONFIRMED):
                if claim is not None and claim.task.held_by(claim):
                    self.find("R21", f"the report of {identity.task_id} is given up while its claim is open")
            case Park(detail=detail) if not self._scene.work(identity.task_id).fate:
                self.find("R23", f"the report of {identity.task_id} is parked: {detail}")

    # means

    def _keeps_checkpoint(self, process: Worker, task: str) -> bool:
        """Whether a checkpoint was stored on this host that must be there: a base server keeps none for long."""
        stored_at = self._checkpoints.get((process.host.number, task))
        if stored_at is None:
            return False
        age = process.host.clock.utc().timestamp() - stored_at
        return self._scene.server.exchange or age < CHECKPOINT_SECONDS

    def _check_lease(self, process: Worker, attempt: Attempt) -> None:
        identity = attempt.claim.identity
        claim = None if identity.token is None else self._scene.claim_of(identity)
        if claim is None or claim.task.claim is not claim or claim.accepted or attempt.cancelled is not None:
            return
        if attempt.claim.expires_at > claim.task.expires_at + 1e-6:
            self.find(
                "R5", f"{process.worker_id} believes to hold {claim.task.id} longer than the server says"
            )

    def _elsewhere(self, process: Worker, task: str) -> Iterator[tuple[Worker, float, int]]:
        """Who else has this task in work, or its result: process, since when, disturbances by then."""
        for (other, name), (since, seen, attempt) in self._running.items():
            has = attempt.settled is None and not isinstance(
                attempt.state, Finished
            )  # only the disk waits for its end
            if name == task and other is not process and not other.dead and has:
                yield other, since, seen
        for (_, name), (since, seen, other) in self._completed.items():
            if name == task and other is not process and not other.dead and not self._scene.work(task).fate:
                yield other, since, seen

    def _check_unconfirmed(self, task: str) -> None:
        """No claim runs out unnoticed with a worker that is well (R6)."""
        if not self._scene.network.plain:
            return
        for claim in self._scene.server.claims:
            process = self._workers.get(claim.worker_id.partition("/")[0])
            known = claim.confirmed or claim.worker_id in self._owners or (process, task) in self._lapsed
            if claim.task.id != task or known or claim.task.claim is claim or process is None or process.dead:
                continue
            since, number = claim.claimed_at - CALM, process.host.number
            if any(isinstance(one, Steered) and one.at >= since for one in self._scene.plan.faults):
                continue  # a repeat that is answered with "quiet" brings no tasks (R40)
            few = self._scene.network.disturbances(number, since) <= 1 and self._scene.network.was_up(since)
            seen = self._scene.network.disturbed[number]
            if (
                few
                and not process.host.had_full_disk
                and not self._trouble.may_excuse(process, since, seen, most=0)
            ):
                self.find("R6", f"{task} was handed to {claim.worker_id} and ran out there, unconfirmed")

    def _watch_limit(self, process: Worker, attempt: Attempt) -> None:
        def look() -> None:
            now = self._scene.schedule.now
            due = (
                max(attempt.limit_at, attempt.cancelled_at or 0.0, self._trouble.last(process))
                + ABANDON_AFTER
                + SLACK
            )
            services = process.services
            if (
                process.dead
                or services is None
                or attempt not in services.attempts.live()
                or attempt.committed
            ):
                return
            if now < due:
                self._scene.schedule.at(due, look)
            else:
                self.find("R16", f"{attempt.claim.task.id} is past its limit and nobody has given it up")

        self._scene.schedule.at(attempt.limit_at + ABANDON_AFTER + SLACK, look)

    def _watch_delivery(self, process: Worker, identity: Identity) -> None:
        """No report waits for long because another one does not pass (R23)."""
        since, seen = self._scene.schedule.now, self._scene.network.disturbed[process.host.number]

        def look() -> None:
            waiting = [one.identity for one in process.host.outbox.after(0, 1000)]
            well = not self._trouble.may_excuse(
                process, since, seen, most=0
            ) and self._scene.network.takes_reports(since - CALM)
            if identity in waiting and well and not self._scene.work(identity.task_id).fate:
                self.find("R23", f"the report of {identity.task_id} waits for more than {LONGEST_LINE:.0f} s")

        if not process.host.had_full_disk:
            self._scene.schedule.after(LONGEST_LINE, look)

    def _count_given_back(self, attempt: Attempt) -> None:
        """Runs that must not cost their task an attempt: deferred as planned, or ended by a stop."""
        task = attempt.claim.task.id
        defers = self._scene.work(task).end in {"defer", "unavailable"} and self.starts[task] == 1
        if (
            attempt.cancelled in {CancelReason.STOPPING, CancelReason.EXPIRED}
            or (defers and attempt.cancelled is None)
            or attempt.started_at is None
        ):
            self.given_back[task].add(attempt.claim.identity)

    def _busy(self, process: Worker) -> bool:
        return process.services is not None and bool(process.services.attempts.all())

    def _waiting(self, process: Worker) -> int:
        return process.host.outbox.count("waiting")
