"""What a check found, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.observe.logs import one_line

__all__ = ["Finding", "Level", "as_dict", "bad", "line", "ok", "skip", "summary", "warn", "would_run"]


class Level(StrEnum):
    """What a finding means for a worker."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: Which check, for example `time zone`.
        remedy: What to do about it, "" for nothing.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""


def ok(check: str, text: str, remedy: str = "") -> Finding:
    """All is well."""
    return Finding(check, Level.OK, text, remedy)


def warn(check: str, text: str, remedy: str = "") -> Finding:
    """A worker runs, with this."""
    return Finding(check, Level.WARN, text, remedy)


def bad(check: str, text: str, remedy: str = "") -> Finding:
    """A worker would not run, or not rightly."""
    return Finding(check, Level.FAIL, text, remedy)


def skip(check: str, text: str, remedy: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(check, Level.SKIP, text, remedy)


def would_run(findings: Sequence[Finding]) -> bool:
    """Whether a worker would run and work rightly."""
    return all(finding.level is not Level.FAIL for finding in findings)


def line(finding: Finding) -> str:
    """A finding on one line."""
    level = "FAIL" if finding.level is Level.FAIL else finding.level
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return one_line(f"{level:<5} {finding.check:<11} {finding.text}{remedy}")


def as_dict(finding: Finding) -> dict[str, Any]:
    """A finding as plain values."""
    return {
        "check": finding.check,
        "level": str(finding.level),
        "text": finding.text,
        "remedy": finding.remedy or None,
    }


def summary(findings: Sequence[Finding]) -> str:
    """What it comes to, in one sentence."""
    fails = sum(finding.level is Level.FAIL for finding in findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    told = f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""
    if fails:
        return f"a worker would not run as it should: {fails} check{'s' * (fails != 1)} failed{told}"
    return f"a worker would run{told}"
