"""Unexpected errors in a row, per task type (R19)."""

from __future__ import annotations

from dataclasses import dataclass

from prismq_worker_sdk.decide.backoff import Backoff

PAUSES = Backoff(initial=10.0, ceiling=300.0, floor=0.5)
"""How long a type rests that keeps failing: up to five minutes (R19)."""


@dataclass(frozen=True, slots=True)
class Streak:
    """The tasks of one type that failed unexpectedly, without a good one between.

    Attributes:
        tasks: Their ids, each once: a task that is tried again does not count twice.
        pauses: How often the type was paused since its last good task.
    """

    tasks: frozenset[str] = frozenset()
    pauses: int = 0


def extend(streak: Streak, task_id: str, *, limit: int) -> tuple[Streak, bool]:
    """The streak with one more failed task, and whether the type must pause now.

    Args:
        limit: Distinct tasks in a row, 0 for no limit. After a pause one more failure is enough.
    """
    if limit == 0:
        return streak, False
    tasks = streak.tasks if len(streak.tasks) >= limit else streak.tasks | {task_id}
    if len(tasks) < limit:
        return Streak(tasks, streak.pauses), False
    return Streak(tasks, streak.pauses + 1), True


def pause_of(streak: Streak, jitter: float) -> float:
    """How long the type rests, seconds."""
    return PAUSES.seconds(streak.pauses, jitter)
