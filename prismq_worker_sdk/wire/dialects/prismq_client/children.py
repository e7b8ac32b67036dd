"""Tasks that a handler creates: they are made before their parent's report, each once, whatever is repeated (R22)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from prismq_worker_sdk.model.json import digest
from prismq_worker_sdk.model.outcome import Child
from prismq_worker_sdk.model.protocol import Failure, ReportAnswer, ReportReply
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    Answer,
    ApplicationError,
    Success,
    failure,
    not_found,
    read,
)
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.dialects.prismq_client.task_types import is_damaged, number_of
from prismq_worker_sdk.wire.dialects.prismq_client.values import (
    MAX_TEXT_BYTES,
    NO_PARAMS,
    stored_bytes,
    whole_numbers,
    with_run_key,
)
from prismq_worker_sdk.wire.messages import HttpRequest, Steps

QUICK_REPEATS = 3
"""How often a creation that met another one, or was rolled back, is sent again at once."""


def create_children(session: Session, report: Report) -> Steps[ReportReply | None]:
    """Creates what is missing of a report's children; None once all are there, else the reply to the report."""
    for child in report.children:
        refusal = yield from _impossible(session, child)
        if refusal is not None:
            return refusal
    parent = report.identity.task_id
    for key, child in child_keys(parent, report.children):
        if (parent, key) in session.created:
            continue
        for params in _encodings(child, key):
            answer = yield from create(child.type, params)
            if not isinstance(answer, ApplicationError) or not answer.schema_violation:
                break
        match answer:
            case Success(data=data):
                session.remember_child(parent, key)
                session.note(parent, "" if key in params else _old(child, data))
            case ApplicationError(error=error) if _for_good(answer):
                return _refused(child, error)
            case ApplicationError():
                return failure(answer)
            case _:
                return answer
    return None


def _impossible(session: Session, child: Child) -> Steps[ReportReply | None]:
    """The reply to a report one of whose children can never be created, known before any of them is; else None."""
    if stored_bytes(child.params) > MAX_TEXT_BYTES:
        return _refused(child, f"its params take more than the {MAX_TEXT_BYTES} bytes that the server keeps")
    if is_damaged(child.type):
        return None
    number = yield from number_of(session, child.type)
    if number is None:
        return _refused(child, "the server knows no such type")
    return number if isinstance(number, Failure) else None


def _refused(child: Child, why: str) -> ReportAnswer:
    return ReportAnswer(Verdict.REFUSED, f"the child task {child.type} is refused: {why}")


def _encodings(child: Child, key: str) -> Iterator[str]:
    """The params of a child, in the words that a registered schema may want, the best first.

    It may refuse the key; without one the child may be an old task. It may take 1.0 for no integer.
    """
    yield with_run_key(child.params, key)
    whole = json.dumps(whole_numbers(json.loads(child.params)), ensure_ascii=False, separators=(",", ":"))
    wordings = [child.params] if whole == child.params else [child.params, whole]
    yield from (with_run_key(params, key) for params in wordings[1:])
    yield from (params for params in wordings if params != NO_PARAMS)


def child_keys(parent: str, children: tuple[Child, ...]) -> Iterator[tuple[str, Child]]:
    """Each child with its key: the same in every try of every process, and no other task's (R22)."""
    seen: Counter[str] = Counter()
    for child in children:
        what = digest({"type": child.type, "params": json.loads(child.params)})
        seen[what] += 1
        yield f"child:{parent}:{what}:{seen[what]}", child


def create(task_type: str, params: str) -> Steps[Answer]:
    """The answer to a creation; the same type and params give the same task for ever.

    Args:
        params: A JSON object with at least one entry, as text.
    """
    size = stored_bytes(params)
    if size > MAX_TEXT_BYTES:
        return ApplicationError(413, f"the params take {size} bytes there, {MAX_TEXT_BYTES} at most")
    body = f'{{"type":{json.dumps(task_type)},"params":{params}}}'
    request = HttpRequest("submit", "POST", ("tasks",), body)
    answer: Answer = read((yield request))
    for _ in range(QUICK_REPEATS):
        if not isinstance(answer, ApplicationError) or not (answer.deadlocked or answer.duplicate):
            break
        answer = read((yield request))
    return answer


def _old(child: Child, data: Any) -> str:
    """What is to be told of a child that was there before; "" for a new one."""
    if not isinstance(data, dict) or data.get("deduplicated") is not True:
        return ""
    return f"the child {child.type} is the old task {data.get('id')}, {data.get('status')}"


def _for_good(answer: ApplicationError) -> bool:
    """Whether a child can never be created: its type is unknown, or its params do not fit."""
    return answer.permanently_rejected or answer.status == 400 or not_found(answer)  # noqa: PLR2004
