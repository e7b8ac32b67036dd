"""The bundle manage: what operators do to tasks and workers; it takes a key of theirs."""

from __future__ import annotations

from prismq_worker_sdk.testing.conformance.checks import bundle, holds, same
from prismq_worker_sdk.testing.conformance.trial import ANOTHER, Trial, ids

check = bundle("manage")


@check()
def a_pending_task_is_cancelled_at_once(server: Trial) -> None:
    """`cancel` fails a pending task at once, with the error type `cancelled`; a finished one is 409."""
    task_id = server.submit()
    server.post(f"/tasks/{task_id}/cancel").json(200)
    task = server.show(task_id)
    same("its state", (task["status"], task["error_type"]), ("failed", "cancelled"))
    same("a claim after it", server.claim(), None)
    server.post(f"/tasks/{task_id}/cancel").problem(409)


@check(needs=("exchange",))
def a_wish_to_cancel_is_told_at_the_next_renewal(server: Trial) -> None:
    """`cancel` of a running task is told by its next renewal, and a result that comes all the same wins (R29)."""
    task = server.submit_and_take()
    server.post(f"/tasks/{task['id']}/cancel").json(200)
    same("the renewal", server.renew(task), "cancel")
    same("a report after it", server.report(task, result=1), "accepted")
    same("its state", server.show(task)["status"], "completed")


@check(needs=("exchange",))
def a_cancelled_task_that_does_not_complete_has_failed(server: Trial) -> None:
    """A failure or release after the wish to cancel ends the task as failed, `cancelled` (R29)."""
    for outcome in ("failed", "released"):
        task = server.submit_and_take()
        server.post(f"/tasks/{task['id']}/cancel").json(200)
        same(
            "the verdict",
            server.report(task, outcome, error="x", retryable=True, delay_seconds=0),
            "accepted",
        )
        shown = server.show(task)
        same(f"its state after {outcome}", (shown["status"], shown["error_type"]), ("failed", "cancelled"))


@check(waits=1, needs=("exchange",))
def a_cancelled_task_is_not_handed_out_again(server: Trial) -> None:
    """A claim that runs out after the wish to cancel ends the task as failed, `cancelled` (R29)."""
    task = server.submit_and_take()
    server.post(f"/tasks/{task['id']}/cancel").json(200)
    server.let_run_out()
    same("a claim after it", server.take(1, ANOTHER), [])
    shown = server.again(lambda: [one for one in [server.show(task)] if one["status"] == "failed"])
    same("its error type", [one["error_type"] for one in shown], ["cancelled"])


@check()
def a_failed_task_is_tried_again(server: Trial) -> None:
    """`retry` makes a failed task pending again, with all its attempts; one that has not failed is 409."""
    task_id = server.submit(max_attempts=1)
    server.post(f"/tasks/{task_id}/retry").problem(409)
    server.end(server.claimed(), "fail").json(200)
    task = server.post(f"/tasks/{task_id}/retry").json(200)
    same("its state", (task["status"], task["error"]), ("pending", None))
    same("the task that is handed out", server.claimed()["id"], task_id)


@check(needs=("exchange",))
def workers_are_seen(server: Trial) -> None:
    """`GET /workers` shows who exchanges here, and which tasks it holds."""
    task = server.submit_and_take()
    found = [
        one for one in server.get("/workers").json(200)["workers"] if one["worker_id"] == server.worker()
    ]
    same(
        "what is shown of the worker",
        [(one["wanted"], one["running"]) for one in found],
        [("run", [task["id"]])],
    )


@check(needs=("exchange",))
def a_quiet_worker_gets_no_tasks(server: Trial) -> None:
    """A worker that is to be `quiet` or to `terminate` is told so and given no tasks, until it is resumed (R40)."""
    server.submit()
    server.exchange()
    for action in ("quiet", "terminate"):
        server.post(f"/workers/{server.worker()}/{action}").json(200)
        found = server.exchange(claim={"task_types": [server.type_of()]})
        same(f"what it is told, and given, at {action}", (found["worker"], found["tasks"]), (action, []))
    server.post(f"/workers/{server.worker()}/resume").json(200)
    found = server.exchange(claim={"task_types": [server.type_of()]})
    same(
        "what it is told, and how many tasks it is given then",
        (found["worker"], len(found["tasks"])),
        ("run", 1),
    )


@check()
def a_worker_that_is_unknown_cannot_be_steered(server: Trial) -> None:
    """`POST /workers/{id}/quiet` of a worker that never was is 404."""
    server.post(f"/workers/{server.worker('nobody')}/quiet").problem(404)


@check(needs=("exchange",))
def a_wait_hears_that_its_worker_is_to_be_quiet(server: Trial) -> None:
    """A claim that waits is answered at once when its worker is told something (R40)."""
    server.exchange()
    server.post(f"/workers/{server.worker()}/resume").json(200)
    wait = min(12.0, float(server.server.exchange["max_wait_seconds"]))
    wanted = {"task_types": [server.type_of()], "wait_seconds": wait}
    found, seconds = server.while_waiting(
        lambda: server.exchange(claim=wanted, longer=wait),
        lambda: server.post(f"/workers/{server.worker()}/quiet").json(200),
    )
    server.post(f"/workers/{server.worker()}/resume")
    same("what it is told", (found["worker"], ids(found["tasks"])), ("quiet", []))
    holds(seconds < 0.9 * wait, f"a claim that may wait {wait:.0f} s was answered after {seconds:.1f} s")


@check()
def metrics_are_text_for_prometheus(server: Trial) -> None:
    """`GET /metrics` is text that Prometheus reads, with the number of tasks."""
    server.submit()
    answer = server.get("/metrics")
    if answer.status != 200:  # noqa: PLR2004
        answer.json(200)
    same("its media type", answer.kind, "text/plain")
    lines = answer.content.decode().splitlines()
    holds(
        any(server.type_of() in line and line.endswith(" 1") for line in lines),
        "no line counts the only task",
    )
