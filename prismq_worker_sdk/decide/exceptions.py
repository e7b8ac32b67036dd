"""How an exception is told in one sentence: what it is, where it was raised, and what caused it."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from traceback import FrameSummary
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
PLAIN = (HandlerSignal, InvalidParams, UnfitResult, HandlerCrashed)
"""Their words are for people, and say all."""

SDK = Path(__file__).parents[1]
STDLIB = sysconfig.get_path("stdlib")
SITES = ("site-packages", "dist-packages")
_ELSEWHERE = "__prismq_told__"


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
    """The words of an exception, cut before they are looked at: there may be megabytes, or no words at all."""
    try:
        return str(error)[:LONGEST_WORDS]
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
        yield from (f"{';' if n else ':'} {_named(part)}" for n, part in enumerate(parts[:MOST_PARTS]))
        yield left
    expected = not is_unexpected(error)
    if not expected and (place := _place(error.__traceback__)):
        yield f" ({place})"
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
