"""The bundle batch: many tasks in one call."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.testing.conformance.checks import bundle, same
from prismq_worker_sdk.testing.conformance.trial import Trial

check = bundle("batch")


@check()
def each_task_of_a_batch_has_its_own_answer(server: Trial) -> None:
    """`POST /tasks/batch` answers each task in the order sent, 201 or a problem; one that is refused stops no other."""
    good = {"type": server.type_of(), "params": {"n": 1}}
    found = _batch(server, [good, {"type": "no name!"}, {**good, "params": {"n": 2}}])
    same("the statuses", [one["status"] for one in found], [201, 422, 201])
    same("the params", [found[place]["task"]["params"] for place in (0, 2)], [{"n": 1}, {"n": 2}])
    same("the status in the problem", found[1]["problem"]["status"], 422)
    same("tasks that can be claimed", [server.claimed()["params"]["n"] for _ in range(2)], [1, 2])


@check()
def a_dedupe_key_counts_within_a_batch(server: Trial) -> None:
    """The second task of a batch with the same `dedupe_key` is 200 with the first."""
    keyed = {"type": server.type_of(), "dedupe_key": "k"}
    one, two = _batch(server, [keyed, keyed])
    same("the statuses, and one id", (one["status"], two["status"]), (201, 200))
    same("the second task", two["task"]["id"], one["task"]["id"])


@check()
def an_empty_batch_is_refused(server: Trial) -> None:
    """A batch without tasks is 422."""
    server.post("/tasks/batch", {"tasks": []}).problem(422)


def _batch(server: Trial, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.post("/tasks/batch", {"tasks": tasks}).json(200)["tasks"]
    return found
