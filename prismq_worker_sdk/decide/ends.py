"""How the end of a handler becomes an outcome (R15, R17, R18)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prismq_worker_sdk.decide.exceptions import sentence, tell
from prismq_worker_sdk.errors import (
    LONGEST_DELAY,
    Defer,
    HandlerCrashed,
    HandlerSignal,
    InvalidParams,
    Permanent,
    TaskCancelled,
    Transient,
    Unavailable,
    UnfitResult,
)
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.outcome import Failed, Outcome, Released

SIGNALS = "signal only works in main thread"
SIGNALS_HINT = 'a handler with isolation="process" runs in a main thread'
"""What a library says that sets handlers of signals when it is imported, and what helps."""


def outcome_of_error(
    error: BaseException, *, redact: Callable[[str], str], now: datetime | None = None
) -> Outcome:
    """What an exception out of a handler means for its task.

    Args:
        error: The exception; TaskCancelled is judged by `outcome_of_cancel` instead.
        redact: Takes secrets out of the text.
        now: The instant now, UTC; needed for `Defer(until=…)`.
    """
    text = sentence(tell(error), redact)
    match error:
        case InvalidParams():
            return Failed(text, "invalid_params", retryable=False)
        case UnfitResult():
            return Failed(text, "unfit_result", retryable=False)
        case HandlerCrashed(kind=kind):
            return Failed(text, kind)
        case Permanent():
            return Failed(text, "Permanent", retryable=False)
        case Transient(retry_in=delay):
            return Failed(text, "Transient", retryable=True, delay_seconds=delay)
        case Unavailable(retry_in=delay):
            return Released(text, delay)
        case Defer():
            return Released(text, _delay(error, now))
        case TaskCancelled():
            return Failed(text, "TaskCancelled")
        case ValueError() if SIGNALS in text:
            return Failed(f"{text}; {SIGNALS_HINT}", "ValueError")
        case _:
            return Failed(text, type(error).__name__)


def outcome_of_cancel(reason: CancelReason, *, detail: str = "") -> Outcome | None:
    """What a cancelled handler that returned nothing leaves behind (R15); None: nothing to report.

    Args:
        detail: More for people, for example the limit that was reached.
    """
    match reason:
        case CancelReason.LOST:
            return None
        case CancelReason.TIME_LIMIT:
            return Failed(detail or "the handler used up its time limit", "time_limit")
        case CancelReason.ASKED:
            return Failed(detail or "the task was cancelled on request", "cancelled", retryable=False)
        case CancelReason.EXPIRED:
            return Released(detail or "the claim ran out before the handler ended")
        case CancelReason.STOPPING:
            return Released(detail or "the worker stops")


def outcome_when_cancelled(
    error: BaseException, reason: CancelReason, *, redact: Callable[[str], str], now: datetime, detail: str
) -> Outcome | None:
    """What an exception means once the handler was told to end.

    What it raises on purpose (Permanent, Transient, Defer, Unavailable) stands; anything else is the
    noise of ending, and the reason of the cancellation decides. A task that somebody cancelled does not come back,
    whatever its handler wishes (R15).
    """
    stands = isinstance(error, Permanent if reason is CancelReason.ASKED else HandlerSignal)
    if stands and reason is not CancelReason.LOST:
        return outcome_of_error(error, redact=redact, now=now)
    return outcome_of_cancel(reason, detail=detail)


def _delay(error: Defer, now: datetime | None) -> float:
    if error.retry_in is not None:
        return error.retry_in
    if error.until is None or now is None:
        return 0.0
    return min(LONGEST_DELAY, max(0.0, (error.until - now).total_seconds()))
