"""How an exception is told in one sentence: what it is, where it was raised, what caused it; and its traceback."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from traceback import FrameSummary, extract_tb, format_list
from types import TracebackType

from prismq_worker_sdk.compat import BaseExceptionGroup
from prismq_worker_sdk.errors import HandlerCrashed, HandlerSignal, InvalidParams, TaskCancelled, UnfitResult

LONGEST_WORDS = 64 * 1024
"""Characters of an exception that are looked at."""

MAX_ERROR_CHARS = 8_000
"""Longest error text that is reported."""

LONGEST_PART = 500
"""Characters of a note, a cause or the parts of a group in it."""

MOST_PARTS = 5
MOST_CAUSES = 3
MOST_FRAMES = 20
LONGEST_SHOWN = 2_000
LONGEST_TRACE = 64 * 1024
LONGEST_LOGGED = 8_000
"""Of a traceback: frames of each exception, and characters of its words, of the whole, and of what is logged."""

JOINED = {
    "caused by": "The above exception was the direct cause of the following exception:",
    "while handling": "During handling of the above exception, another exception occurred:",
}

PLAIN = (HandlerSignal, InvalidParams, UnfitResult, HandlerCrashed)
"""Their words are for people, and say all."""

SDK = Path(__file__).parents[1]
STDLIB = sysconfig.get_path("stdlib")
SITES = ("site-packages", "dist-packages")
_ELSEWHERE = "__prismq_told__"
_TRACED_ELSEWHERE = "__prismq_trace__"


@dataclass(frozen=True, slots=True)
class Told:
    """An exception in words, which may hold secrets and be long.

    Attributes:
        main: What it is.
        more: Its notes, its parts, its place, its causes; each begins with what joins it to the text before it.
    """

    main: str
    more: tuple[str, ...] = ()


def tell(error: BaseException) -> Told:
    """An exception in words; raises nothing, whatever the exception does when it is looked at."""
    try:
        known = vars(error).get(_ELSEWHERE)
        return known if isinstance(known, Told) else Told(_named(error), tuple(_more(error)))
    except Exception:  # noqa: BLE001 - an exception that cannot be shown still has a name
        return Told(type(error).__name__)


def told_elsewhere(error: BaseException, told: Told) -> None:
    """From now on these are the words of an exception that stands for one of another process."""
    vars(error)[_ELSEWHERE] = told


def sentence(told: Told, redact: Callable[[str], str]) -> str:
    """The words as they are reported: without secrets, and bounded.

    Args:
        redact: Takes secrets out of a text.
    """
    more = "".join(_cut(redact(part), LONGEST_PART) for part in told.more)
    return _cut(redact(told.main), MAX_ERROR_CHARS - len(more)) + more


def is_unexpected(error: BaseException) -> bool:
    """Whether it was not raised on purpose to say how a task ends."""
    return not isinstance(error, (*PLAIN, TaskCancelled))


def single(error: BaseException) -> BaseException:
    """The one exception in a group, such as a TaskGroup raises for one task; any other as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def shown(error: BaseException) -> str:
    """The words of an exception, cut before they are looked at: there may be megabytes, or no words at all.

    The name of a file may be no text: a lone surrogate stands for each such byte, and the outbox takes none.
    """
    try:
        return str(error)[:LONGEST_WORDS].encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception:  # noqa: BLE001 - an exception that cannot be shown still has a name
        return "(it cannot be shown)"


