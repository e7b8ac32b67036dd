"""The bundle exchange: reports, renewals, and what they make of a task."""

from __future__ import annotations

import uuid
from typing import Any

from prismq_worker_sdk.testing.conformance.checks import bundle, holds, same
from prismq_worker_sdk.testing.conformance.trial import ANOTHER, ONE, Task, Trial, ids

check = bundle("exchange")
CHILD = "Child"


@check()
def verdicts_come_in_the_order_sent(server: Trial) -> None:
    """Each report and renewal of an exchange has a verdict of its own, in the order sent."""
    server.submit_many(4)
    one, two, three, four = server.take(4)
    unknown = {"id": str(uuid.uuid4()), "lease_token": "made-up"}
    sent = [server.of(task, outcome="completed", result=1) for task in (two, unknown, one)]
    found = server.exchange(reports=sent, leases=[server.of(task) for task in (four, unknown, three)])
    wanted = [(two["id"], "accepted"), (unknown["id"], "unknown"), (one["id"], "accepted")]
    same("the verdicts on reports", _verdicts(found["reports"]), wanted)
    wanted = [(four["id"], "renewed"), (unknown["id"], "lost"), (three["id"], "renewed")]
    same("the verdicts on renewals", _verdicts(found["leases"]), wanted)


@check()
def the_token_alone_proves_a_claim(server: Trial) -> None:
    """A report of another worker under the right token is accepted, one under a token that never was `unknown` (R2)."""
    task = server.submit_and_take(ONE)
    same("a made-up token", server.report({**task, "lease_token": uuid.uuid4().hex}, worker=ONE), "unknown")
    same("the right token from another worker", server.report(task, worker=ANOTHER, result=1), "accepted")


@check()
def a_token_is_of_its_task(server: Trial) -> None:
    """A report under the token of another task is `unknown`, and touches neither task."""
    server.submit_many(2)
    one, two = server.take(2)
    same(
        "a report under another task's token",
        server.report({**one, "lease_token": two["lease_token"]}),
        "unknown",
    )
    same("both reports after that", [server.report(task) for task in (one, two)], ["accepted", "accepted"])


@check()
def a_completed_task_is_done(server: Trial) -> None:
    """A completed task is not handed out again."""
    server.submit()
    same("the verdict", server.report(server.taken(), result={"n": 1}), "accepted")
    same("a claim after it", server.take(1, ANOTHER), [])


@check()
def a_repeated_report_is_a_duplicate(server: Trial) -> None:
    """The same report again is a `duplicate`, and changes nothing (R28)."""
    task = server.submit_and_take()
    same("a report sent twice", [server.report(task, result=1) for _ in range(2)], ["accepted", "duplicate"])


@check()
def a_repeated_report_is_a_duplicate_after_the_next_claim(server: Trial) -> None:
    """The same report again is a `duplicate` also when the task was claimed again meanwhile (R28)."""
    task = server.submit_and_take(ONE)
    failed: dict[str, Any] = {"error": "x", "retryable": True, "delay_seconds": 0}
    same("the report", server.report(task, "failed", **failed), "accepted")
    again = server.again(lambda: server.take(1, ANOTHER))
    same("the next claim", ids(again), [task["id"]])
    same("the same report after that", server.report(task, "failed", **failed), "duplicate")
    same("the report of the next claim", server.report(again[0], worker=ANOTHER), "accepted")


@check()
def another_outcome_under_the_same_token_is_refused(server: Trial) -> None:
    """A second report of a claim with another outcome is `refused`, and names the first (R28)."""
    task = server.submit_and_take()
    server.report(task, result=1)
    report = server.of(task, outcome="failed", error="x", retryable=False)
    (verdict,) = server.exchange(reports=[report])["reports"]
    same("a failure after a result", verdict["verdict"], "refused")
    holds(
        "completed" in str(verdict.get("detail")), f"the refusal does not name the first outcome: {verdict}"
    )
    same("another result", server.report(task, result=2), "refused")


@check()
def a_failure_that_is_not_retryable_ends_the_task(server: Trial) -> None:
    """`retryable: false` fails the task for good, whatever attempts are left."""
    server.submit()
    failed: dict[str, Any] = {"error": "x", "retryable": False, "delay_seconds": 0}
    same("the verdict", server.report(server.taken(), "failed", **failed), "accepted")
    same("a claim after it", server.take(1), [])


@check()
def a_failure_is_tried_again(server: Trial) -> None:
    """A failure with attempts left makes the task pending, and the next claim is the next attempt."""
    server.submit()
    server.report(server.taken(), "failed", error="x", retryable=True, delay_seconds=0)
    again = server.again(lambda: server.take(1))
    same("the attempt of the next claim", [task["attempt"] for task in again], [2])


@check()
def a_failure_waits_as_long_as_it_was_told_to(server: Trial) -> None:
    """`delay_seconds` of a failure holds the task back for so long, and no longer."""
    server.submit()
    server.report(server.taken(), "failed", error="x", retryable=True, delay_seconds=2)
    same("a claim within the delay", server.take(1), [])
    server.server.pass_time(2.2)
    same("tasks after the delay", len(server.again(lambda: server.take(1))), 1)


@check()
def a_release_does_not_count(server: Trial) -> None:
    """A released task is pending again, also after a renewal, and the attempt does not count."""
    task = server.submit_and_take()
    server.renew(task)
    same("the verdict", server.report(task, "released"), "accepted")
    again = server.again(lambda: server.take(1))
    same("the attempt of the next claim", [task["attempt"] for task in again], [1])


