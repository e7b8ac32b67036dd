"""The bundle bulk: many tasks at once, and steering of single tasks and of types."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.checks import bundle, holds, same
from prismq_worker_sdk.testing.conformance.manage import listed
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("bulk")


@check()
def a_dry_run_gives_the_number(server: Trial) -> None:
    """`dry_run` answers how many tasks the filter finds, and does nothing."""
    _tasks(server, 3)
    body = {"action": "cancel", "filter": {"type": server.type_of(), "status": "pending"}, "dry_run": True}
    same("the number", server.post("/tasks/bulk", body).json(200), {"found": 3})
    same("tasks that are still pending", len(listed(server, status="pending")), 3)


@check()
def a_job_does_it_to_the_tasks_of_its_time(server: Trial) -> None:
    """A job does it to all tasks that the filter finds at its time, counts them, and leaves those that come later."""
    _tasks(server, 3)
    job = _job(server, "cancel", status="pending")
    later = server.submit()
    done = _done(server, job)
    same("found, done and passed over", [done[name] for name in ("found", "done", "passed_over")], [3, 3, 0])
    same("tasks that are still pending", [task["id"] for task in listed(server, status="pending")], [later])
    ended = {(task["status"], task["error_type"]) for task in listed(server, status="failed")}
    same("how the others have ended", ended, {("failed", "cancelled")})


@check()
def a_job_tries_failed_tasks_again(server: Trial) -> None:
    """The action `retry` makes failed tasks of a filter pending again, here those of an error."""
    for error in ("quota", "typo"):
        _tasks(server, 1)
        server.report(server.taken(), "failed", error=f"the {error} is bad", retryable=False)
    done = _done(server, _job(server, "retry", status="failed", error="quota"))
    same("done", done["done"], 1)
    same("tasks that are pending again", len(listed(server, status="pending")), 1)


@check()
def a_job_deletes_tasks_and_passes_over_those_that_run(server: Trial) -> None:
    """The action `delete` deletes all tasks of a filter but those that run, which it counts."""
    _tasks(server, 3)
    task = server.taken()
    done = _done(server, _job(server, "delete"))
    same("done and passed over", (done["done"], done["passed_over"]), (2, 1))
    same("what is left", [one["id"] for one in listed(server)], [task["id"]])


@check()
def a_job_that_makes_no_sense_is_refused(server: Trial) -> None:
    """An unknown action, an unknown field of a filter and a job that never was are refused."""
    own = {"type": server.type_of()}
    for body in (
        {"action": "burn", "filter": own},
        {"action": "cancel", "filter": {**own, "colour": "red"}},
        {},
    ):
        server.post("/tasks/bulk", body).problem(422)
    server.get(f"/tasks/bulk/{server.worker('job')}").problem(404)


@check()
def a_task_is_deleted(server: Trial) -> None:
    """`DELETE /tasks/{id}` takes a task away, 404 after that; one that runs is 409."""
    task_id = server.submit()
    task = server.claimed()
    server.ask("DELETE", f"/tasks/{task_id}").problem(409)
    server.end(task).json(200)
    server.ask("DELETE", f"/tasks/{task_id}").json(200)
    server.get(f"/tasks/{task_id}").problem(404)


@check()
def an_expedited_task_is_the_next(server: Trial) -> None:
    """`expedite` lets a pending task be handed out next, whatever the others' priority and its own delay; else 409."""
    server.submit(priority=9)
    task_id = server.submit(priority=-9, delay_seconds=3600)
    server.post(f"/tasks/{task_id}/expedite").json(200)
    same("the next task", server.claimed()["id"], task_id)
    server.post(f"/tasks/{task_id}/expedite").problem(409)


@check()
def a_pending_task_can_be_changed(server: Trial) -> None:
    """`PATCH` changes the priority or the time of a pending task."""
    first, second = server.submit(), server.submit()
    changed = server.ask("PATCH", f"/tasks/{second}", {"priority": 5}).json(200)
    same("its priority", changed["priority"], 5)
    server.ask("PATCH", f"/tasks/{first}", {"delay_seconds": 3600}).json(200)
    same("the tasks that are handed out", [server.claimed()["id"], server.claim()], [second, None])


@check()
def a_paused_type_is_not_handed_out(server: Trial) -> None:
    """A task type that is paused is given to no claim, and its tasks stay, until it is resumed; running ones go on."""
    server.submit_many(2)
    task = server.claimed()
    server.afterwards("POST", f"/task-types/{server.type_of()}/resume")
    server.post(f"/task-types/{server.type_of()}/pause", {"reason": "quota"}).json(200)
    same("a claim while it is paused", server.claim(), None)
    server.end(task).json(200)
    paused = server.get("/task-types").json(200)["paused"]
    found = [one["paused"]["reason"] for one in paused if one["name"] == server.type_of()]
    same("why it is paused", found, ["quota"])
    server.post(f"/task-types/{server.type_of()}/resume").json(200)
    holds(server.again(server.claim), "the task was not handed out after that")


@check()
def a_pause_ends_by_itself(server: Trial) -> None:
    """A pause with `seconds` is over after them."""
    server.submit()
    server.post(f"/task-types/{server.type_of()}/pause", {"seconds": 2}).json(200)
    same("a claim while it is paused", server.claim(), None)
    server.server.pass_time(2.2)
    holds(server.again(server.claim), "the task was not handed out after the pause")


def _tasks(server: Trial, number: int) -> None:
    server.needs("exchange", "manage")
    server.submit_many(number)


def _job(server: Trial, action: str, **said: Any) -> dict[str, Any]:
    body = {"action": action, "filter": {"type": server.type_of(), **said}}
    found: dict[str, Any] = server.post("/tasks/bulk", body).json(201)
    return found


def _done(server: Trial, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it is done."""
    path = f"/tasks/bulk/{job['id']}"
    done: list[dict[str, Any]] = server.again(
        lambda: [one for one in [server.get(path).json(200)] if one["status"] == "done"]
    )
    holds(done, "the job was not done in time")
    return done[0]
