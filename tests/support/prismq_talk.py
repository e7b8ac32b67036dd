"""The prismq-client dialect as a function: a call in, replies of a script, the value and the requests out."""

import json

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, Renewal, Unreachable
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.wire.dialects.prismq_client.reports import exchange
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session
from prismq_worker_sdk.wire.messages import HttpReply, perform

OWNER = "w/1"
"""The wire worker id of a claim."""

SILENCE = Unreachable("the answer did not come in time")
EMPTY = (500, "There is no active transaction")
DEADLOCK = (500, "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found when trying to get lock")
NOT_CLAIMED = (400, "Task is not in claimed state")
ANOTHER = (403, "Task is claimed by another worker")
UNKNOWN = (404, "Task not found")
TOO_LONG = (500, "SQLSTATE[22001]: String data, right truncated: 1406 Data too long for column 'result_json'")


def said(data, status=200):
    """A good answer."""
    return raw(status, {"success": True, "message": "Success", "data": data, "timestamp": 1795444737})


def refused(status, error, **more):
    """The application's refusal."""
    return raw(status, {"success": False, "error": error, "timestamp": 1795444737, **more})


def raw(status, body=b"", **headers):
    """Any answer; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return HttpReply(status, data, {name.replace("_", "-"): value for name, value in headers.items()})


def task(number=20, kind="Test.Some", **fields):
    """A task as GET /tasks/{id} shows it."""
    return {
        "id": number,
        "type": kind,
        "status": "pending",
        "params": {"n": 1},
        "result": None,
        "error_message": None,
        "priority": 0,
        "progress": 0,
        "attempts": 1,
        "claimed_by": None,
        "claimed_at": None,
        "completed_at": None,
        "created_at": "2026-11-23 14:40:06",
        **fields,
    }


def shown(**fields):
    """The answer to GET /tasks/{id}."""
    return said({"items": [task(**fields)], "count": 1})


def registered(number, name):
    """The answer to GET /task-types/{name}."""
    item = {"id": number, "name": name, "version": "1", "param_schema": {"type": "object"}, "is_active": 1}
    return said({"items": [item], "count": 1})


NOTHING = said({"items": [], "count": 0})


def claimed(number=20, kind="Test.Some", params=None, attempts=1):
    """The answer to a claim."""
    given = {"n": 1} if params is None else params
    return said(
        {
            "id": number,
            "type": kind,
            "params": given,
            "attempts": attempts,
            "priority": 0,
            "message": "Task claimed successfully",
        }
    )


def report(outcome, *, task_id="20", token=OWNER, dialect="prismq-client", **more):
    identity = Identity("http://h/api", dialect, task_id, "Test.Some", "digest", "w", token)
    return Report(1, identity, outcome, **more)


def renewal(progress, message=""):
    return Renewal(report(None).identity, progress, message)


def claim_call(*types, request_id="1", **more):
    return ExchangeRequest(claim=ClaimWork("w", types or ("Test.Some",)), request_id=request_id, **more)


class Talk:
    """One connection: what was asked for, and what came of it."""

    def __init__(self, **numbers):
        self.session = Session(numbers={"Test.Some": 1, "Test.Other": 2, **numbers})
        self.asked = []

    def __call__(self, call, *replies):
        """The value of a call that is answered so, reply by reply."""
        return self.walk(exchange(self.session, call), *replies)

    def walk(self, steps, *replies):
        waiting = list(replies)

        def send(request):
            self.asked.append(request)
            assert waiting, f"one request too many: {request}"
            return waiting.pop(0)

        value = perform(steps, send)
        assert not waiting, f"{len(waiting)} answers were not asked for"
        return value

    @property
    def paths(self):
        return [f"{request.method} /{'/'.join(request.segments)}" for request in self.asked]

    def body(self, number=-1):
        return json.loads(self.asked[number].body)
