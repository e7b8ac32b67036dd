"""The rules of the TaskManager, pure: limits, names, back-off."""

from __future__ import annotations

import re

MAX_PARAMS_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 8 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_CHECKPOINT_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_TASKS, MAX_BATCH_TASKS = 128, 1000
"""docs/rules.md, limits; tasks of one claim, and of one batch of submits."""

MAX_LOG_LINES = 1000
MAX_LOG_BYTES = 256 * 1024
"""Of one claim's log."""

UNCONFIRMED_FREE = 10
"""Claims of a task that expire without a sign of life and do not count as attempts (R7)."""

LONGEST_LIMIT_NAME = 255
MOST_USES, MOST_PAUSES = 16, 100
"""Limits that a type uses, and that one exchange pauses."""

MAX_DEPTH = 256
"""Deepest nesting of a request; any task can be shown and listed, and a worker's deepest result fits."""

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*\Z")


def is_task_type(name: str) -> bool:
    """Whether it follows the naming rule: dotted segments, at most 255 characters."""
    return len(name) <= 255 and _TYPE.match(name) is not None  # noqa: PLR2004


def is_name(name: str) -> bool:
    """Whether a worker or a limit can be called so: 1 to 255 printable characters."""
    return 1 <= len(name) <= LONGEST_LIMIT_NAME and name.isprintable()


def backoff(attempts: int, *, first: float, ceiling: float) -> float:
    """Seconds before the next attempt.

    Args:
        attempts: How many were made, 1 or more.
    """
    return float(min(ceiling, first * 2.0 ** min(attempts - 1, 60)))


def after_failure(
    attempts: int, most: int, *, retryable: bool | None, delay: float | None, first: float, ceiling: float
) -> float | None:
    """Seconds until a task that failed is tried again, None when it is not.

    Args:
        attempts: How many were made, this one included.
        most: How many it may have.
        retryable: What the worker knows: False for "no further try will help".
        delay: When the worker thinks it may help, seconds.
    """
    if retryable is False or attempts >= most:
        return None
    return backoff(attempts, first=first, ceiling=ceiling) if delay is None else delay


def expired_error(attempts: int) -> str:
    """What is said of a task whose last claim ran out."""
    return f"its worker did not report in time, at attempt {attempts}, the last"
