"""The v1 dialect as a function: one reply in, one value out."""

import json

from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Completed, Failed
from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.wire.client import health
from prismq_worker_sdk.wire.dialects.v1 import base as v1
from prismq_worker_sdk.wire.messages import HttpReply

CLAIM = ClaimWork("w/1", ("Test.Some", "Test.Other"))
CALLS = ("health", "claim", "complete", "fail")


def reply(status, body=b"", **headers):
    """An answer; a body that is no bytes is sent as JSON."""
    given = {"content_type": "application/json" if not isinstance(body, bytes) else "text/html", **headers}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, data, {name.replace("_", "-"): value for name, value in given.items()})


def report(outcome, *, task_id="t1", worker_id="w/1", **more):
    return Report(
        1, Identity("http://h/api", "v1", task_id, "Test.Some", "digest", worker_id), outcome, **more
    )


def steps(call):
    """The steps of a call, and how to take its own part out of the answer."""
    if call == "health":
        return health(), lambda value: value
    if call == "claim":
        return v1.exchange(ExchangeRequest(claim=CLAIM)), lambda exchanged: exchanged.tasks
    outcome = Completed('{"n":1}') if call == "complete" else Failed("it broke")
    return v1.exchange(ExchangeRequest(reports=(report(outcome),))), lambda exchanged: exchanged.reports[0]


def value(call, answered):
    """What a call becomes when it is answered so."""
    asking, part = steps(call)
    next(asking)
    try:
        asking.send(answered)
    except StopIteration as end:
        return part(end.value)
    raise AssertionError("the call wants a second answer")
