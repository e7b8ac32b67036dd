"""A task in the hands of whoever created it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.producer_backend import ChildPage


class Waits(Protocol):
    """The client that created it."""

    def wait(self, task_id: str, timeout: float | None = None) -> Task:
        """The task once it has ended."""

    def wait_children(self, task_id: str, timeout: float | None = None) -> ChildPage:
        """How its children stand once they have ended."""


@dataclass(frozen=True, slots=True)
class TaskHandle:
    """A task that was created, or that was there already.

    On a v1 server it was there for the same dedupe key, and is not finished; on a `prismq-client` server for the same
    type, params and run key, and `task.status` says how it stands: it may have completed or failed long ago.

    Attributes:
        created: Whether it is new.
    """

    task: Task
    created: bool
    client: Waits

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    def wait(self, timeout: float | None = None) -> Task:
        """The task once it has completed or failed.

        Args:
            timeout: Seconds to wait at most, None for ever.

        Raises:
            TimeoutError: It is not finished in time; it goes on all the same.
        """
        return self.client.wait(self.id, timeout)

    def wait_children(self, timeout: float | None = None) -> ChildPage:
        """How the children stand once the task and all of them have ended, without the children themselves (v1).

        A child that asked for a task that follows its own children has not ended before that.

        Args:
            timeout: Seconds to wait at most, None for ever.

        Raises:
            TimeoutError: They have not ended in time; they go on all the same.
        """
        return self.client.wait_children(self.id, timeout)
