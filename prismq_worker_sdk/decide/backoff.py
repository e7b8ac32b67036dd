"""How long to wait before the next try, and how long a type of tasks rests that keeps failing."""

from __future__ import annotations

from dataclasses import dataclass

from prismq_worker_sdk.model.protocol import Failure, Throttled
from prismq_worker_sdk.model.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Backoff:
    """An exponential back-off with jitter.

    Attributes:
        initial: The longest first wait, seconds.
        ceiling: The longest wait, seconds.
        floor: The part of each wait that is certain, 0 (full jitter) to 1 (none).
    """

    initial: float
    ceiling: float
    factor: float = 2.0
    floor: float = 0.0

    def seconds(self, tries: int, jitter: float) -> float:
        """The wait after the given number of failed tries.

        Args:
            tries: 1 after the first failure.
            jitter: Evenly spread over 0 to 1.
        """
        return self.longest(tries) * (self.floor + (1.0 - self.floor) * jitter)

    def longest(self, tries: int) -> float:
        """The longest wait after so many failed tries."""
        try:
            grown = self.initial * self.factor ** min(max(tries, 1) - 1, 64)
        except OverflowError:
            return self.ceiling
        return min(self.ceiling, grown)


SERVER = Backoff(initial=0.2, ceiling=30.0, floor=0.25)
"""A server that does not answer; the floor keeps a fleet from hammering it."""

REPORTS = Backoff(initial=0.5, ceiling=60.0, floor=0.25)
"""One report that fails while the server answers others (R23)."""

PAUSES = Backoff(initial=10.0, ceiling=300.0, floor=0.5)
"""A type that keeps failing: up to five minutes (R19)."""

LONGEST_ASKED = 3600.0
"""However long a server wants us to wait, seconds: it may have meant somebody else, or be mended by then."""


FLEET_SPREAD = 10.0
"""Seconds over which a fleet comes back at most, and at most as long again as it was asked to wait."""


def after_failure(failure: Failure, failures: int, jitter: float) -> float:
    """The wait after a call that was no answer: what the server asked for is the least of it.

    Args:
        failures: In a row, with this one.
        jitter: Evenly spread over 0 to 1.
    """
    own = SERVER.seconds(failures, jitter)
    match failure:
        case Throttled(retry_after=asked, limited=limited) if asked is not None:
            wait = as_asked(asked, jitter, limited=limited)
            return wait if limited else max(wait, own)
        case _:
            return own


def as_asked(retry_after: float, jitter: float, *, limited: bool = False) -> float:
    """The wait that a server asked for, an hour at most, spread so that a fleet does not come back at once.

    Args:
        limited: Whether it only counts the requests of this address: then there is no fleet to spread.
    """
    asked = min(retry_after, LONGEST_ASKED)
    spread = 0.0 if limited else min(asked, FLEET_SPREAD)
    return asked + max(spread, 0.1 * asked + 0.1) * jitter


def retry_pause(
    policy: RetryPolicy, tries: int, jitter: float, *, asked: float | None = None
) -> float | None:
    """Seconds before the next try inside a claim, None when the policy allows no more (R13).

    Full jitter, so that tasks which failed together do not come back together.

    Args:
        asked: What the error said; a longer wait than the policy's is the server's, never one in the slot (R17).
    """
    if tries >= policy.max_attempts:
        return None
    backoff = Backoff(policy.initial, policy.ceiling, policy.factor)
    return None if asked is not None and asked > backoff.longest(tries) else backoff.seconds(tries, jitter)


@dataclass(frozen=True, slots=True)
class Streak:
    """The tasks of one type that failed unexpectedly in a row, without a good one between (R19).

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
