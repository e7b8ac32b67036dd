"""The bundle trace_context: a task is kept with the span that created it."""

from __future__ import annotations

from prismq_worker_sdk.testing.conformance.checks import bundle, has, same
from prismq_worker_sdk.testing.conformance.trial import Task, Trial

check = bundle("trace_context")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GIVEN: Task = {"traceparent": TRACE, "tracestate": "vendor=value"}
CHILD, LAST = "Child", "Last"


@check()
def a_task_keeps_its_trace_context(server: Trial) -> None:
    """`traceparent` and `tracestate` of a new task are told to whoever claims it, and where it is shown."""
    server.needs("exchange", "manage")
    server.submit(**GIVEN)
    task = server.taken()
    has("the task as it is claimed", task, GIVEN)
    has("the task as it is shown", server.get(f"/tasks/{task['id']}").json(200), GIVEN)


@check()
def a_trace_context_outlives_an_attempt(server: Trial) -> None:
    """A task that is tried again has the trace context with which it was created."""
    server.needs("exchange", "manage")
    server.submit(**GIVEN)
    task = server.taken()
    same("the verdict", server.report(task, "failed", error="x", delay_seconds=0), "accepted")
    (again,) = server.again(lambda: server.take(1))
    has("the second attempt", again, GIVEN)


@check()
def children_keep_their_trace_context(server: Trial) -> None:
    """A child, and where the server announces `fan_in` what follows it, has the trace context of its own entry."""
    server.needs("exchange", "manage")
    task = server.submit_and_take()
    follows = "fan_in" in server.server.announced
    then: Task = {"then": {"type": server.type_of(LAST), "params": {}, **GIVEN}} if follows else {}
    child: Task = {"key": "c", "type": server.type_of(CHILD), "params": {}, **GIVEN}
    same("the verdict", server.report(task, result=1, children=[child], **then), "accepted")
    child = server.taken(kind=CHILD)
    has("the child", child, GIVEN)
    if follows:
        server.report(child, result=1)
        has("what follows", server.taken(kind=LAST), GIVEN)


@check()
def a_malformed_traceparent_counts_as_absent(server: Trial) -> None:
    """A task with a malformed `traceparent` is created all the same, and has none; its `tracestate` goes with it."""
    server.needs("exchange", "manage")
    for wrong in ("", "x", TRACE.upper(), f"{TRACE}-more", f"ff{TRACE[2:]}", f"00-{'0' * 32}{TRACE[35:]}"):
        server.submit(traceparent=wrong, tracestate="vendor=value")
        found = server.taken()
        same(
            f"the trace context of {wrong!r}",
            (found.get("traceparent"), found.get("tracestate")),
            (None, None),
        )
