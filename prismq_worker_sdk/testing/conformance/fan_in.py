"""The bundle fan_in: a task that follows the last child of another."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.checks import bundle, same
from prismq_worker_sdk.testing.conformance.trial import Task, Trial

check = bundle("fan_in")
CHILD, LAST = "Child", "Last"


@check()
def a_task_follows_the_last_child(server: Trial) -> None:
    """`then` is created when the last child has ended, with its params and how many completed and failed."""
    parent = _parent(server, 2)
    one, two = server.take(2, kinds=(CHILD,))
    same("the first child", server.report(one, result=1), "accepted")
    same("what follows before the last child has ended", server.take(1, kinds=(LAST,)), [])
    same("the last child", server.report(two, "failed", error="x", retryable=False), "accepted")
    told = {"parent_id": parent["id"], "completed": 1, "failed": 1}
    same("the params of what follows", server.taken(kind=LAST)["params"], {"run": 7, "children": told})


@check()
def what_follows_is_created_once(server: Trial) -> None:
    """Children that end in one call, and the repeat of their reports, are followed by one task."""
    _parent(server, 3)
    reports = [server.of(task, outcome="completed", result=1) for task in server.take(3, kinds=(CHILD,))]
    for _ in range(2):
        server.exchange(reports=reports)
    same("how many tasks follow", len(server.take(9, kinds=(LAST,))), 1)


@check()
def a_parent_without_children_is_followed_at_once(server: Trial) -> None:
    """`then` of a report without children is created with the report."""
    _parent(server, 0)
    told = server.taken(kind=LAST)["params"]["children"]
    same("how many children there were", (told["completed"], told["failed"]), (0, 0))


@check()
def children_are_counted(server: Trial) -> None:
    """`GET /tasks/{id}/children` lists the children with their number by status, those open, and what follows."""
    parent = _parent(server, 2)
    server.report(server.taken(kind=CHILD), result=1)
    found = server.get(f"/tasks/{parent['id']}/children").json(200)
    counts = {"pending": 1, "processing": 0, "completed": 1, "failed": 0}
    same("their numbers", (len(found["tasks"]), found["counts"], found["open"]), (2, counts, 1))
    same("what follows", found["then"], {"type": server.type_of(LAST), "task_id": None})


def _parent(server: Trial, children: int) -> Task:
    """A task that has just completed with children, and what is to follow them."""
    server.needs("exchange", "manage")
    task = server.submit_and_take()
    made = [{"key": f"c{n}", "type": server.type_of(CHILD), "params": {"n": n}} for n in range(children)]
    then: dict[str, Any] = {"type": server.type_of(LAST), "params": {"run": 7}}
    same("the verdict", server.report(task, result=1, children=made, then=then), "accepted")
    return task
