"""What the producer's client needs of a dialect."""

from __future__ import annotations

from typing import Any, Protocol

from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.wire.producing.values import Created, Submission, TaskFilter, TaskPage, TypeSchema

__all__ = ["Way"]


class Way(Protocol):
    """How one kind of server does what a producer asks; the methods of TaskManagerClient tell each of them."""

    def submit(self, wanted: Submission) -> Created:
        """Creates a task, or finds the one that stands for it."""

    def show(self, task_id: str) -> dict[str, Any]:
        """A task as the server tells it."""

    def get(self, task_id: str) -> Task:
        """A task."""

    def tasks(self, wanted: TaskFilter) -> TaskPage:
        """Tasks, newest first."""

    def cancel(self, task_id: str) -> Task:
        """Cancels a task."""

    def retry(self, task_id: str) -> Task:
        """Makes a failed task pending again."""

    def publish(self, wanted: TypeSchema) -> dict[str, Any]:
        """Registers the schema of a task type."""

    def task_types(self) -> list[dict[str, Any]]:
        """The registered task types."""

    def stats(self) -> dict[str, Any]:
        """Numbers for each task type."""
