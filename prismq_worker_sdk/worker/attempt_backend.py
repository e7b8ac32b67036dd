"""What a context stands on where the attempt is: its table entry, the outbox and the clock."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import TaskProgressed
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.services import Services

LONGEST_MESSAGE = 2000
"""Characters of a progress message that go to the server."""


class AttemptBackend:
    """Implements `context.ContextBackend` in the worker's own process."""

    def __init__(self, services: Services, attempt: Attempt) -> None:
        self._services = services
        self.token = attempt

    @property
    def task(self) -> Task:
        """The task as it was claimed; a later claim may have taken its place (R9)."""
        return self.token.claim.task

    @property
    def settings(self) -> Any:
        """The settings of the handler's plugin."""
        return self.token.handler.renewed().settings

    @property
    def checkpoint_text(self) -> str | None:
        """The last checkpoint of this attempt, JSON text."""
        return self.token.checkpoint

    @property
    def time_left(self) -> float:
        """Seconds to the limit."""
        return self.token.limit_at - self._services.clock.monotonic()

    @property
    def stopping(self) -> bool:
        """Whether the worker stops."""
        return not self._services.lifecycle.running

    @property
    def can(self) -> Capabilities:
        """What the server at hand can do."""
        return self._services.can

    def progressed(self, percent: float, message: str) -> None:
        """The handler told how far the work is."""
        clean = self._services.redactor.text(message)
        self.token.progress = (percent, clean[:LONGEST_MESSAGE])
        self._services.emit(TaskProgressed(self.token.ref, percent, clean))

    def store(self, checkpoint: str) -> None:
        """Stores a checkpoint, JSON text; returns once it is stored."""
        self._services.outbox.checkpoint(self.token.claim.identity.task_key, checkpoint)
        self.token.checkpoint = checkpoint
