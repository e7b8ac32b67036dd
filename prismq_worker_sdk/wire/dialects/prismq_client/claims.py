"""Claims: one type a request, each under a worker id of its own, so that nobody else can report it (R2)."""

from __future__ import annotations

from typing import Any, TypeAlias

from prismq_worker_sdk.model.protocol import (
    BadGrant,
    ClaimOrder,
    ClaimWork,
    Conflict,
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    Grant,
    Throttled,
    Unreachable,
)
from prismq_worker_sdk.wire.dialects.prismq_client import tasks
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    ApplicationError,
    Success,
    failure,
    items,
    read,
    settled,
)
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply, HttpRequest, Steps, compact_json

Tasks: TypeAlias = "tuple[Grant | BadGrant, ...] | Failure"

MAX_WORKER_ID = 255
MAX_NUMBER = 16

ORDERS: dict[ClaimOrder | None, dict[str, str]] = {
    None: {},
    "fifo": {"sort_by": "id", "sort_order": "ASC"},
    "lifo": {"sort_by": "id", "sort_order": "DESC"},
    "priority": {"sort_by": "priority", "sort_order": "DESC"},
}
"""How an order is said; by number rather than `created_at`, which many tasks of one second share."""

PAGE = 200
MAX_PAGES = 5
"""How far the list of claimed tasks is looked through for the one whose claim was not answered."""


def wire_worker_id(worker_id: str, request_id: str) -> str:
    """The worker id of one claim: it stands in for the lease token that this server does not give (R2).

    Args:
        request_id: New for each claim, the same for its repeats.
    """
    number = request_id[:MAX_NUMBER]
    return f"{worker_id.strip()[: MAX_WORKER_ID - 1 - len(number)]}/{number}"


def claim(session: Session, call: ExchangeRequest, work: ClaimWork) -> Steps[ExchangeResponse]:
    """One task of the types, asked for in turn until one has work; the answer to the claim part of an exchange.

    A claim that may have been seen is only looked for: its task is hidden from everybody until its time is over. A new
    one is another call, whose time begins with its own sending (R5).
    """
    owner = wire_worker_id(work.worker_id, call.request_id)
    if call.maybe_seen:
        return ExchangeResponse(tasks=(yield from _claimed_by(owner)))
    unknown_types: list[str] = []
    for name in session.in_turn(work.task_types):
        number = yield from session.number_of(name)
        if isinstance(number, Failure):
            return ExchangeResponse(tasks=number, unknown_types=tuple(unknown_types))
        if number is None:
            unknown_types.append(name)
            continue
        body = {"worker_id": owner, "task_type_id": number, **ORDERS[work.order]}
        reply = yield HttpRequest("claim", "POST", ("tasks", "claim"), compact_json(body))
        found = _granted(session, reply, name, owner)
        if not isinstance(found, Throttled):
            session.served(name, with_work=isinstance(found, tuple) and bool(found))
        if isinstance(found, Failure) or found:
            return ExchangeResponse(tasks=found, unknown_types=tuple(unknown_types))
    return ExchangeResponse(unknown_types=tuple(unknown_types))


def _granted(session: Session, reply: HttpAnswer, name: str, owner: str) -> Tasks:
    answer = read(reply)
    match answer:
        case Success(data=data):
            grant = _grant(data, name, owner)
            if grant is None:
                return Unreachable("a claim was answered with something that is no task")
            if isinstance(grant, Grant) and grant.task.type.casefold() != name.casefold():
                session.forget_types()
            return (grant,)
        case ApplicationError() if answer.empty_queue:
            return ()
        case ApplicationError() if answer.deadlocked:
            return Conflict("the server's database rolled the claim back (deadlock)")
        case ApplicationError():
            session.forget_types()
            return failure(answer)
        case Unreachable():
            session.forget_types()
    return answer


def _grant(data: Any, name: str, owner: str) -> Grant | BadGrant | None:
    if not isinstance(data, dict):
        return None
    found = next(iter(items(data) or []), data)
    try:
        return Grant(tasks.read_task(found, task_type=name), token=owner)
    except ValueError as error:
        return BadGrant(tasks.task_id(found.get("id")), name, str(error), token=owner)


def _claimed_by(owner: str) -> Steps[Tasks]:
    """The task that is claimed under this id, as a claim would have given it; empty where there is none."""
    for page in range(MAX_PAGES):
        asked = tasks.list_tasks(status="claimed", limit=PAGE, offset=page * PAGE)
        answer = settled((yield from asked))
        if not isinstance(answer, Success):
            return answer
        listed = items(answer.data) or []
        for one in listed:
            identity = tasks.task_id(one.get("id"))
            if one.get("claimed_by") == owner and identity is not None:
                return (yield from _regained(identity, str(one.get("type")), owner))
        if len(listed) < PAGE:
            break
    return ()


def _regained(identity: str, name: str, owner: str) -> Steps[Tasks]:
    reply = yield tasks.task_request(identity)
    if isinstance(reply, HttpReply) and reply.status == 200 and not reply.body.strip():  # noqa: PLR2004
        # the server hands it out and shows it with empty answers only, for ever
        reason = "the server shows nothing of it, as with params that nest too deep"
        return (BadGrant(identity, name, reason, token=owner),)
    found = tasks.shown_task(reply, identity)
    if isinstance(found, Failure):
        return found
    if found is None or found.get("status") != "claimed" or found.get("claimed_by") != owner:
        return ()
    grant = _grant(found, str(found.get("type")), owner)
    return () if grant is None else (grant,)
