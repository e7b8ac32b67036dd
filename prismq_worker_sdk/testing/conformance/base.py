"""The base of the protocol: what every server of v1 does."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from prismq_worker_sdk.compat import datetime_from_iso
from prismq_worker_sdk.testing.conformance.checks import BASE, Broken, bundle, holds, same
from prismq_worker_sdk.testing.conformance.trial import ANOTHER, ONE, Task, Trial, ids

check = bundle(BASE)
PARAMS = {
    "text": 'žluť 𝄞 \\ " \n',
    "list": [1, -2.5, True, None, {"deep": [[]]}],
    "large": 2**53,
    "empty": {},
}
CLAIMERS = 8


@check()
def health_says_healthy(server: Trial) -> None:
    """`GET /health` answers 200 with `{"status": "healthy"}`."""
    same("the status of /health", server.get("/health").json(200).get("status"), "healthy")


@check()
def a_claim_of_nothing_is_null_or_404(server: Trial) -> None:
    """A claim of types without tasks answers 200 `null`, or 404 with JSON."""
    same("a claim where there is nothing", server.claim(), None)


@check()
def a_task_is_handed_out_whole(server: Trial) -> None:
    """A claimed task has every field that is documented, is `processing`, and bears the claimer's worker id."""
    task_id = server.submit({"n": 1})
    task = server.claimed()
    whole(task)
    same("its id as text", str(uuid.UUID(task["id"])), task["id"].lower())
    if task_id:
        same("the id of the only task", task["id"], task_id)
    wanted = {
        "type": server.type_of(),
        "status": "processing",
        "worker_id": server.worker(),
        "params": {"n": 1},
    }
    same("what was claimed", {name: task[name] for name in wanted}, wanted)
    same(
        "what no attempt has given yet",
        [task[name] for name in ("completed_at", "result", "error")],
        [None] * 3,
    )


@check()
def times_are_rfc_3339_in_utc(server: Trial) -> None:
    """`created_at` and `claimed_at` are RFC 3339 in UTC, the claim not before the creation."""
    task = server.submit_and_claim()
    created, claimed = (instant(task, name) for name in ("created_at", "claimed_at"))
    holds(created <= claimed, f"the task was claimed at {claimed}, before it was created at {created}")


@check()
def params_come_as_they_were_sent(server: Trial) -> None:
    """Params are handed out as they were sent: any text, numbers, `null`, nested and empty values."""
    server.submit(PARAMS)
    same("the params", server.claimed()["params"], PARAMS)


@check()
def only_types_that_are_asked_for_are_handed_out(server: Trial) -> None:
    """A claim is given tasks of its `task_types` only, and of each of them."""
    server.submit(kind="Other")
    same("a claim of another type", server.claim(), None)
    found = server.claim(kinds=("Some", "Other"))
    holds(found is not None, "a claim of two types was not given the task of the second")


@check()
def a_completed_task_is_done(server: Trial) -> None:
    """`complete` answers 200 `{"status": "success"}`, and the task is not handed out again."""
    task = server.submit_and_claim()
    same("the answer", server.end(task, result={"n": [1, "ž"]}).json(200).get("status"), "success")
    same("a claim after it", server.claim(ANOTHER), None)


@check()
def a_failure_is_taken(server: Trial) -> None:
    """`fail` answers 200 `{"status": "success"}`."""
    server.submit()
    same("the answer", server.end(server.claimed(), "fail").json(200).get("status"), "success")


@check()
def any_json_is_a_result(server: Trial) -> None:
    """`complete` takes any JSON as the result, `null` too."""
    results: tuple[Any, ...] = (None, False, 0, "", [], {"a": {"b": [1.5]}})
    for result in results:
        server.submit()
        server.end(server.claimed(), result=result).json(200)


@check()
def the_end_of_an_unknown_task_is_404(server: Trial) -> None:
    """`complete` and `fail` of a task that never was answer 404, with JSON."""
    for how in ("complete", "fail"):
        server.end({"id": str(uuid.uuid4())}, how).json(404)


