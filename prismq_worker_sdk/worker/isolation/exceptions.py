"""What a handler raised in a child, on its way to the worker, and what it means there."""

from __future__ import annotations

import traceback

from prismq_worker_sdk.decide.exceptions import shown, tell, told_elsewhere
from prismq_worker_sdk.errors import (
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
from prismq_worker_sdk.worker.isolation.protocol import SerializedException
from prismq_worker_sdk.worker.traces import handler_trace, trace_elsewhere

LONGEST_TRACE = 256 * 1024
OUT_OF_MEMORY = SerializedException("", MemoryError.__name__, "")
"""Made before it is needed: at that moment there is no room for it."""

CARRIED: dict[type[BaseException], tuple[str, ...]] = {
    Transient: ("retry_in",),
    Permanent: (),
    Defer: ("until", "retry_in", "or_pause"),
    Unavailable: ("retry_in",),
    InvalidParams: ("faults",),
    UnfitResult: (),
    TaskCancelled: ("reason",),
}
"""The SDK's own exceptions that mean something to the worker, and what they carry beside their text."""


class _Trace(Exception):  # noqa: N818 - it is shown as the cause of another one
    """The traceback of an exception in another process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def failure_of(error: BaseException) -> SerializedException:
    """An exception as values."""
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    kind = next((own for own in CARRIED if isinstance(error, own)), None)
    values = {} if kind is None else {name: getattr(error, name, None) for name in CARRIED[kind]}
    name = type(error).__name__
    return SerializedException(
        "" if kind is None else kind.__name__,
        name,
        shown(error),
        _trace(error),
        values,
        tell(error),
        handler_trace(error),
    )


def error_of(failure: SerializedException) -> BaseException:
    """The exception that these values were: of the same meaning, name, text and traceback."""
    error = _made(failure)
    if failure.told is not None:
        told_elsewhere(error, failure.told)
    trace_elsewhere(error, failure.frames)
    if failure.trace:
        error.__cause__ = _Trace(failure.trace)
    return error


def _made(failure: SerializedException) -> BaseException:
    text, values = failure.text, failure.values
    match failure.kind:
        case "Transient" | "Defer" | "Unavailable":
            kinds = {"Transient": Transient, "Defer": Defer, "Unavailable": Unavailable}
            signal: HandlerSignal = kinds[failure.kind](text, **values)
            return signal
        case "Permanent":
            return Permanent(text)
        case "InvalidParams":
            return InvalidParams(values["faults"] or ())
        case "UnfitResult":
            return UnfitResult(text)
        case "TaskCancelled":
            return TaskCancelled(values["reason"])
    if failure.name == MemoryError.__name__:
        return HandlerCrashed("out of memory", kind="out_of_memory")
    other: type[Exception] = type(failure.name, (Exception,), {"__module__": "builtins"})
    return other(text)


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[:LONGEST_TRACE]
    except Exception:  # noqa: BLE001 - an exception whose parts cannot be shown is named all the same
        return ""
