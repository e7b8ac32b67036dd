"""What there is around the workers of a simulation: time, network, server, and what the plan says of each task."""

from __future__ import annotations

from random import Random

from prismq_worker_sdk.model.claim import Identity
from tests.simulator.model_prismq_client import ModelPrismqClient
from tests.simulator.model_server import ModelServer
from tests.simulator.model_tasks import ModelClaim
from tests.simulator.network import Network
from tests.simulator.plan import End, HalfFailure, Plan, Work
from tests.simulator.schedule import Schedule

TYPE = "Simulated.Work"
CHILD = "Simulated.Child"
GATED = "Simulated.Gated"
"""The type whose handler is not always ready."""

TYPES = (TYPE, CHILD, GATED)
LIMIT = "simulated"
"""The limit that all tasks of a plan use where handlers pause it, beside their children."""

TIME_LIMIT = 15.0
"""Seconds that every handler has."""

UNAVAILABLE = 2.0
"""Seconds of a pause."""


class Scene:
    """What the machines and those who watch them have in common; it knows none of them.

    Attributes:
        cancelled_at: When somebody asked for the end of a task.
    """

    def __init__(self, plan: Plan, *, traced: bool = False) -> None:
        self.plan = plan
        self.traced = traced
        self.rng = Random(plan.seed)
        self.schedule = Schedule(self.rng)
        self.server = _server(plan)
        self.network = Network(plan, self.schedule, self.server, self.rng)
        self.cancelled_at: dict[str, float] = {}
        self._works = {plan.task_id(number): work for number, work in enumerate(plan.works)}
        for task_id, work in self._works.items():
            task = self.server.add(task_id, GATED if work.gated else TYPE, max_attempts=work.max_attempts)
            task.not_before = work.at
            task.params = "none" if work.fate == "unreadable" else None

    @property
    def server_max_attempts(self) -> int:
        """What workers are told of the server's limit on attempts: nothing, or what holds for every task."""
        told = self.plan.dialect == "prismq-client" and self.plan.seed % 2
        return min(work.max_attempts for work in self.plan.works) if told else 0

    def work(self, task_id: str) -> Work:
        """How a task's handler goes."""
        return self._works.get(task_id) or Work(seconds=0.05, end=self._end_of(task_id))

    def _end_of(self, task_id: str) -> End:
        """The second child of a task fails where a task is to follow them."""
        parent, _, key = task_id.partition("/")
        return "permanent" if key == "1" and self._works[parent].follower else "complete"

    def cancel(self, task_id: str) -> None:
        """Somebody asks for the end of a task."""
        self.cancelled_at.setdefault(task_id, self.schedule.now)
        self.server.cancel(task_id)

    def claim_of(self, identity: Identity) -> ModelClaim | None:
        """The claim at the server that a worker means by an identity; the last one where it cannot be told."""
        if identity.token is not None and self.server.exchange:
            return self.server.by_token.get(identity.token)
        owner = identity.token or identity.worker_id
        same = (one for one in reversed(self.server.claims) if one.task.id == identity.task_id)
        return next((one for one in same if one.worker_id == owner), None)

    def held_before(self, identity: Identity) -> bool:
        """Whether a base server cannot tell this claim from another one: same task, same worker id."""
        same = [one for one in self.server.claims if one.task.id == identity.task_id]
        return identity.token is None and sum(one.worker_id == identity.worker_id for one in same) > 1


def _server(plan: Plan) -> ModelServer:
    refused = frozenset(plan.task_id(n) for n, work in enumerate(plan.works) if work.fate == "refused")
    if plan.dialect == "prismq-client":
        halves = frozenset(one.number for one in plan.faults if isinstance(one, HalfFailure))
        return ModelPrismqClient(exchange=False, refused=refused, types=TYPES, halves=halves)
    return ModelServer(
        exchange=plan.dialect == "exchange",
        refused=refused,
        hasty=plan.hasty,
        logs=plan.talks,
        fleet=plan.fleet,
        limits={TYPE: LIMIT, GATED: LIMIT} if plan.fleet else {},
    )
