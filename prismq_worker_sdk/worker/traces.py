"""The traceback of a handler's error for the log, without the frames of the SDK."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

from prismq_worker_sdk.compat import BaseExceptionGroup
from prismq_worker_sdk.decide.exceptions import causes, is_unexpected, own_frames, tell

MOST_FRAMES = 20
MOST_PARTS = 5
LONGEST_WORDS = 2_000
LONGEST = 64 * 1024
LONGEST_LOGGED = 8_000
JOINED = {
    "caused by": "The above exception was the direct cause of the following exception:",
    "while handling": "During handling of the above exception, another exception occurred:",
}
_ELSEWHERE = "__prismq_trace__"


def handler_trace(error: BaseException) -> str:
    """The traceback as Python shows it, its causes first; "" for what a handler raises on purpose.

    It holds secrets, and is bounded to 64 KiB; raises nothing.
    """
    try:
        known = vars(error).get(_ELSEWHERE)
        if known is not None or not is_unexpected(error):
            return str(known or "")
        blocks = [_block(error), *_parts(error)]
        for how, cause in causes(error):
            blocks.insert(0, f"{_block(cause)}\n\n{JOINED[how]}\n")
        return "\n".join(blocks)[-LONGEST:]
    except Exception:  # noqa: BLE001 - an exception whose parts cannot be shown is named all the same
        return ""


def logged_trace(error: BaseException | None, redact: Callable[[str], str]) -> str:
    """The same as it is logged: without secrets, and at most some 8,000 characters."""
    trace = "" if error is None else redact(handler_trace(error))
    if len(trace) <= LONGEST_LOGGED:
        return trace
    return f"{trace[: LONGEST_LOGGED // 4]}\n… ({len(trace)} characters)\n{trace[-LONGEST_LOGGED * 3 // 4 :]}"


def trace_elsewhere(error: BaseException, trace: str) -> None:
    """From now on this is the traceback of an exception that stands for one of another process."""
    vars(error)[_ELSEWHERE] = trace


def _parts(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions[:MOST_PARTS]:
            yield "\n".join(f"  | {line}" for line in _block(one).splitlines())


def _block(error: BaseException) -> str:
    frames = own_frames(traceback.extract_tb(error.__traceback__))[-MOST_FRAMES:]
    head = "Traceback (most recent call last):\n" if frames else ""
    return f"{head}{''.join(traceback.format_list(frames))}{tell(error).main[:LONGEST_WORDS]}"
