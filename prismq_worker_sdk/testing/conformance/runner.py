"""Makes checks: each in a thread of its own with a time limit, so that a server that hangs is a check that failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from unittest import SkipTest

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.testing.conformance.checks import Broken, Check, NoAnswer, NotChecked
from prismq_worker_sdk.testing.conformance.server import Server
from prismq_worker_sdk.testing.conformance.trial import Trial

LIMIT = 45.0
"""Seconds for a check, beside the leases that it lets run out."""

CLEANING = 10.0
GONE = "not made: the server answers no more"
MOST_UNANSWERED = 3
"""Checks in a row without an answer, after which no more are made."""


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found.

    Attributes:
        why: Why it failed, or could not be made.
        calls: The last calls of one that failed, with their answers.
    """

    check: Check
    outcome: Outcome
    why: str = ""
    seconds: float = 0.0
    calls: tuple[str, ...] = ()


def hold(server: Server, check: Check) -> None:
    """Makes a check within a test.

    Raises:
        AssertionError: The server does not keep the promise.
        unittest.SkipTest: It cannot be looked at here; pytest shows it as skipped.
        UsageError: There is no server, or it wants another key.
    """
    result = examine(server, check)
    if result.outcome is Outcome.SKIPPED:
        raise SkipTest(f"{check}: {result.why}")
    if result.outcome is Outcome.FAILED:
        calls = "".join(f"\n  {call}" for call in result.calls)
        raise Broken(f"{check}: {check.promise}\n{result.why}{calls}")


def examine(server: Server, check: Check) -> Result:
    """Makes a check.

    Raises:
        UsageError: There is no server, or it wants another key.
    """
    return _Running(server, check).result()


def run(server: Server, checks: Sequence[Check]) -> Iterator[Result]:
    """Makes checks, one result after the other in their order; those that let leases run out do that at the same time.

    Raises:
        UsageError: As `examine`.
    """
    apart = () if server.has_own_clock else [one for one in checks if server.seconds(one)]
    begun = {one: _Running(server, one) for one in apart}
    unanswered, gone = 0, False
    for check in checks:
        if gone and check not in begun:
            yield Result(check, Outcome.FAILED, GONE)
            continue
        running = begun.get(check) or _Running(server, check)
        yield running.result()
        unanswered = unanswered + 1 if running.unanswered else 0
        gone = gone or unanswered >= MOST_UNANSWERED or (unanswered > 0 and not server.answers())


class _Running:
    """A check that is being made.

    Attributes:
        unanswered: Whether it failed because a call had no answer.
    """

    def __init__(self, server: Server, check: Check) -> None:
        self.unanswered = False
        self._server, self._check = server, check
        self._begun = time.monotonic()
        self._obstacle = server.obstacle(check)
        self._trial = Trial(server)
        self._ended: SimpleQueue[tuple[Outcome, str] | UsageError] = SimpleQueue()
        self._thread = threading.Thread(target=self._make, name=f"conformance-{check}", daemon=True)
        if self._obstacle is None:
            self._thread.start()

    def result(self) -> Result:
        """What it found, once it has ended or its time is over."""
        if self._obstacle is not None:
            return Result(self._check, Outcome.SKIPPED, self._obstacle)
        limit = LIMIT + 1.5 * (0 if self._server.has_own_clock else self._server.seconds(self._check))
        try:
            found = self._ended.get(timeout=max(0.0, self._begun + limit - time.monotonic()))
        except Empty:
            self.unanswered = True
            found = Outcome.FAILED, f"it did not end within {limit:.0f} s"
        else:
            self._thread.join(CLEANING)
        if isinstance(found, UsageError):
            raise found
        seconds = time.monotonic() - self._begun
        calls = tuple(map(self._redacted, self._trial.calls)) if found[0] is Outcome.FAILED else ()
        return Result(self._check, found[0], self._redacted(found[1]), seconds, calls)

    def _redacted(self, text: str) -> str:
        """The text without keys, which a server may repeat."""
        for secret in self._trial.secrets:
            text = text.replace(secret, "[redacted]")
        return text

    def _make(self) -> None:
        self._ended.put(self._outcome())
        self._trial.clean_up()

    def _outcome(self) -> tuple[Outcome, str] | UsageError:
        try:
            self._check.run(self._trial)
        except NotChecked as reason:
            return Outcome.SKIPPED, str(reason)
        except Broken as error:
            self.unanswered = isinstance(error, NoAnswer)
            return Outcome.FAILED, str(error)
        except UsageError as error:
            return error
        except Exception as error:  # noqa: BLE001 - an answer of any form at all
            return (
                Outcome.FAILED,
                f"the last answer has not the form it must have: {type(error).__name__}: {error}",
            )
        return Outcome.PASSED, ""
