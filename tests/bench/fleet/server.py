"""A server that takes so many requests a second, may be away, and may hold claims open until there is work."""

import math
from collections import deque
from dataclasses import dataclass

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import Throttled, Unreachable

POLLING = Capabilities()
"""A base server: an empty claim is answered at once."""

WAITING = Capabilities(
    max_tasks=128, max_wait_seconds=30.0, lease_seconds=60.0, renews=True, finds_claims=True
)
"""A server that holds empty claims open, as the embedded TaskManager does."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the server is like.

    Attributes:
        rate: Requests that it answers in a second.
        patience: Seconds that a request may wait in its line; longer, and it is refused with 503.
        retry_after: What the refusal asks for, seconds.
        away: From when to when it does not answer at all, seconds.
    """

    can: Capabilities = POLLING
    rate: float = math.inf
    patience: float = math.inf
    retry_after: float = 5.0
    away: tuple = ()


class Server:
    """The line of requests, the tasks that wait for workers, and the workers that wait for tasks."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.tasks = deque()
        self.waiting = {}
        self._free_at = 0.0

    def reach(self, now):
        """When a request that is sent now is served, or the failure that it meets."""
        there = self.deployment
        if any(begin <= now < end for begin, end in there.away):
            return Unreachable("away", maybe_seen=False)
        begin = max(now, self._free_at)
        if begin - now > there.patience:
            return Throttled("HTTP 503", there.retry_after)
        self._free_at = begin + 1.0 / there.rate
        return self._free_at