@check()
def a_release_waits_as_long_as_it_was_told_to(server: Trial) -> None:
    """`delay_seconds` of a release holds the task back."""
    server.submit()
    server.report(server.taken(), "released", delay_seconds=3600)
    server.server.pass_time(0.5)
    same("a claim within the delay", server.take(1), [])


@check()
def a_checkpoint_is_kept(server: Trial) -> None:
    """The checkpoint of a renewal or a report is there for the next attempt; one that says none keeps it (R30)."""
    task = server.submit_and_take()
    server.renew(task, checkpoint={"page": 1})
    server.report(task, "failed", error="x", delay_seconds=0)
    (task,) = server.again(lambda: server.take(1))
    same("the checkpoint of a renewal", task.get("checkpoint"), {"page": 1})
    server.report(task, "released", checkpoint=[2])
    (task,) = server.again(lambda: server.take(1))
    same("the checkpoint of a report", task.get("checkpoint"), [2])


@check()
def children_are_created_with_their_report(server: Trial) -> None:
    """The children of a completed report can be claimed once it is accepted; a repeat of it creates no more (R22)."""
    task = server.submit_and_take()
    children = [_child(server, number) for number in range(2)]
    same("a claim of children before", server.take(9, kinds=(CHILD,)), [])
    for verdict in ("accepted", "duplicate"):
        same("the verdict", server.report(task, result=1, children=children), verdict)
    made = server.take(9, kinds=(CHILD,))
    same("the children", sorted(child["params"]["n"] for child in made), [0, 1])


@check()
def other_children_are_another_outcome(server: Trial) -> None:
    """The same result with other children is another outcome: `refused`, and nothing is created (R28)."""
    task = server.submit_and_take()
    server.report(task, result=1)
    same(
        "the same result with a child", server.report(task, result=1, children=[_child(server, 1)]), "refused"
    )
    same("a claim of children", server.take(9, kinds=(CHILD,)), [])


@check(needs=("manage",))
def a_child_that_does_not_fit_refuses_the_report_whole(server: Trial) -> None:
    """A child that does not fit its registered type makes its report `refused`; nothing is created (R22)."""
    schema = {"type": "object", "required": ["n"]}
    server.ask("PUT", f"/task-types/{server.type_of(CHILD)}", {"version": "1", "param_schema": schema}).json(
        200
    )
    task = server.submit_and_take()
    children = [_child(server, 1), {"key": "bad", "type": server.type_of(CHILD), "params": {}}]
    same("the verdict", server.report(task, result=1, children=children), "refused")
    same("a claim of children", server.take(9, kinds=(CHILD,)), [])
    same("a report without them", server.report(task, "failed", error="x", retryable=False), "accepted")


@check()
def a_result_that_is_too_large_is_refused_alone(server: Trial) -> None:
    """A result above 8 MiB is `refused`, its neighbours are accepted, and a short failure is taken after it (R24)."""
    server.submit_many(2)
    large, small = server.take(2)
    sent = [
        server.of(large, outcome="completed", result="x" * (8 * 1024 * 1024 + 1)),
        server.of(small, outcome="completed", result=1),
    ]
    found = server.exchange(reports=sent, longer=30)
    same("the verdicts", _verdicts(found["reports"]), [(large["id"], "refused"), (small["id"], "accepted")])
    same("a failure after it", server.report(large, "failed", error="too large", retryable=False), "accepted")


@check(waits=1)
def what_another_has_claimed_is_lost(server: Trial) -> None:
    """Once a task was claimed again, reports and renewals under the old token are `lost`, and create no children."""
    old = server.submit_and_take(ONE)
    server.let_run_out()
    (new,) = server.again(lambda: server.take(1, ANOTHER))
    same("a renewal under the old token", server.renew(old), "lost")
    same("a report under it", server.report(old, result=1, children=[_child(server, 1)]), "lost")
    same("a claim of its children", server.take(9, kinds=(CHILD,)), [])
    same("a report under the new one", server.report(new, worker=ANOTHER, result=2), "accepted")


@check(waits=1)
def an_expired_token_is_valid_until_the_task_is_claimed_again(server: Trial) -> None:
    """A late renewal is `renewed` and a late report `accepted`, as long as nobody else has the task (R8)."""
    server.submit_many(2)
    one, two = server.take(2)
    server.let_run_out()
    same("a late renewal", server.renew(one), "renewed")
    same("a claim after it", ids(server.again(lambda: server.take(2, ANOTHER))), [two["id"]])
    same("a report after that", server.report(one), "accepted")
    same("the task that was not renewed", server.report(two), "lost")


@check(waits=1)
def a_late_report_is_accepted(server: Trial) -> None:
    """A report that comes after its lease, without a renewal, is `accepted` unless somebody else has the task (R8)."""
    task = server.submit_and_take()
    server.let_run_out()
    same("the verdict", server.report(task, result=1), "accepted")
    same("a claim after it", server.take(1, ANOTHER), [])


def _child(server: Trial, number: int) -> dict[str, Any]:
    return {"key": f"c{number}", "type": server.type_of(CHILD), "params": {"n": number}}


def _verdicts(found: list[Task]) -> list[tuple[str, str]]:
    return [(one["task_id"], one["verdict"]) for one in found]
