"""What the end of a process in the middle of a task means for the task: a child's (a crash), or the worker's (R27)."""

from __future__ import annotations

from prismq_worker_sdk.errors import HandlerCrashed
from prismq_worker_sdk.model.outcome import Failed

OUT_OF_MEMORY = "out_of_memory"

CRASHES_BEFORE_FAILED = 3
"""How often one task may take the worker down before it is reported as failed."""


def crashed(code: int, signal_name: str | None, *, out_of_memory: bool) -> HandlerCrashed:
    """The error of a handler whose process ended by itself.

    Args:
        code: The exit code, where no signal ended it.
        signal_name: The signal that ended it.
        out_of_memory: Whether the system killed a process of this group for lack of memory meanwhile.
    """
    if signal_name is None:
        early = "" if code else ", before the handler returned"
        return HandlerCrashed(f"crashed: exit code {code}{early}")
    if signal_name != "SIGKILL":
        return HandlerCrashed(f"crashed: {signal_name}")
    if out_of_memory:
        return HandlerCrashed("out of memory", kind=OUT_OF_MEMORY)
    return HandlerCrashed("crashed: SIGKILL (killed from outside, or out of memory)")


def orphaned(*, crashes: int, retried: bool) -> Failed | None:
    """What to report for a claim that a crash left without an outcome; None: let it lapse.

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
