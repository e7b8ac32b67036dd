"""The worker's codec is held to the golden exchanges of the server in production: what it asks, what it reads."""

import json
from dataclasses import replace

import pytest

from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Grant,
    LeaseAnswer,
    ReportAnswer,
)
from prismq_worker_sdk.wire.client import health
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import read
from prismq_worker_sdk.wire.dialects.prismq_client.reports import exchange as exchange_steps
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import check_key, create, find_type, get_task
from prismq_worker_sdk.wire.messages import HttpReply
from tests.support.golden import named, same
from tests.support.prismq_golden import EXCHANGES, FILE, Known
from tests.support.prismq_talk import Talk, claim_call, renewal, report

ASKED_BY_OTHERS = {"POST /task-types/register", "GET /task-types", "envelope"}
"""Tables whose requests the worker never makes; their answers are read all the same."""

MEANING = {
    "envelope": {
        "success": "Success",
        "API error": "ApplicationError",
        "no/wrong key": "Unauthorised | Success | ApplicationError",
        "rate limit": "Success | Throttled",
        "body too large": "ApplicationError",
        "IP blocked": "Unauthorised",
        "switched off": "ApplicationError",
        "PHP TypeError": "Unreachable",
        "outside /api": "UnrecognisedServer",
        "DB down": "ApplicationError",
        "methods and paths": "Success | ApplicationError | UnrecognisedServer | Unreachable",
        "bodies": "Success | ApplicationError",
    },
    "GET /health": {"healthy": "ServerInfo", "no key needed": "ServerInfo", "POST": "ApplicationError"},
    "POST /task-types/register": {
        "new": "Success",
        "exists": "Success",
        "field missing, empty or null": "ApplicationError",
        "schema without type": "ApplicationError",
        "schema text not JSON": "ApplicationError",
        "too long": "ApplicationError",
        "name a list/object": "Unreachable",
        "name int / version int": "Success",
        "other case": "Success",
    },
    "GET /task-types": {"always 500": "ApplicationError"},
    "GET /task-types/{name}": {
        "found": "found",
        "inactive": "found",
        "unknown": "none",
        "not URL-decoded": "found | none",
        "repaired": "found | none",
    },
    "POST /tasks": {
        "new": "Success",
        "same type+params exist": "Success",
        "same, created in parallel": "ApplicationError",
        "anything else ignored": "Success",
        'type/params missing, null, ""': "ApplicationError",
        "params no object": "ApplicationError",
        "type not a string": "ApplicationError",
        "unknown type": "ApplicationError",
        "inactive type": "ApplicationError",
        "schema violation": "Success | ApplicationError",
        "bad JSON": "ApplicationError",
        "params > 65,535 B": "Success | ApplicationError",
    },
    "GET /tasks": {
        "a page": "none",
        "limit=abc or 0": "none",
        "limit=-1": "Unreachable",
        "unknown status/type": "none",
        "% in type": "none",
        "type[]=": "Unreachable",
    },
    "GET /tasks/{id}": {
        "found": "found",
        "unknown": "none",
        "id cast by SQL": "none",
        "nested too deep": "Unreachable",
        "repaired": "found | none",
    },
    "POST /tasks/claim": {
        "ok": "a task",
        "empty": "nothing",
        "empty, repaired": "nothing",
        "no, empty or null worker_id": "Rejected",
        "worker_id not a string": "Rejected",
        "no task_type_id": "Rejected",
        "task_type_id not positive": "Rejected",
        "bad sort": "Rejected",
        "worker_id > 255": "Unreachable | nothing",
        "deadlock": "Conflict",
        "cast to 1": "a task",
        "inactive type": "a task",
    },
    "POST /tasks/{id}/progress": {
        "ok": "renewed",
        "bad value": "Rejected",
        "other worker": "lost",
        "not claimed": "lost",
        "unknown id": "lost",
    },
    "POST /tasks/{id}/complete": {
        "success true": "accepted",
        "success false, attempts < MAX": "accepted",
        "success false, attempts >= MAX": "accepted",
        "field missing": "Rejected",
        "other worker": "lost",
        "not claimed": "asks how the task stands",
        "unknown id": "missing",
        "id 5abc": "refused",
        "worker_id not a string": "Unreachable",
        "result or error > 65,535 B": "accepted | refused",
        "body nested > 512": "refused",
        "deadlock": "Rejected",
        "half a failure": "Rejected",
        "fail": "ApplicationError",
        "success by PHP's truth": "accepted",
        "error no text": "accepted | Unreachable",
    },
}
"""What the worker makes of each row that was measured; for requests that it never makes, of their answers alone."""

EMPTY_LIST = HttpReply(200, b'{"success":true,"data":{"items":[],"count":0}}')


