"""What becomes of claims that a crash left without an outcome (R27)."""

from __future__ import annotations

from prismq_worker_sdk.model.outcome import Failed

CRASHES_BEFORE_FAILED = 3
"""How often one task may take the worker down before it is reported as failed."""


def orphaned(*, crashes: int, retried: bool) -> Failed | None:
    """What to report for an orphan; None: let it lapse.

    A server that tries a failed task again, and counts attempts, learns of every crash. Where that is not certain, the
    task is left to lapse until it has crashed this worker too often.

    Args:
        crashes: How often this task was found orphaned here, this time included.
        retried: Whether the server tries it again after this failure.
    """
    if retried:
        return Failed("crashed: the worker ended while the task ran", "crashed", retryable=True)
    if crashes >= CRASHES_BEFORE_FAILED:
        return Failed(f"crashed: the worker ended {crashes} times while this task ran", "crashed")
    return None
