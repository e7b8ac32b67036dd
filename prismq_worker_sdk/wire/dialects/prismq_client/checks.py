"""What `prismq-worker doctor` looks at on the TaskManager that PrismQ runs today.

One of it is whether PHP and its database agree on the time zone; if not, claims run out at once, or hours too late: the
server compares a time that PHP wrote with one that the database wrote, both without a zone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

from prismq_worker_sdk.compat import UTC, datetime_from_iso
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.protocol import Conflict, Failure
from prismq_worker_sdk.wire.checks import (
    NO_TYPES,
    PROBE_TYPE,
    RESULT,
    CheckContext,
    CheckResult,
    Held,
    Level,
    Probe,
    Record,
    body_of,
    check_key,
    compare_type,
    fail,
    not_registered,
    ok,
    probed,
    skip,
    warn,
)
from prismq_worker_sdk.wire.dialects.prismq_client import envelope, tasks
from prismq_worker_sdk.wire.dialects.prismq_client.producer import PrismqClientProducer
from prismq_worker_sdk.wire.dialects.prismq_client.reports import exchange
from prismq_worker_sdk.wire.dialects.prismq_client.schema import broken_pattern, converted
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpRequest, Steps, compact_json

CHARACTER = "\U0001f3ac"
"""Four bytes in UTF-8, as every emoji has."""

CHARSET = "connect to the database with the charset utf8mb4, and make its tables so"

ZONE = "time zone"
QUARTER = 900.0
"""Seconds; time zones differ by whole quarters of an hour."""
SLACK = 120.0
"""Seconds that two clocks, and a slow request, may make."""

MAX_INSTANT = 2**40
"""Seconds since 1970 that are believed."""

TIMES = ("created_at", "updated_at", "claimed_at", "completed_at")
REMEDY = "set date.timezone of PHP and time_zone of MySQL alike, best to UTC"
PROBE = "prismq-worker doctor --probe tells"


def check(context: CheckContext) -> Iterator[CheckResult]:
    """Key, task types, and time zones, of which a probe tells more."""
    key = check_key(context)
    yield key
    if key.level is Level.FAIL:
        yield NO_TYPES
        return
    yield from _types(context)
    found = evidence(context.server.records)
    if context.probe:
        yield from probed(lambda: _probe(context, found.php))
    else:
        yield judge_zones(found)


def _types(context: CheckContext) -> Iterator[CheckResult]:
    missing = []
    for name, schema in context.task_types.items():
        found = context.server.perform(tasks.find_type(name)) if tasks.can_be_asked_for(name) else None
        result = check_type(name, schema, found, publish=context.publish)
        if result is None:
            missing.append(name)
        else:
            yield result
    if missing:
        whose = "its" if len(missing) == 1 else "their"
        text = f"{not_registered(missing)}, so that none of {whose} tasks can be claimed"
        yield fail("type", text, context.publish)
    yield from _same_name_there(context.task_types)


def check_type(
    name: str, schema: Mapping[str, Any], found: dict[str, Any] | Failure | None, *, publish: str
) -> CheckResult | None:
    """What a registered type tells: the server hands tasks out by its number only; None where there is none."""
    if not tasks.can_be_asked_for(name):
        text = f"{name} can never be claimed: the server takes '/api' out of every path, so it cannot be looked up"
        return fail("type", text, "give the type a name that does not begin with api")
    if isinstance(found, Failure):
        return fail("type", f"{name}: no answer about it ({found.reason})", "ask again")
    if found is None or tasks.type_number(found) is None:
        return None
    if found.get("is_active") in {0, "0"}:
        text = f"{name} is switched off there: no new tasks are created"
        return warn("type", text, f"{publish} switches it on")
    if (spelled := found.get("name")) != name:
        text = f"{name} is spelled {spelled} there: tasks of both spellings come, but equal ones are created twice"
        return warn("type", text, "spell it alike everywhere")
    if (pattern := broken_pattern(found.get("param_schema"))) is not None:
        text = f"{name} is registered with the pattern {pattern!r}: its # ends it there, so that every task is refused"
        return warn("type", text, rf"{publish} --allow-breaking, or write \x23 for # in it")
    return compare_type(name, converted(schema), found, publish)


def _same_name_there(names: Iterable[str]) -> Iterator[CheckResult]:
    """Types that differ in upper and lower case only, which are one type for the server."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[name.casefold()].append(name)
    for same in alike.values():
        if len(same) > 1:
            text = f"{' and '.join(same)} are one type there, and each gets the other's tasks"
            yield fail("type", text, "rename one of them")


def _probe(context: CheckContext, php: float | None) -> Iterator[CheckResult]:
    """What a claim shows of the zones, and a result of the charset.

    Args:
        php: Seconds that PHP's zone is ahead of UTC, None where it is not known.
    """
    server = context.server
    probe = Probe(server, envelope.NAME, PrismqClientProducer(server.api_url), partial(exchange, Session()))
    probe.step("register", _registered)
    first, again = probe.take()
    shown = server.perform(tasks.get_task(first.identity.task_id))
    texts = list(_texts(probe, again or first))
    # the second claim wrote its own time over the first one's
    written = body_of((again or first).answer).get("timestamp")
    claimed_at = shown.get("claimed_at") if isinstance(shown, dict) else None
    yield judge_offsets(
        database=offset_of(claimed_at, written),
        php=php,
        taken_at_once=again is not None,
        claim_timeout=context.claim_timeout,
    )
    yield probe.went_well(first)
    yield from texts


