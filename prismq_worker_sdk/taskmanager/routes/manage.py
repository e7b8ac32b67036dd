"""What producers and operators call (protocol.md, extensions): creating, looking, steering."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response

from prismq_worker_sdk.taskmanager import (
    audit,
    filters,
    lanes,
    pauses,
    producing,
    queries,
    steering,
    views,
    workers,
)
from prismq_worker_sdk.taskmanager.app_state import LOOKS, admitted, caller_of, noted, state_of
from prismq_worker_sdk.taskmanager.callers import Caller
from prismq_worker_sdk.taskmanager.config import Scope
from prismq_worker_sdk.taskmanager.exchange import RUN
from prismq_worker_sdk.taskmanager.filters import walks
from prismq_worker_sdk.taskmanager.http import (
    Problem,
    answer,
    body_of,
    json_text,
    must_be_task_type,
    read,
    takes,
)
from prismq_worker_sdk.taskmanager.messages import NewTask, NewTasks, NewTaskType, TaskFilter
from prismq_worker_sdk.taskmanager.producing import Created
from prismq_worker_sdk.taskmanager.short_ids import TaskRoute

router = APIRouter(tags=["manage"], route_class=TaskRoute)
WORKER = [Depends(admitted(Scope.WORKER, by_type=True))]
PRODUCER = [Depends(admitted(Scope.PRODUCER, by_type=True))]
ANY = [Depends(admitted(*LOOKS, by_type=True))]
WHOLE = [Depends(admitted(*LOOKS))]
ADMIN = [Depends(admitted())]


@router.post("/tasks", dependencies=PRODUCER, openapi_extra=takes(NewTask), status_code=201)
async def create(request: Request) -> Response:
    """Creates a task; 200 with the existing one where its dedupe key is taken."""
    new = await body_of(request, NewTask)
    caller_of(request).must_use([new.type])
    (made,) = await _created(request, [new])
    if isinstance(made, Problem):
        raise made
    return answer(views.task(made.task), 201 if made.is_new else 200)


@router.post("/tasks/batch", dependencies=PRODUCER, openapi_extra=takes(NewTasks))
async def create_many(request: Request) -> Response:
    """Creates many tasks in one transaction; each has an answer of its own, and none of them stops another."""
    asked = (await body_of(request, NewTasks)).tasks
    answers = [_read(one, caller_of(request)) for one in asked]
    fit = [one for one in answers if isinstance(one, NewTask)]
    made = iter(await _created(request, fit) if fit else ())
    shown = (_shown(one if isinstance(one, Problem) else next(made)) for one in answers)
    return answer(f'{{"tasks":[{",".join(shown)}]}}')


@router.get("/tasks", dependencies=ANY)
async def listed(request: Request) -> Response:
    """Tasks, newest first, those of the filter; limit, cursor."""
    wanted, caller = read(TaskFilter, dict(request.query_params)), caller_of(request)
    filters.must_be_seen(wanted, caller)
    look = state_of(request).search if walks(wanted) else state_of(request).look_at_tasks
    rows, cursor = await look(lambda db, _now: queries.listed(db, wanted, caller.types))
    shown = ",".join(views.task(views.columns(row, caller)) for row in rows)
    return answer(f'{{"tasks":[{shown}],"next_cursor":{json_text(cursor)}}}')


@router.get("/tasks/{task_id}", dependencies=ANY)
async def show(request: Request, task_id: str) -> Response:
    """A task with its history, and what was done to it."""
    caller = caller_of(request)

    def look(db: sa.Connection, _now: float) -> tuple[Any, ...]:
        return (
            queries.find(db, task_id, types=caller.types),
            queries.history(db, task_id),
            audit.of_task(db, task_id),
        )

    row, claims, acts = await state_of(request).look_at_tasks(look)
    shown = views.columns(row, caller)
    return answer(views.task_with_history(shown, claims, acts, payloads=caller.sees_payloads))


@router.post("/tasks/{task_id}/cancel", dependencies=ADMIN)
async def cancel(request: Request, task_id: str) -> Response:
    """Fails a pending task at once; asks for the end of a running one."""
    row = await noted(request, lambda db, now: steering.cancel(db, task_id, now), "cancel", "task", task_id)
    return answer(views.task(row._asdict()))


@router.post("/tasks/{task_id}/retry", dependencies=ADMIN)
async def retry(request: Request, task_id: str) -> Response:
    """Makes a failed task pending again."""
    row = await noted(request, lambda db, now: steering.retry(db, task_id, now), "retry", "task", task_id)
    state_of(request).waiting.notify({row.type: 1})
    return answer(views.task(row._asdict()))


@router.put("/task-types/{name}", dependencies=WORKER, openapi_extra=takes(NewTaskType))
async def publish(request: Request, name: str) -> Response:
    """Registers a task type; a change that breaks producers is refused unless it is allowed to."""
    must_be_task_type(name)
    caller_of(request).must_use([name])
    state = state_of(request)
    new = await body_of(request, NewTaskType)
    await state.apart(producing.check_schemas, new)
    caller = caller_of(request)

    def publish(db: sa.Connection, now: float) -> str:
        row = producing.publish(db, name, new, caller, now)
        paused, uses = pauses.standing(db, now).get(name), lanes.uses_of_type(db, name)
        return json_text(views.task_type(row, paused, uses))

    return answer(await state.run(publish))


@router.get("/task-types", dependencies=ANY)
async def types(request: Request) -> Response:
    """The registered task types, and which types are paused."""
    rows, paused, uses = await state_of(request).reader.run(
        lambda db, now: (queries.types(db), pauses.standing(db, now), lanes.all_uses(db))
    )
    may_use = caller_of(request).may_use
    shown = [
        views.task_type(row, paused.get(row.name), uses.get(row.name, []))
        for row in rows
        if may_use(row.name)
    ]
    pausing = [{"name": name, "paused": views.pause(one)} for name, one in paused.items() if may_use(name)]
    return answer(json_text({"task_types": shown, "paused": pausing}))


@router.get("/task-types/{name}", dependencies=ANY)
async def type_named(request: Request, name: str) -> Response:
    """A registered task type."""
    if not caller_of(request).may_use(name):
        raise Problem(404, f"there is no task type {name}")
    row, paused, uses = await state_of(request).reader.run(
        lambda db, now: (
            queries.type_named(db, name),
            pauses.standing(db, now).get(name),
            lanes.uses_of_type(db, name),
        )
    )
    return answer(json_text(views.task_type(row, paused, uses)))


@router.get("/workers", dependencies=WHOLE)
async def workers_listed(request: Request) -> Response:
    """Who is there, what it runs, when it was last heard of."""
    reasons = caller_of(request).sees_payloads

    def look(db: sa.Connection, now: float) -> str:
        return json_text({"workers": [workers.view(one) for one in workers.listed(db, now, reasons=reasons)]})

    return answer(await state_of(request).reader.run(look))


@router.post("/workers/{worker_id:path}/{action}", dependencies=ADMIN)
async def steer(request: Request, worker_id: str, action: str) -> Response:
    """Quiet: no new tasks; resume: tasks again; terminate: end as by a signal."""
    command = {"quiet": "quiet", "resume": RUN, "terminate": "terminate"}.get(action)
    if command is None:
        raise Problem(404, f"a worker can be told quiet, resume or terminate, not {action}")
    await noted(request, lambda db, _now: workers.steer(db, worker_id, command), action, "worker", worker_id)
    state = state_of(request)
    state.waiting.notify_worker(worker_id)
    (found,) = await state.reader.run(lambda db, now: workers.listed(db, now, only=worker_id))
    return answer(json_text(workers.view(found)))


async def _created(request: Request, wanted: list[NewTask]) -> list[Created | Problem]:
    state, types = state_of(request), caller_of(request).types

    def create(db: sa.Connection, now: float) -> list[Created | Problem]:
        if types is not None:
            queries.must_be_of(db, {one.parent_id for one in wanted if one.parent_id}, types)
        return producing.create(db, state.config, wanted, now)

    made = await state.run(create)
    new = (one.task for one in made if isinstance(one, Created) and one.is_new)
    state.waiting.notify(Counter(task["type"] for task in new if task["not_before"] is None))
    return made


def _read(found: Any, caller: Caller) -> NewTask | Problem:
    try:
        new = read(NewTask, found)
        caller.must_use([new.type])
    except Problem as problem:
        return problem
    return new


def _shown(made: Created | Problem) -> str:
    """One answer of a batch."""
    if isinstance(made, Problem):
        return f'{{"status":{made.status},"problem":{made.text()}}}'
    return f'{{"status":{201 if made.is_new else 200},"task":{views.task(made.task)}}}'
