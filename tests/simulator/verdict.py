"""What must hold once a simulation is over: nothing lost, nothing twice, every claim with one end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prismq_worker_sdk.decide.retries import USUAL_ATTEMPTS
from prismq_worker_sdk.model.claim import Identity
from tests.simulator.model_prismq_client import ModelPrismqClient
from tests.simulator.model_tasks import ModelTask
from tests.simulator.plan import Cancelled

if TYPE_CHECKING:
    from tests.simulator.world import World

Finding = tuple[str, str]


def final_findings(world: World) -> Iterator[Finding]:
    """What must not be, with the rule that it breaks."""
    for task in tuple(world.server.tasks.values()):
        yield from _of_task(world, task)
    for claim in world.server.claims:
        if claim.acceptances > 1:
            yield "R28", f"a claim of {claim.task.id} was accepted {claim.acceptances} times"


def _of_task(world: World, task: ModelTask) -> Iterator[Finding]:
    accepted = [
        claim for claim in world.server.claims if claim.task is task and claim.accepted == "completed"
    ]
    if len(accepted) > 1:
        yield "twice", f"{task.id} was completed {len(accepted)} times"
    if task.status == "completed" and len(accepted) != 1:
        yield "twice", f"{task.id} is completed without a claim that did it"
    yield from _children(world, task)
    if task.status == "failed":
        yield from _failed(world, task)
    elif task.result != {"task": task.id}:
        yield "lost", f"{task.id} has the result {task.result!r}"


def _children(world: World, task: ModelTask) -> Iterator[Finding]:
    if world.plan.dialect == "base":
        return
    wanted = world.work(task.id).children if task.status == "completed" else 0
    children = [child for child in world.server.tasks.values() if child.parent == task.id]
    if task.id in world.watch.offered:  # they are there before the report of a result, whatever becomes of it
        wanted = max(wanted, min(len(children), world.work(task.id).children))
    if len(children) != wanted:
        yield "R22", f"{task.id} is {task.status} and has {len(children)} children, not {wanted}"


def _failed(world: World, task: ModelTask) -> Iterator[Finding]:
    work = world.work(task.id)
    cancelled = any(
        isinstance(fault, Cancelled) and world.plan.task_id(fault.task) == task.id
        for fault in world.plan.faults
    )
    if isinstance(world.server, ModelPrismqClient) and task.id in world.server.halved:
        yield from _untold(world, task)
        return
    if task.error.startswith("given back"):
        yield "R18", f"{task.id} failed for good because it was given back, at attempt {task.attempts}"
    if cancelled and (task.error == "cancelled" or world.plan.dialect == "base"):
        return
    if work.fate in {"refused", "unreadable"}:
        yield from _as_planned(world, task, work.fate)
    elif work.end in {"permanent", "error", "kill"} or work.fate == "poison" or work.seconds > world.limit:
        if task.attempts < task.max_attempts and work.end != "permanent" and "time_limit" not in task.error:
            yield from _too_few(world, task)
    elif world.server.exchange:
        yield from _too_few(world, task)
    elif world.plan.dialect == "prismq-client" and task.attempts < task.max_attempts:
        yield "lost", f"{task.id} failed ({task.error}) after {task.attempts} attempts"


def _as_planned(world: World, task: ModelTask, fate: str) -> Iterator[Finding]:
    """A task that can only fail says why, unless a crash before it could used up the last attempt."""
    used_up = task.attempts >= task.max_attempts
    if fate == "refused" and "refused" not in task.error and not used_up:
        yield "R24", f"{task.id} was refused for its content, and failed as {task.error!r}"
    told = "unreadable" in task.error or "cannot be read" in task.error
    told |= used_up and task.error == "crashed"
    if fate == "unreadable" and not told and (world.server.exchange or task.error != "expired"):
        yield "R3", f"{task.id} cannot be read, and failed as {task.error!r}"


def _untold(world: World, task: ModelTask) -> Iterator[Finding]:
    """A task that the server failed by half is told; one whose answer may have been lost only as far as can be told."""
    told = task.id in world.watch.failed_early or task.attempts >= (
        world.server_max_attempts or USUAL_ATTEMPTS
    )
    if not told and not any(host.had_full_disk for host in world.hosts):
        yield "untold", f"{task.id} was failed for good at attempt {task.attempts}, and nobody was told"


def _too_few(world: World, task: ModelTask) -> Iterator[Finding]:
    """A task may fail once its attempts are used up, and only attempts that somebody began count (R7)."""
    given_back = sum(_went_back(world, identity) for identity in world.watch.given_back[task.id])
    begun = world.watch.holds[task.id] - given_back
    if task.attempts < task.max_attempts or begun < task.max_attempts:
        yield "lost", f"{task.id} failed ({task.error}) after {begun} of {task.max_attempts} attempts"


def _went_back(world: World, identity: Identity) -> bool:
    """Whether a claim ended before it ran out; one that did is an attempt, whoever was to blame (R6)."""
    claim = world.server.by_token.get(identity.token or "") if world.server.exchange else None
    return claim is None or bool(claim.accepted)
