"""Do PHP and its database agree on the time zone; if not, claims run out at once, or hours too late.

The server compares a time that PHP wrote with one that the database wrote, both without a zone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

from prismq_worker_sdk.compat import UTC, datetime_from_iso
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.wire.checks import CheckResult, Record, body_of, fail, ok, skip, warn
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import items
from prismq_worker_sdk.wire.messages import HttpAnswer

CHECK = "time zone"
QUARTER = 900.0
"""Seconds; time zones differ by whole quarters of an hour."""
SLACK = 120.0
"""Seconds that two clocks, and a slow request, may make."""

MAX_INSTANT = 2**40
"""Seconds since 1970 that are believed."""

TIMES = ("created_at", "updated_at", "claimed_at", "completed_at")
REMEDY = "set date.timezone of PHP and time_zone of MySQL alike, best to UTC"
PROBE = "prismq-worker doctor --probe tells"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What answers tell without changing anything.

    Attributes:
        php: Seconds that PHP's zone is ahead of UTC; None where no answer shows it.
        newest: How far the newest time of the database lies ahead of its answer, both read as UTC; its zone is
            ahead by this much or more. None where there is no time.
    """

    php: float | None
    newest: float | None


def evidence(records: Iterable[Record]) -> Evidence:
    """What the answers so far tell."""
    php, newest = None, None
    for one in records:
        php = php if (found := php_offset(one.answer)) is None else found
        body = body_of(one.answer)
        at = body.get("timestamp")
        if _is_instant(at):
            shown = (_seconds(task.get(name)) for task in items(body.get("data")) or [] for name in TIMES)
            ahead = [time - at for time in shown if time is not None]
            newest = max([*ahead, *([] if newest is None else [newest])], default=None)
    return Evidence(php, newest)


def judge_zones(found: Evidence) -> CheckResult:
    """What can be seen without a claim."""
    if found.newest is None:
        return skip(CHECK, "the server holds nothing yet that shows the zone of its database", PROBE)
    if found.php is None:
        ahead = _quarters(found.newest)
        if ahead > 0:
            text = f"its database writes {zone(ahead)} or later; PHP's zone cannot be seen where no key is wanted"
            return warn(CHECK, text, f"{REMEDY}, if it is not so already; {PROBE}")
        return skip(CHECK, "neither zone can be seen for certain", PROBE)
    ahead = _quarters(found.newest - found.php)
    if ahead > 0:
        return _too_late(found.php, found.php + ahead, " or later")
    if found.newest - found.php > -QUARTER + SLACK:
        text = (
            f"PHP is at {zone(found.php)}, and the database not behind it; whether it is ahead cannot be seen"
        )
        return ok(CHECK, text, PROBE)
    return skip(CHECK, f"PHP is at {zone(found.php)}; the zone of its database cannot be seen", PROBE)


def judge_offsets(
    *, database: float | None, php: float | None, taken_at_once: bool, claim_timeout: float
) -> CheckResult:
    """What a claim of our own showed.

    Args:
        database: Seconds that the zone of the database is ahead of UTC.
        taken_at_once: Whether a second worker got the task that the first one had just claimed.
        claim_timeout: The server's, as this worker takes it to be.
    """
    if taken_at_once:
        text = "a task that one worker had just claimed was given to a second one: every task may run twice"
        seen = "" if database is None else f" (its database writes {zone(database)})"
        return fail(CHECK, text + seen, f"{REMEDY}; if they are, TASK_CLAIM_TIMEOUT is too small")
    if database is None:
        return skip(CHECK, "the claimed task shows no time", "a second claim did not get it")
    if php is None:
        if database > 0:
            late = duration.text(database)
            text = f"its database writes {zone(database)}; if PHP does not, claims run out {late} too late"
            return warn(CHECK, text, REMEDY)
        return ok(CHECK, f"a claim holds; its database writes {zone(database)}")
    if database > php:
        return _too_late(php, database)
    if database < php:
        left = duration.text(max(0.0, claim_timeout - (php - database)))
        text = f"PHP is at {zone(php)}, its database at {zone(database)}: claims run out after {left or 'nothing'}"
        return warn(CHECK, text, REMEDY)
    return ok(CHECK, f"a claim holds; PHP and its database are both at {zone(php)}")


def offset_of(time: object, at: object) -> float | None:
    """How far a time without a zone, written just now, is ahead of UTC.

    Args:
        at: Seconds since 1970 at that moment.
    """
    written = _seconds(time)
    if written is None or not _is_instant(at):
        return None
    return round((written - at) / QUARTER) * QUARTER


def php_offset(answer: HttpAnswer) -> float | None:
    """The zone of PHP, which only the answers of its middleware show."""
    body = body_of(answer)
    written = body.get("timestamp")
    if "success" in body or not isinstance(written, str):
        return None
    try:
        found = datetime_from_iso(written).utcoffset()
    except ValueError:
        return None
    return None if found is None else found.total_seconds()


def zone(seconds: float) -> str:
    """An offset as people write it: UTC, UTC+02:00."""
    if not seconds:
        return "UTC"
    minutes = round(abs(seconds) / 60)
    return f"UTC{'+' if seconds > 0 else '-'}{minutes // 60:02d}:{minutes % 60:02d}"


def _too_late(php: float, database: float, more: str = "") -> CheckResult:
    where = f"PHP is at {zone(php)}, its database at {zone(database)}{more}"
    late = duration.text(database - php)
    return warn(CHECK, f"{where}: the task of a worker that died comes back {late} too late", REMEDY)


def _quarters(seconds: float) -> float:
    """The smallest whole number of quarters that is not less, but for some slack."""
    return math.ceil((seconds - SLACK) / QUARTER) * QUARTER


def _is_instant(at: object) -> TypeGuard[int]:
    """Whether it can be seconds since 1970."""
    return isinstance(at, int) and 0 <= at < MAX_INSTANT


def _seconds(time: object) -> float | None:
    """A time of the database, read as if it were UTC."""
    try:
        found = datetime_from_iso(time) if isinstance(time, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC).timestamp() if found is not None and found.tzinfo is None else None
