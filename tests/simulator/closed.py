"""Which types a worker must not claim now: those that are paused, or whose handler is not ready (R18, R19)."""

from __future__ import annotations

from collections.abc import Iterator

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Completed, Failed, Outcome
from prismq_worker_sdk.model.protocol import ExchangeRequest
from tests.simulator.host import Worker
from tests.simulator.scene import GATED, UNAVAILABLE

SHORTEST_PAUSE = 2.0
"""Seconds of a pause after errors, at least."""


class ClosedTypes:
    """What was said of the types of every process."""

    def __init__(self) -> None:
        self._paused_until: dict[tuple[Worker, str], float] = {}
        self._errors: dict[tuple[Worker, str], set[str]] = {}
        self._requests: set[str] = set()

    def unavailable(self, process: Worker, task_type: str) -> None:
        """A handler said that its type cannot be worked on now."""
        self._paused_until[process, task_type] = process.host.scene.schedule.now + UNAVAILABLE

    def ended(self, process: Worker, identity: Identity, outcome: Outcome) -> None:
        """A handler has ended: after so many unexpected failures in a row its type is paused (R19)."""
        key = process, identity.task_type
        if isinstance(outcome, Completed):
            self._errors.pop(key, None)
        if not isinstance(outcome, Failed) or outcome.error_type != "RuntimeError":
            return
        tasks = self._errors.setdefault(key, set())
        tasks.add(identity.task_id)
        if len(tasks) >= process.config.max_consecutive_errors:
            self._paused_until[key] = process.host.scene.schedule.now + SHORTEST_PAUSE

    def claimed(self, process: Worker, call: ExchangeRequest) -> Iterator[str]:
        """The closed types that a call claims; what is sent again keeps its types, whatever became of them."""
        if call.claim is None or call.request_id in self._requests:
            return
        if call.request_id:
            self._requests.add(call.request_id)
        for name in call.claim.task_types:
            paused = process.host.scene.schedule.now < self._paused_until.get((process, name), 0.0)
            if paused or (name == GATED and not process.host.is_ready):
                yield name
