"""What one check against a foreign schema may take, and matching its patterns within that."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prismq_worker_sdk.handlers.linear import linear
from prismq_worker_sdk.handlers.match_process import MatchProcesses

SECONDS = 5.0
"""For all matches of one check that need a process."""

STEPS = 20_000_000
"""Of the linear engine in one check: some tenths of a second."""

KEYWORDS = 20_000_000
"""Keywords of a schema that one check looks at: some ten seconds, in which others go on."""

FEW_KEYWORDS = 50_000
"""The same where there is no time for more: some hundredths of a second."""

COMPILING = 500
"""Steps for each step of a pattern's own cost, once."""

MAX_LENGTH = 16 * 1024
"""Characters of a pattern."""

_END_OF_TEXT = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$", re.DOTALL)
_PROCESSES = MatchProcesses()


class CheckTimeout(Exception):  # noqa: N818 - told as a fault of the parameters
    """A check was not decided within what it may take.

    Attributes:
        text: What was searched, None where no match was too much.
        told: What is wrong, in words.
    """

    def __init__(self, told: str, text: str | None = None) -> None:
        super().__init__(told)
        self.told = told
        self.text = text


class NeedsTime(Exception):  # noqa: N818 - not an error by itself
    """A check needs a process, or looks at many keywords, and here is no time for it."""


class Matcher:
    """The matches of one check, bounded together, and the count of its keywords.

    Args:
        seconds: For all matches that need a process, SECONDS unless given; 0 where there is no time at all: NeedsTime
            is raised instead.
        processes: Who makes those, one for all of this process unless given.
    """

    def __init__(self, seconds: float | None = None, *, processes: MatchProcesses | None = None) -> None:
        self._seconds = self._left = SECONDS if seconds is None else seconds
        self._processes = processes or _PROCESSES
        self._steps = STEPS
        self._keywords = KEYWORDS if self._seconds else FEW_KEYWORDS
        self._compiled: set[str] = set()

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text; as `re.search`, but `$` is the end of the text.

        Raises:
            CheckTimeout: That took too long.
            NeedsTime: It takes a process, and there is no time for one.
            OSError: There is no room for a process.
        """
        found = self._by_linear_engine(pattern, text)
        return self._by_process(pattern, text) if found is None else found

    def count(self) -> None:
        """One more keyword is looked at.

        Raises:
            CheckTimeout: They are too many.
            NeedsTime: They are too many for the time that there is.
        """
        self._keywords -= 1
        if self._keywords < 0:
            if not self._seconds:
                raise NeedsTime
            raise CheckTimeout(
                f"checking them takes more than {KEYWORDS} steps; give fewer, or a simpler schema"
            )

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
            raise NeedsTime
        if self._left <= 0:
            raise self._too_long(text)
        began = time.monotonic()
        try:
            return self._processes.search(_python(pattern), text, self._left)
        except TimeoutError:
            raise self._too_long(text) from None
        finally:
            self._left -= time.monotonic() - began

    def _too_long(self, text: str) -> CheckTimeout:
        told = f"matching its pattern took longer than {self._seconds:g} s; write a pattern that is matched faster"
        return CheckTimeout(told, text)


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


def count() -> None:
    """One more keyword is looked at in this check."""
    if (matcher := _MATCHER.get()) is not None:
        matcher.count()


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