def causes(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """What an exception was raised from, or while handling, nearest first, and which of the two it was."""
    for _ in range(MOST_CAUSES):
        if error.__cause__ is not None:
            how, error = "caused by", error.__cause__
        elif error.__context__ is not None and not error.__suppress_context__:
            how, error = "while handling", error.__context__
        else:
            return
        yield how, error


def is_of_sdk(file: str) -> bool:
    """Whether a source file is one of ours."""
    return Path(file).is_relative_to(SDK)


def is_of_stdlib(file: str) -> bool:
    """Whether a source file came with Python."""
    return file.startswith("<frozen ") or (Path(file).is_relative_to(STDLIB) and not _site(file))


def own_frames(stack: Iterable[FrameSummary]) -> list[FrameSummary]:
    """The frames of a stack without those of the SDK, nor the way there."""
    left = dropwhile(lambda frame: is_of_sdk(frame.filename) or is_of_stdlib(frame.filename), stack)
    return [frame for frame in left if not is_of_sdk(frame.filename)]


def _named(error: BaseException) -> str:
    words, name = shown(error).strip(), type(error).__name__
    if isinstance(error, PLAIN):
        return words or name
    return f"{name}: {words}" if words else name


def _more(error: BaseException) -> Iterator[str]:
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        yield from (f"; {str(note)[:LONGEST_WORDS]}" for note in notes[:MOST_PARTS])
    if isinstance(error, BaseExceptionGroup):
        parts = list(_leaves(error))
        left = f"; and {len(parts) - MOST_PARTS} more" if len(parts) > MOST_PARTS else ""
        for n, part in enumerate(parts[:MOST_PARTS]):
            yield f"{';' if n else ':'} {_named(part)}{_at(part)}"
        yield left
    expected = not is_unexpected(error)
    yield _at(error)
    for how, cause in causes(error):
        if expected and how != "caused by":
            return  # who words a failure on purpose names what belongs to it
        if not (words := shown(cause).strip()) or words not in shown(error):
            yield f"; {how} {_named(cause)}"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def _at(error: BaseException) -> str:
    """Where an unexpected error was raised, behind its words."""
    place = _place(error.__traceback__) if is_unexpected(error) else ""
    return f" ({place})" if place else ""


def _place(trace: TracebackType | None) -> str:
    """Where it was raised, in the handler's own code rather than in a library that it called; "" for nowhere."""
    own = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_of_sdk(code.co_filename) and not is_of_stdlib(code.co_filename):
            own.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    if not own:
        return ""
    homes = [frame for frame in own if not _site(frame[0])]
    first = _site(own[0][0])
    file, line, name = (homes or [frame for frame in own if _site(frame[0]) == first])[-1]
    return f"{Path(file).name}:{line}, in {name}"


def _site(file: str) -> str:
    """The installed package that a file belongs to, "" for a file of somebody's own."""
    parts = Path(file).parts
    for place in SITES:
        if place in parts:
            return parts[parts.index(place) + 1]
    return ""


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def handler_trace(error: BaseException) -> str:
    """The traceback as Python shows it, its causes first; "" for what a handler raises on purpose.

    It holds secrets, and is bounded to 64 KiB; raises nothing.
    """
    try:
        known = vars(error).get(_TRACED_ELSEWHERE)
        if known is not None or not is_unexpected(error):
            return str(known or "")
        return _end_of("\n".join(_chain(error, _with_parts)))
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
    vars(error)[_TRACED_ELSEWHERE] = trace


def _chain(error: BaseException, of: Callable[[BaseException], str]) -> list[str]:
    """Of an exception and of what it came from, that first."""
    before = [f"{of(cause)}\n\n{JOINED[how]}\n" for how, cause in causes(error)]
    return [*reversed(before), of(error)]


def _with_parts(error: BaseException) -> str:
    """The traceback of an exception; of a group, with those of its parts below it."""
    blocks = [_trace_of(error)]
    if isinstance(error, BaseExceptionGroup):
        parts = list(_leaves(error))
        inner = [
            line for one in parts[:MOST_PARTS] for line in "\n".join(_chain(one, _trace_of)).splitlines()
        ]
        more = [f"and {len(parts) - MOST_PARTS} more"] if len(parts) > MOST_PARTS else []
        blocks += [f"  | {line}".rstrip() for line in [*inner, *more]]
    return "\n".join(blocks)


def _trace_of(error: BaseException) -> str:
    frames = own_frames(extract_tb(error.__traceback__))[-MOST_FRAMES:]
    head = "Traceback (most recent call last):\n" if frames else ""
    return f"{head}{''.join(format_list(frames))}{_beginning_of(tell(error).main)}"


def _beginning_of(words: str) -> str:
    """As much as is shown: cut between two words, since half a secret is not known as one."""
    if len(words) <= LONGEST_SHOWN:
        return words
    whole = words[:LONGEST_SHOWN].rsplit(None, 1)
    return f"{whole[0]} … ({len(words)} characters)" if len(whole) > 1 else f"({len(words)} characters)"


def _end_of(trace: str) -> str:
    """As much as is kept: whole lines, for the same reason."""
    return trace if len(trace) <= LONGEST_TRACE else trace[-LONGEST_TRACE:].partition("\n")[2]