def reply_of(exchange):
    """The golden answer, with an example in each place."""
    golden, known = exchange["answer"], Known()
    text = "" if golden.get("empty") else golden.get("text", "").replace("<text>", " some words ")
    body = json.dumps(known.filled(golden["body"], examples=True)) if "body" in golden else text
    more = known.filled(golden.get("headers", {}), examples=True)
    return HttpReply(
        golden["status"], body.encode(), {"content-type": golden.get("content_type", ""), **more}
    )


def call_of(exchange):
    """The worker's steps that make this request, None for one that it never makes."""
    request, talk = exchange["request"], Talk(**{"Golden.Task": 7})
    body = request.get("body", {})
    match [request["method"], *request["path"].partition("?")[0].strip("/").split("/")]:
        case _ if exchange["row"].split(":")[0] in ASKED_BY_OTHERS:
            return None
        case ["GET", "health"]:
            return health()
        case ["POST", "tasks", "claim"]:
            return exchange_steps(talk.session, claim_call("Golden.Task"))
        case ["POST", "tasks", _, "complete"]:
            done = (
                Completed(json.dumps(body.get("result")))
                if body.get("success") is True
                else Failed("it broke")
            )
            return exchange_steps(talk.session, ExchangeRequest(reports=(report(done, token="worker-1"),)))
        case ["POST", "tasks", _, "progress"]:
            percent = body.get("progress")
            said = renewal(percent if isinstance(percent, int) else 50, body.get("message", ""))
            mine = replace(said, identity=replace(said.identity, token="worker-1"))
            return exchange_steps(talk.session, ExchangeRequest(renewals=(mine,)))
        case ["GET", "tasks"]:
            return check_key()
        case ["GET", "tasks", identity]:
            return get_task("20" if identity == "<id>" else identity)
        case ["GET", "task-types", name]:
            return find_type(name)
        case ["POST", "tasks"]:
            return create(FILE["task"]["type"], json.dumps(FILE["task"]["params"]))
        case _:
            return None


def carried_out(exchange):
    """What the worker asks first, and what it makes of the golden answer."""
    steps, reply = call_of(exchange), reply_of(exchange)
    if steps is None:
        return None, word(read(reply))
    asked, answer = [next(steps)], reply
    try:
        while True:
            asked.append(steps.send(answer))
            if asked[-1].call == "get":
                return asked[0], "asks how the task stands"
            answer = reply if asked[-1] == asked[0] else EMPTY_LIST
    except StopIteration as end:
        return asked[0], word(end.value)


def word(value):
    """The name of a value, or the server's verdict in it."""
    match value:
        case ExchangeResponse(reports=(reply,)) | ExchangeResponse(renewals=(reply,)):
            return (
                str(reply.verdict) if isinstance(reply, ReportAnswer | LeaseAnswer) else type(reply).__name__
            )
        case ExchangeResponse(tasks=(Grant(),)):
            return "a task"
        case ExchangeResponse(tasks=()):
            return "nothing"
        case ExchangeResponse(tasks=failure):
            return type(failure).__name__
        case None:
            return "none"
        case dict():
            return "found"
        case _:
            return type(value).__name__


@pytest.mark.parametrize("exchange", EXCHANGES, ids=named)
def test_the_worker_reads_the_golden_answer(exchange):
    table, row = exchange["row"].split(": ", 1)

    assert carried_out(exchange)[1] in MEANING[table][row].split(" | ")


def test_every_row_that_was_measured_has_a_meaning_and_no_meaning_is_without_a_row():
    found = {}
    for exchange in EXCHANGES:
        found.setdefault(exchange["row"], set()).add(carried_out(exchange)[1])

    assert found == {
        f"{table}: {row}": set(meaning.split(" | "))
        for table, rows in MEANING.items()
        for row, meaning in rows.items()
    }


AS_A_WORKER_ASKS = [
    "claim: a task",
    "complete: a result",
    "complete: a failure",
    "progress: 50",
    "progress: 0",
    "a pending task",
    "a type by its name",
    "create: a task",
    "health",
]


@pytest.mark.parametrize("name", AS_A_WORKER_ASKS)
def test_the_worker_makes_the_golden_request(name):
    (exchange,) = [one for one in EXCHANGES if one["name"] == name]
    wanted = Known().filled(exchange["request"], examples=True)
    asked, _ = carried_out(exchange)

    assert asked.method == wanted["method"]
    assert f"/{'/'.join(asked.segments)}" == wanted["path"]
    body = wanted.get("body")
    if name == "claim: a task":
        body["worker_id"] = "w/1"  # every claim has an id of its own (R2)
    assert body is None or same(json.loads(asked.body), body)
