"""The bundle audit: who did what."""

from __future__ import annotations

from prismq_worker_sdk.testing.conformance.base import instant
from prismq_worker_sdk.testing.conformance.checks import bundle, holds, same
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("audit")


@check(needs=("manage",))
def an_act_is_written_down(server: Trial) -> None:
    """A task that was cancelled says so in `GET /audit` and with the task itself: who, when, what."""
    task_id = server.submit()
    server.post(f"/tasks/{task_id}/cancel").json(200)
    acts = server.get(f"/audit?kind=task&target={task_id}").json(200)["audit"]
    same("what was done to the task", [(act["target"], act["action"]) for act in acts], [(task_id, "cancel")])
    holds(isinstance(acts[0]["who"], str) and acts[0]["who"], f"nobody is named: {acts[0]}")
    instant(acts[0], "at")
    same("what the task shows", [act["action"] for act in server.show(task_id)["audit"]], ["cancel"])


@check(needs=("manage",))
def an_act_that_was_refused_is_none(server: Trial) -> None:
    """What was refused is not written down."""
    task_id = server.submit()
    server.post(f"/tasks/{task_id}/retry").problem(409)
    same("what was done to the task", server.get(f"/audit?kind=task&target={task_id}").json(200)["audit"], [])
