"""What `prismq-worker doctor` looks at on the TaskManager that PrismQ runs today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from prismq_worker_sdk.model.protocol import Conflict, Failure
from prismq_worker_sdk.wire.checks import (
    NO_TYPES,
    CheckContext,
    CheckResult,
    Level,
    body_of,
    check_key,
    compare_type,
    fail,
    not_registered,
    ok,
    warn,
)
from prismq_worker_sdk.wire.dialects.prismq_client import envelope, tasks, zones
from prismq_worker_sdk.wire.dialects.prismq_client.producer import PrismqClientProducer
from prismq_worker_sdk.wire.dialects.prismq_client.reports import exchange
from prismq_worker_sdk.wire.dialects.prismq_client.schema import broken_pattern, converted
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES
from prismq_worker_sdk.wire.messages import HttpRequest, Steps, compact_json
from prismq_worker_sdk.wire.probe import PROBE_TYPE, RESULT, Held, Probe, probed

CHARACTER = "\U0001f3ac"
"""Four bytes in UTF-8, as every emoji has."""

CHARSET = "connect to the database with the charset utf8mb4, and make its tables so"


def check(context: CheckContext) -> Iterator[CheckResult]:
    """Key, task types, and time zones, of which a probe tells more."""
    key = check_key(context)
    yield key
    if key.level is Level.FAIL:
        yield NO_TYPES
        return
    yield from _types(context)
    evidence = zones.evidence(context.server.records)
    if context.probe:
        yield from probed(lambda: _probe(context, evidence.php))
    else:
        yield zones.judge_zones(evidence)


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
    yield zones.judge_offsets(
        database=zones.offset_of(claimed_at, written),
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
