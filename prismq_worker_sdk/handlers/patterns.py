"""Matching foreign patterns in bounded time: by a linear engine, else in a process with a deadline."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prismq_worker_sdk.handlers.linear import linear
from prismq_worker_sdk.handlers.match_process import MatchProcesses

__all__ = ["MatchTimeout", "Matcher", "NeedsProcess", "check_pattern", "matching", "search"]

SECONDS = 5.0
"""For all matches of one check that need a process."""

STEPS = 20_000_000
"""Of the linear engine in one check: some tenths of a second."""

COMPILING = 500
"""Steps for each step of a pattern's own cost, once."""

MAX_LENGTH = 64 * 1024
"""Characters of a pattern."""

_END_OF_TEXT = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$", re.DOTALL)
_PROCESSES = MatchProcesses()


class MatchTimeout(Exception):  # noqa: N818 - told as a fault of the parameters
    """A match was not decided in time.

    Attributes:
        text: What was searched.
        told: What is wrong, in words.
    """

    def __init__(self, text: str, seconds: float) -> None:
        self.text = text
        self.told = (
            f"matching its pattern took longer than {seconds:g} s; write a pattern that is matched faster"
        )
        super().__init__(self.told)


class NeedsProcess(Exception):  # noqa: N818 - not an error by itself
    """A match needs a process, and here is no time for it."""


class Matcher:
    """The matches of one check; bounded together.

    Args:
        seconds: For all matches that need a process, SECONDS unless given; 0 for none: NeedsProcess is raised instead.
        processes: Who makes those, one for all of this process unless given.
    """

    def __init__(self, seconds: float | None = None, *, processes: MatchProcesses | None = None) -> None:
        self._seconds = self._left = SECONDS if seconds is None else seconds
        self._processes = processes or _PROCESSES
        self._steps = STEPS
        self._compiled: set[str] = set()

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text; as `re.search`, but `$` is the end of the text.

        Raises:
            MatchTimeout: That took too long.
            NeedsProcess: It takes a process, which was not asked for.
            OSError: There is no room for a process.
        """
        found = self._by_linear_engine(pattern, text)
        return self._by_process(pattern, text) if found is None else found

    def _by_linear_engine(self, pattern: str, text: str) -> bool | None:
        """The verdict; None where the linear engine cannot give it, or not within its steps."""
        one = linear(pattern)
        if one is None or (one.ascii_only and not text.isascii()):
            return None
        steps = one.cost * (len(text) + 1)
        if pattern not in self._compiled:
            self._compiled.add(pattern)
            steps += one.cost * COMPILING
        if steps > self._steps:
            return None
        self._steps -= steps
        return one.found_in(text)

    def _by_process(self, pattern: str, text: str) -> bool:
        if not self._seconds:
            raise NeedsProcess
        if self._left <= 0:
            raise MatchTimeout(text, self._seconds)
        began = time.monotonic()
        try:
            return self._processes.search(_python(pattern), text, self._left)
        except TimeoutError:
            raise MatchTimeout(text, self._seconds) from None
        finally:
            self._left -= time.monotonic() - began


_MATCHER: ContextVar[Matcher | None] = ContextVar("matcher", default=None)


@contextmanager
def matching(matcher: Matcher) -> Iterator[None]:
    """`search` uses this matcher meanwhile."""
    token = _MATCHER.set(matcher)
    try:
        yield
    finally:
        _MATCHER.reset(token)


def search(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text, by the matcher of this check, else by one of its own."""
    return (_MATCHER.get() or Matcher()).search(pattern, text)


def check_pattern(pattern: str) -> None:
    """Raises ValueError, whose text says why, unless a pattern like this can be matched."""
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a pattern of {len(pattern)} characters; {MAX_LENGTH} at most are taken")
    try:
        re.compile(_python(pattern))
    except re.error as error:
        raise ValueError(f"a pattern that does not compile: {error}") from None


def _python(pattern: str) -> str:
    return _END_OF_TEXT.sub(lambda found: found[1] or r"\Z", pattern)
