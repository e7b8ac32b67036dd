"""The bundle manage: creating tasks, looking at them, task types, numbers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from prismq_worker_sdk.testing.conformance.base import PARAMS, instant, whole
from prismq_worker_sdk.testing.conformance.checks import bundle, has, holds, same
from prismq_worker_sdk.testing.conformance.talk import Answer
from prismq_worker_sdk.testing.conformance.trial import Task, Trial, ids

check = bundle("manage")
SCHEMA = {
    "type": "object",
    "required": ["q"],
    "properties": {"q": {"type": "string"}, "n": {"type": "integer", "maximum": 9}},
    "additionalProperties": False,
}


@check()
def a_created_task_is_pending(server: Trial) -> None:
    """`POST /tasks` answers 201 with the task, pending, with its params and hints."""
    wanted = {"type": server.type_of(), "params": PARAMS, "priority": 3, "max_attempts": 2}
    task = server.post("/tasks", wanted).json(201)
    whole(task)
    has("the task", task, wanted)
    same("its state", [task[name] for name in ("status", "claimed_at", "worker_id")], ["pending", None, None])
    instant(task, "created_at")
    same("what is shown of it", server.show(task)["params"], PARAMS)


@check()
def a_task_shows_its_life(server: Trial) -> None:
    """`GET /tasks/{id}` shows a task with its result, and one entry for each claim in `history`."""
    server.submit()
    server.end(server.claimed(), result={"n": 1}).json(200)
    task = server.show(server.get(f"/tasks?type={server.type_of()}").json(200)["tasks"][0])
    same("its state", (task["status"], task["result"]), ("completed", {"n": 1}))
    instant(task, "completed_at")
    (claim,) = task["history"]
    wanted = {"attempt": 1, "worker_id": server.worker(), "verdict": "completed"}
    has("its claim", claim, wanted)


@check()
def what_is_unknown_is_404(server: Trial) -> None:
    """A task, a task type and a worker that are not there are 404, as a problem (RFC 9457)."""
    for path in (f"/tasks/{uuid.uuid4()}", f"/task-types/{server.type_of()}"):
        server.get(path).problem(404)


@check()
def a_task_that_makes_no_sense_is_refused(server: Trial) -> None:
    """A task without type, with a wrong name, priority or field is 422: one entry a fault, with a JSON pointer."""
    for body, pointer in (
        ({}, "/type"),
        ({"type": "no name!"}, "/type"),
        ({"type": server.type_of(), "priority": "high"}, "/priority"),
        ({"type": server.type_of(), "max_attempts": 0}, "/max_attempts"),
        ({"type": server.type_of(), "colour": "red"}, "/colour"),
    ):
        same(f"the fields at fault of {body}", _pointers(server.post("/tasks", body)), [pointer])


@check()
def params_that_are_too_large_are_refused(server: Trial) -> None:
    """Params above 1 MiB are 413, or 422."""
    body = {"type": server.type_of(), "params": {"x": "a" * 1024 * 1024}}
    server.post("/tasks", body, longer=30).problem(413, 422)


@check()
def params_are_held_to_the_schema_of_their_type(server: Trial) -> None:
    """Params that do not fit the registered schema are 422: one entry for each fault, with a JSON pointer."""
    _publish(server, SCHEMA).json(200)
    server.submit({"q": "x", "n": 9})
    wrong = server.post("/tasks", {"type": server.type_of(), "params": {"q": 1, "n": 10}})
    same("the fields at fault", sorted(_pointers(wrong)), ["/n", "/q"])
    holds(_pointers(server.post("/tasks", {"type": server.type_of(), "params": {}})), "no field is at fault")


@check()
def a_dedupe_key_is_taken_while_its_task_is_unfinished(server: Trial) -> None:
    """A second task with the same `dedupe_key` is 200 with the first, pending or claimed; after its end it is 201."""
    task = server.post("/tasks", _keyed(server)).json(201)
    same("the second one", server.post("/tasks", _keyed(server)).json(200)["id"], task["id"])
    server.claimed()
    same("the third one", server.post("/tasks", _keyed(server)).json(200)["id"], task["id"])
    server.end(task).json(200)
    server.post("/tasks", _keyed(server)).json(201)


@check()
def a_dedupe_key_is_of_its_type(server: Trial) -> None:
    """The same `dedupe_key` of another type is another task; keys are compared as they are written."""
    made = [
        server.post("/tasks", {**_keyed(server), **more}).json(201)["id"]
        for more in ({}, {"type": server.type_of("Other")}, {"dedupe_key": "K"}, {"dedupe_key": "k "})
    ]
    same("different tasks", len(set(made)), 4)


@check()
def a_dedupe_key_with_a_parent_is_taken_for_ever(server: Trial) -> None:
    """With `parent_id` a `dedupe_key` is taken for ever: after its end the task is still 200 (R22)."""
    wanted = {**_keyed(server), "parent_id": str(uuid.uuid4())}
    task = server.post("/tasks", wanted).json(201)
    server.end(server.claimed()).json(200)
    same("the second one", server.post("/tasks", wanted).json(200)["id"], task["id"])
    server.post("/tasks", {**wanted, "parent_id": str(uuid.uuid4())}).json(201)


@check()
def one_dedupe_key_is_one_task_however_many_come_at_once(server: Trial) -> None:
    """Of eight tasks at the same time with the same `dedupe_key` one is created."""
    answers = server.at_once(*[lambda: server.post("/tasks", _keyed(server)) for _ in range(8)])
    made = [answer.json(200, 201)["id"] for answer in answers]
    same("tasks, and how many were answered 201", (len(set(made)), _statuses(answers).count(201)), (1, 1))


@check()
def a_higher_priority_is_handed_out_first(server: Trial) -> None:
    """Of the tasks of a type the one of the highest `priority` is handed out first, then the oldest."""
    made = [server.submit(priority=priority) for priority in (0, -1, 5, 0)]
    order = [server.claimed()["id"] for _ in made]
    same("the order, by number of the task", [made.index(one) for one in order], [2, 0, 3, 1])


@check()
def a_task_with_a_delay_waits(server: Trial) -> None:
    """A task with `delay_seconds` shows `not_before`, and is handed out after it only."""
    task_id = server.submit(delay_seconds=2)
    instant(server.show(task_id), "not_before")
    same("a claim within the delay", server.claim(), None)
    server.server.pass_time(2.2)
    holds(server.again(server.claim), "the task was not handed out after its delay")


@check()
def the_last_attempt_is_the_last(server: Trial) -> None:
    """A task fails for good with its `max_attempts`-th attempt."""
    task_id = server.submit(max_attempts=1)
    server.end(server.claimed(), "fail", error="broke").json(200)
    task = server.show(task_id)
    same("its state", (task["status"], task["error"]), ("failed", "broke"))


@check(needs=("exchange",))
def a_released_task_has_all_its_attempts(server: Trial) -> None:
    """A release costs no attempt, not the last one either."""
    server.submit(max_attempts=1)
    same("the verdict", server.report(server.taken(), "released"), "accepted")
    same("tasks for the next claim", len(server.again(lambda: server.take(1))), 1)


@check(needs=("exchange",))
def progress_is_shown(server: Trial) -> None:
    """Progress, message and checkpoint of a renewal are shown with the task."""
    task = server.submit_and_take()
    said: dict[str, Any] = {"progress": 40, "message": "page ž", "checkpoint": {"page": 1}}
    same("the renewal", server.renew(task, **said), "renewed")
    shown = server.show(task)
    has("what is shown", shown, said)


@check(needs=("exchange",))
def children_know_their_parent(server: Trial) -> None:
    """The children of a report bear the id of their parent, and their keys are taken for ever (R22)."""
    task = server.submit_and_take()
    child = {"key": "c", "type": server.type_of("Child"), "params": {"n": 1}}
    same("the verdict", server.report(task, result=1, children=[child]), "accepted")
    (made,) = server.get(f"/tasks?type={server.type_of('Child')}").json(200)["tasks"]
    same("the parent of the child", made["parent_id"], task["id"])
    server.end(_claimed(server, "Child")).json(200)
    again = {"type": server.type_of("Child"), "dedupe_key": "c", "parent_id": task["id"]}
    same("the task of its key, after its end", server.post("/tasks", again).json(200)["id"], made["id"])


@check()
def tasks_are_listed_newest_first(server: Trial) -> None:
    """`GET /tasks` lists the tasks of a type, the newest first."""
    made = [server.submit({"n": number}) for number in range(3)]
    same("the list", ids(listed(server)), made[::-1])


@check()
def tasks_are_found_by_what_they_are(server: Trial) -> None:
    """`GET /tasks` finds by `status`, `worker_id` and `q`, each with the type; a status that is none is 422."""
    one, two = server.submit({"word": "quince"}), server.submit({"word": "medlar"})
    task = server.claimed()
    same("the one that is processing", ids(listed(server, status="processing")), [task["id"]])
    same(
        "the one that is pending", ids(listed(server, status="pending")), [two if task["id"] == one else one]
    )
    same("those of this worker", ids(listed(server, worker_id=server.worker())), [task["id"]])
    same("those with a word", ids(listed(server, q="medlar")), [two])
    same("those with a sign that stands for anything", ids(listed(server, q="%")), [])
    server.get("/tasks?status=lost").problem(422)


@check()
def pages_hold_every_task_once(server: Trial) -> None:
    """`limit` and `cursor` walk through all tasks, each once; one that comes meanwhile shifts nothing."""
    made = [server.submit({"n": number}) for number in range(5)]
    pages = _pages(server, 2)
    found = next(pages)
    server.submit({"n": "meanwhile"})
    for page in pages:
        found += page
    same(
        "the tasks of all pages, by number",
        [made.index(one) for one in found if one in made],
        [4, 3, 2, 1, 0],
    )
    same("how many tasks were listed", len(found), 5)


@check()
def a_cursor_that_is_none_is_refused(server: Trial) -> None:
    """A cursor that the server did not make, and a limit of 0, are 422."""
    for query in ("cursor=nonsense", "limit=0", "limit=many"):
        server.get(f"/tasks?{query}").problem(422)


@check()
def a_task_type_is_registered(server: Trial) -> None:
    """`PUT /task-types/{name}` registers a type; it is shown with its schema, and listed."""
    _publish(server, SCHEMA).json(200)
    found = server.get(f"/task-types/{server.type_of()}").json(200)
    wanted = {"name": server.type_of(), "version": "1", "param_schema": SCHEMA}
    has("the type", found, wanted)
    listed = server.get("/task-types").json(200)["task_types"]
    holds(server.type_of() in [one["name"] for one in listed], "the type is not listed")


@check()
def a_schema_that_is_none_is_refused(server: Trial) -> None:
    """A `param_schema` that is no JSON Schema, and a name that is no task type, are 422."""
    _publish(server, {"type": "nonsense"}).problem(422)
    server.ask("PUT", "/task-types/no%20name", {"version": "1", "param_schema": {}}).problem(422)


@check()
def a_breaking_change_is_refused(server: Trial) -> None:
    """A schema under which params of before may fail is 409, and 200 with `allow_breaking`; a harmless one is 200."""
    _publish(server, SCHEMA).json(200)
    properties = {**SCHEMA["properties"], "more": {"type": "string"}}  # type: ignore[dict-item]
    harmless = {**SCHEMA, "properties": properties}
    _publish(server, harmless).json(200)
    for breaking in (
        {**harmless, "required": ["q", "more"]},
        {**harmless, "properties": {"q": {"type": "integer"}}},
    ):
        _publish(server, breaking).problem(409)
    same(
        "the schema after that",
        server.get(f"/task-types/{server.type_of()}").json(200)["param_schema"],
        harmless,
    )
    _publish(server, {**harmless, "required": ["q", "more"]}, allow_breaking=True).json(200)


@check()
def numbers_of_each_type_are_told(server: Trial) -> None:
    """`GET /stats` counts the tasks of each type by status, with the age of the oldest that is pending."""
    server.submit_many(3)
    server.end(server.claimed()).json(200)
    server.claimed()
    server.server.pass_time(0.1)
    found = server.get("/stats").json(200)["types"][server.type_of()]
    wanted = {"pending": 1, "processing": 1, "completed": 1, "failed": 0, "completed_last_hour": 1}
    has("the numbers", found, wanted)
    holds(
        found["oldest_pending_seconds"] > 0, f"the oldest task waits for {found['oldest_pending_seconds']} s"
    )


def listed(server: Trial, **query: str) -> list[Task]:
    """The tasks of a check's type that fit a query, as the server lists them."""
    found: list[Task] = server.get(f"/tasks?{urlencode({'type': server.type_of(), **query})}").json(200)[
        "tasks"
    ]
    return found


def _keyed(server: Trial) -> dict[str, Any]:
    return {"type": server.type_of(), "dedupe_key": "k"}


def _claimed(server: Trial, kind: str) -> Task:
    found = server.claim(kinds=(kind,))
    holds(found, "a task that waits was not handed out")
    return found or {}


def _publish(server: Trial, schema: dict[str, Any], **more: Any) -> Answer:
    body = {"version": "1", "param_schema": schema, **more}
    return server.ask("PUT", f"/task-types/{server.type_of()}", body)


def _pages(server: Trial, limit: int) -> Iterator[list[str]]:
    query: dict[str, Any] = {"type": server.type_of(), "limit": limit}
    for _page in range(20):
        found = server.get(f"/tasks?{urlencode(query)}").json(200)
        yield ids(found["tasks"])
        if found["next_cursor"] is None:
            return
        query["cursor"] = found["next_cursor"]


def _pointers(answer: Answer) -> list[str]:
    return [fault["pointer"] for fault in answer.problem(422).get("errors", [])]


def _statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]