@check()
def another_worker_cannot_end_a_task(server: Trial) -> None:
    """`complete` and `fail` under another worker id answer 409, and whoever holds the task still can."""
    task = server.submit_and_claim(ONE)
    for how in ("complete", "fail"):
        server.end(task, how, ANOTHER).json(409)
    server.end(task, worker=ONE).json(200)


@check()
def a_task_that_nobody_holds_cannot_be_ended(server: Trial) -> None:
    """`complete` and `fail` of a task that was not claimed answer 409."""
    task_id = server.submit()
    server.needs("manage")
    for how in ("complete", "fail"):
        server.end({"id": task_id}, how).json(409)


@check()
def a_task_ends_once(server: Trial) -> None:
    """A second `complete` or `fail` of a completed task answers 409."""
    task = server.submit_and_claim()
    server.end(task).json(200)
    for how in ("complete", "fail"):
        server.end(task, how).json(409)


@check()
def one_task_goes_to_one_of_many_claimers(server: Trial) -> None:
    """Of eight claims at the same time one is given the only task."""
    server.submit()
    calls = [lambda name=f"w{number}": server.claim(name) for number in range(CLAIMERS)]
    found = [task for task in server.at_once(*calls) if task is not None] or [server.claimed()]
    same("how many claims were given the only task", len(found), 1)


@check()
def many_tasks_go_to_many_claimers_once_each(server: Trial) -> None:
    """Claims at the same time are given different tasks, and all tasks are handed out."""
    server.submit_many(CLAIMERS)
    calls = [lambda name=f"w{number}": server.claim(name) for number in range(CLAIMERS)]
    found: list[Task] = []
    for _round in range(CLAIMERS):
        found += [task for task in server.at_once(*calls) if task is not None]
        if len(found) >= CLAIMERS:
            break
    same("how many tasks were handed out", (len(found), len(set(ids(found)))), (CLAIMERS, CLAIMERS))


@check()
def a_request_that_makes_no_sense_is_refused(server: Trial) -> None:
    """A claim whose body is no JSON, no object, or lacks a field is answered with 4xx: a worker repeats after 5xx."""
    for data in (b"{", b"[]", b'"text"', b"{}", b'{"worker_id": 1, "task_types": {}}', b'{"worker_id": "w"}'):
        answer = server.post("/tasks/claim", data=data)
        if not 400 <= answer.status < 500:  # noqa: PLR2004
            raise Broken(f"{answer.asked} was answered with {answer.status} {answer.text!r}, not 4xx")


@check(waits=1)
def an_abandoned_task_is_handed_out_again(server: Trial) -> None:
    """A task whose claim ran out is handed out again, and its first holder cannot end it then."""
    first = server.submit_and_claim(ONE)
    same("a claim before that", server.claim(ANOTHER), None)
    server.server.pass_time((server.server.claim_timeout or 0) * 1.02 + 0.2)
    again = server.again(lambda: server.claim(ANOTHER))
    same("the task handed out again", again and again["id"], first["id"])
    server.end(first, worker=ONE).json(409)
    server.end(first, worker=ANOTHER).json(200)


@check(waits=1)
def a_late_end_is_taken_until_the_task_is_claimed_again(server: Trial) -> None:
    """A claim that ran out stays valid until somebody else has the task (R8)."""
    task = server.submit_and_claim()
    server.server.pass_time((server.server.claim_timeout or 0) * 1.02 + 0.2)
    server.end(task).json(200)


def whole(task: Task) -> None:
    """Raises Broken where a task lacks a field."""
    fields = (
        "id",
        "type",
        "status",
        "params",
        "created_at",
        "claimed_at",
        "completed_at",
        "worker_id",
        "result",
        "error",
    )
    same("the fields that the task lacks", [name for name in fields if name not in task], [])


def instant(task: Task, name: str) -> Any:
    """A time of a task.

    Raises:
        Broken: It is none, or not in UTC.
    """
    try:
        found = datetime_from_iso(task[name])
    except (TypeError, ValueError):
        raise Broken(f"{name} is {task[name]!r}, no time of RFC 3339") from None
    same(f"the distance from UTC of {name} {task[name]!r}", found.utcoffset(), timedelta(0))
    return found