def _registered() -> Steps[envelope.Success | Failure]:
    return _or_failure((yield from tasks.register(PROBE_TYPE, "1", {"type": "object"})))


def _or_failure(answer: envelope.Answer) -> envelope.Success | Failure:
    if isinstance(answer, envelope.ApplicationError):
        return Conflict(answer.error) if answer.deadlocked else envelope.failure(answer)
    return answer


def _texts(probe: Probe, held: Held) -> Iterator[CheckResult]:
    """Completes the task, and what that shows of how texts are kept.

    A completion may carry an error text; one that is too long leaves the task claimed where it is refused.
    """
    result = {**RESULT, "character": CHARACTER}
    long = "x" * (MAX_TEXT_BYTES + 1)
    strict = probe.step("long error", lambda: _with_error(held, result, long)) is None
    if strict and not probe.complete(held, result):
        probe.complete(held)
        yield from judge_texts(kept=None, strict=True)
        return
    shown = probe.step("get", lambda: tasks.get_task(held.identity.task_id))
    kept = shown.get("result") if isinstance(shown, dict) else None
    if isinstance(kept, dict):
        yield from judge_texts(kept=str(kept.get("character")), strict=strict)


def _with_error(held: Held, result: object, error: str) -> Steps[envelope.Success | Failure | None]:
    """Completes a task with a result and an error text, as no worker does; None where that is refused for ever."""
    body = {"worker_id": held.identity.token, "success": True, "result": result, "error": error}
    path = ("tasks", held.identity.task_id, "complete")
    answer = envelope.read((yield HttpRequest("complete", "POST", path, compact_json(body))))
    is_refused = isinstance(answer, envelope.ApplicationError) and answer.permanently_rejected
    return None if is_refused else _or_failure(answer)


def judge_texts(*, kept: str | None, strict: bool) -> Iterator[CheckResult]:
    """What came of a result with such a character, and of an error text that is too long.

    Args:
        kept: What the character came back as; None where it was refused.
        strict: Whether the text was refused; else it was cut.
    """
    if kept is None:
        text = "a result with a character of four bytes (an emoji) is refused with HTTP 500, so that its task fails"
        yield fail("text", text, CHARSET)
    elif kept != CHARACTER:
        yield fail("text", f"characters of four bytes (emoji) are stored as {kept!r}", CHARSET)
    if not strict:
        text = f"texts beyond {MAX_TEXT_BYTES:,} bytes are cut instead of refused, and a result that is cut is null"
        yield warn("text", text, "set STRICT_TRANS_TABLES in the sql_mode of the database")
    elif kept == CHARACTER:
        yield ok("text", f"results keep every character, up to {MAX_TEXT_BYTES:,} bytes")


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
            shown = (
                _seconds(task.get(name)) for task in envelope.items(body.get("data")) or [] for name in TIMES
            )
            ahead = [time - at for time in shown if time is not None]
            newest = max([*ahead, *([] if newest is None else [newest])], default=None)
    return Evidence(php, newest)


def judge_zones(found: Evidence) -> CheckResult:
    """What can be seen without a claim."""
    if found.newest is None:
        return skip(ZONE, "the server holds nothing yet that shows the zone of its database", PROBE)
    if found.php is None:
        ahead = _quarters(found.newest)
        if ahead > 0:
            text = f"its database writes {zone(ahead)} or later; PHP's zone cannot be seen where no key is wanted"
            return warn(ZONE, text, f"{REMEDY}, if it is not so already; {PROBE}")
        return skip(ZONE, "neither zone can be seen for certain", PROBE)
    ahead = _quarters(found.newest - found.php)
    if ahead > 0:
        return _too_late(found.php, found.php + ahead, " or later")
    if found.newest - found.php > -QUARTER + SLACK:
        text = (
            f"PHP is at {zone(found.php)}, and the database not behind it; whether it is ahead cannot be seen"
        )
        return ok(ZONE, text, PROBE)
    return skip(ZONE, f"PHP is at {zone(found.php)}; the zone of its database cannot be seen", PROBE)


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
        return fail(ZONE, text + seen, f"{REMEDY}; if they are, TASK_CLAIM_TIMEOUT is too small")
    if database is None:
        return skip(ZONE, "the claimed task shows no time", "a second claim did not get it")
    if php is None:
        if database > 0:
            late = duration.text(database)
            text = f"its database writes {zone(database)}; if PHP does not, claims run out {late} too late"
            return warn(ZONE, text, REMEDY)
        return ok(ZONE, f"a claim holds; its database writes {zone(database)}")
    if database > php:
        return _too_late(php, database)
    if database < php:
        left = duration.text(max(0.0, claim_timeout - (php - database)))
        text = f"PHP is at {zone(php)}, its database at {zone(database)}: claims run out after {left or 'nothing'}"
        return warn(ZONE, text, REMEDY)
    return ok(ZONE, f"a claim holds; PHP and its database are both at {zone(php)}")


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
    return warn(ZONE, f"{where}: the task of a worker that died comes back {late} too late", REMEDY)


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
