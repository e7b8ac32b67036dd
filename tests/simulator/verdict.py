"""What must hold once a simulation is over: nothing lost, nothing twice, every claim with one end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prismq_worker_sdk.decide.retries import USUAL_ATTEMPTS
from prismq_worker_sdk.model.claim import Identity
from tests.simulator.host import Host
from tests.simulator.model_prismq_client import ModelPrismqClient
from tests.simulator.model_tasks import ModelTask
from tests.simulator.plan import Cancelled
from tests.simulator.scene import TIME_LIMIT, Scene
from tests.simulator.watch import Watch

Finding = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is found when everything has ended."""

    scene: Scene
    watch: Watch
    hosts: Sequence[Host]

    def findings(self) -> Iterator[Finding]:
        """What must not be, with the rule that it breaks."""
        for task in tuple(self.scene.server.tasks.values()):
            yield from self._of_task(task)
        for claim in self.scene.server.claims:
            if claim.acceptances > 1:
                yield "R28", f"a claim of {claim.task.id} was accepted {claim.acceptances} times"
            if len(set(claim.lines)) < len(claim.lines) or claim.logged < claim.last_line:
                yield "logs", f"a claim of {claim.task.id} has the lines {claim.lines} of {claim.logged}"

    def _of_task(self, task: ModelTask) -> Iterator[Finding]:
        accepted = [
            claim
            for claim in self.scene.server.claims
            if claim.task is task and claim.accepted == "completed"
        ]
        if len(accepted) > 1:
            yield "twice", f"{task.id} was completed {len(accepted)} times"
        if task.status == "completed" and len(accepted) != 1:
            yield "twice", f"{task.id} is completed without a claim that did it"
        yield from self._children(task)
        yield from self._follower(task)
        if task.status == "failed":
            yield from self._failed(task)
        elif task.result != {"task": task.id}:
            yield "lost", f"{task.id} has the result {task.result!r}"

    def _children(self, task: ModelTask) -> Iterator[Finding]:
        if self.scene.plan.dialect == "base":
            return
        wanted = self.scene.work(task.id).children if task.status == "completed" else 0
        children = [child for child in self.scene.server.tasks.values() if child.parent == task.id]
        if (
            task.id in self.watch.offered
        ):  # they are there before the report of a result, whatever becomes of it
            wanted = max(wanted, min(len(children), self.scene.work(task.id).children))
        if len(children) != wanted:
            yield "R22", f"{task.id} is {task.status} and has {len(children)} children, not {wanted}"

    def _follower(self, task: ModelTask) -> Iterator[Finding]:
        """One task follows the children of one that completed, and was told how they ended."""
        tasks = self.scene.server.tasks.values()
        wanted = self.scene.server.fleet and task.status == "completed" and self.scene.work(task.id).follower
        followers = [one for one in tasks if one.follows == task.id]
        if len(followers) != wanted:
            yield "fan_in", f"{task.id} is {task.status}, and {len(followers)} tasks follow its children"
        ends = [one.status for one in tasks if one.parent == task.id]
        if any(one.counts != (ends.count("completed"), ends.count("failed")) for one in followers):
            yield "fan_in", f"what follows {task.id} was told {[one.counts for one in followers]} of {ends}"

    def _failed(self, task: ModelTask) -> Iterator[Finding]:
        work = self.scene.work(task.id)
        cancelled = any(
            isinstance(fault, Cancelled) and self.scene.plan.task_id(fault.task) == task.id
            for fault in self.scene.plan.faults
        )
        if isinstance(self.scene.server, ModelPrismqClient) and task.id in self.scene.server.halved:
            yield from self._untold(task)
            return
        if task.error.startswith("given back"):
            yield "R18", f"{task.id} failed for good because it was given back, at attempt {task.attempts}"
        if cancelled and (task.error == "cancelled" or self.scene.plan.dialect == "base"):
            return
        if work.fate in {"refused", "unreadable"}:
            yield from self._as_planned(task, work.fate)
        elif work.end in {"permanent", "error", "kill"} or work.fate == "poison" or work.seconds > TIME_LIMIT:
            if (
                task.attempts < task.max_attempts
                and work.end != "permanent"
                and "time_limit" not in task.error
            ):
                yield from self._too_few(task)
        elif self.scene.server.exchange:
            yield from self._too_few(task)
        elif self.scene.plan.dialect == "prismq-client" and task.attempts < task.max_attempts:
            yield "lost", f"{task.id} failed ({task.error}) after {task.attempts} attempts"

    def _as_planned(self, task: ModelTask, fate: str) -> Iterator[Finding]:
        """A task that can only fail says why, unless a crash before it could used up the last attempt."""
        used_up = task.attempts >= task.max_attempts
        if fate == "refused" and "refused" not in task.error and not used_up:
            yield "R24", f"{task.id} was refused for its content, and failed as {task.error!r}"
        told = "unreadable" in task.error or "cannot be read" in task.error
        told |= used_up and task.error == "crashed"
        if fate == "unreadable" and not told and (self.scene.server.exchange or task.error != "expired"):
            yield "R3", f"{task.id} cannot be read, and failed as {task.error!r}"

    def _untold(self, task: ModelTask) -> Iterator[Finding]:
        """A task that the server failed by half is told, as far as an answer that was lost can be told."""
        told = task.id in self.watch.failed_early or task.attempts >= (
            self.scene.server_max_attempts or USUAL_ATTEMPTS
        )
        if not told and not any(host.had_full_disk for host in self.hosts):
            yield "untold", f"{task.id} was failed for good at attempt {task.attempts}, and nobody was told"

    def _too_few(self, task: ModelTask) -> Iterator[Finding]:
        """A task may fail once its attempts are used up, and only attempts that somebody began count (R7)."""
        given_back = sum(self._went_back(identity) for identity in self.watch.given_back[task.id])
        begun = self.watch.holds[task.id] - given_back
        if task.attempts < task.max_attempts or begun < task.max_attempts:
            yield "lost", f"{task.id} failed ({task.error}) after {begun} of {task.max_attempts} attempts"

    def _went_back(self, identity: Identity) -> bool:
        """Whether a claim ended before it ran out; one that did is an attempt, whoever was to blame (R6)."""
        claim = self.scene.server.by_token.get(identity.token or "") if self.scene.server.exchange else None
        return claim is None or bool(claim.accepted)
