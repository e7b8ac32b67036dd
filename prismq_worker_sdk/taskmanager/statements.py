"""The statements that claims and reports are made of, built once: building one costs more than running it.

What a row must still be like is bound by a name that begins with `the_`; what is set are the other names of the
parameters, so one update serves every set of columns.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from prismq_worker_sdk.taskmanager.tables import claims, task_types, tasks, workers

__all__ = [
    "CANCEL_PENDING",
    "CANCEL_RUNNING",
    "CLOSE_CLAIM",
    "CONFIRMED",
    "DROP_CLAIM",
    "END_OF_CLAIM",
    "EXPIRED",
    "FIRST_EXPIRY",
    "GRANTED",
    "HELD",
    "NEW_CLAIM",
    "NEW_TASK",
    "NEW_WORKER",
    "OF_CLAIM",
    "OF_WORKER",
    "OVER",
    "PENDING",
    "STILL_HELD",
    "TAKE",
    "TASK",
    "TASK_TYPE",
    "TWIN_CHILD",
    "UNFINISHED_TWIN",
    "WANTED_OF",
    "WORKER_SEEN",
]

_FIRST = (tasks.c.priority.desc(), tasks.c.seq)
_UNDER_A_TOKEN = sa.select(tasks, claims.c.token, claims.c.attempt).join(claims, tasks.c.claim == claims.c.id)
_UNFINISHED_CLAIM = sa.or_(claims.c.verdict.is_(None), claims.c.verdict == "expired")

TASK = sa.select(tasks).where(tasks.c.id == bindparam("the_id"))

NEW_TASK = tasks.insert()
TASK_TYPE = sa.select(task_types).where(task_types.c.name == bindparam("the_name"))

_TWIN = (
    sa.select(tasks)
    .where(tasks.c.dedupe_key == bindparam("the_key"), tasks.c.type == bindparam("the_type"))
    .order_by(tasks.c.seq.desc())
    .limit(1)
)
UNFINISHED_TWIN = _TWIN.where(tasks.c.status.in_(("pending", "processing")))
TWIN_CHILD = _TWIN.where(tasks.c.parent_id == bindparam("the_parent"))

OVER = sa.select(tasks).where(
    tasks.c.status == "processing",
    tasks.c.claim_expires_at <= bindparam("now"),
    sa.or_(tasks.c.cancel_asked == 1, tasks.c.attempts >= tasks.c.max_attempts),
)
"""Tasks whose claim ran out and that nobody may have again."""

FIRST_EXPIRY = sa.select(sa.func.min(tasks.c.claim_expires_at)).where(tasks.c.status == "processing")

EXPIRED = (
    sa.select(tasks)
    .where(
        tasks.c.status == "processing",
        tasks.c.claim_expires_at <= bindparam("now"),
        tasks.c.type.in_(bindparam("types", expanding=True)),
    )
    .order_by(*_FIRST)
    .limit(bindparam("most"))
)
"""Tasks whose claim ran out, in the order of handing out."""

PENDING = (
    sa.select(tasks)
    .where(
        tasks.c.status == "pending",
        tasks.c.type.in_(bindparam("types", expanding=True)),
        sa.or_(tasks.c.not_before.is_(None), tasks.c.not_before <= bindparam("now")),
    )
    .order_by(*_FIRST)
    .limit(bindparam("most"))
)
"""Tasks that wait and whose time has come, in the order of handing out."""

TAKE = tasks.update().where(
    tasks.c.id == bindparam("the_id"),
    tasks.c.status == bindparam("the_status"),
    tasks.c.claim.is_not_distinct_from(bindparam("the_claim")),
)
"""Of a task as it was found, claimed or not."""

OF_CLAIM = tasks.update().where(tasks.c.id == bindparam("the_id"), tasks.c.claim == bindparam("the_claim"))
"""Of a task while this is its claim."""

OF_WORKER = tasks.update().where(
    tasks.c.id == bindparam("the_id"),
    tasks.c.status == bindparam("the_status"),
    tasks.c.worker_id == bindparam("the_worker"),
    tasks.c.claim == bindparam("the_claim"),
)
"""Of a task as it was found, while this worker has it."""

CANCEL_PENDING = tasks.update().where(tasks.c.id == bindparam("the_id"), tasks.c.status == "pending")
CANCEL_RUNNING = tasks.update().where(tasks.c.id == bindparam("the_id"), tasks.c.status == "processing")

NEW_CLAIM = claims.insert()
DROP_CLAIM = claims.delete().where(claims.c.id == bindparam("the_claim"))
CONFIRMED = sa.select(claims.c.confirmed).where(claims.c.id == bindparam("the_claim"))
END_OF_CLAIM = claims.update().where(claims.c.id == bindparam("the_claim"))
CLOSE_CLAIM = END_OF_CLAIM.where(_UNFINISHED_CLAIM)
"""Of a claim that nothing but its expiry has ended."""

GRANTED = _UNDER_A_TOKEN.where(tasks.c.id.in_(bindparam("ids", expanding=True))).order_by(*_FIRST)
"""Tasks with the token and the attempt of their claim, in the order of handing out."""

STILL_HELD = _UNDER_A_TOKEN.where(
    claims.c.request_id == bindparam("request_id"),
    claims.c.worker_id == bindparam("worker_id"),
    tasks.c.status == "processing",
    tasks.c.claim_expires_at > bindparam("now"),
).order_by(tasks.c.seq)
"""The same, for what a request was given and still holds (R6)."""

HELD = (
    sa.select(tasks, claims.c.id.label("held"), claims.c.confirmed, claims.c.outcome)
    .join(claims, claims.c.task_id == tasks.c.id)
    .where(claims.c.token == bindparam("token"), claims.c.task_id == bindparam("the_id"))
)
"""A claim by its token, with its task as it is now."""

WANTED_OF = sa.select(workers.c.wanted).where(workers.c.worker_id == bindparam("the_worker"))
WORKER_SEEN = workers.update().where(workers.c.worker_id == bindparam("the_worker"))
NEW_WORKER = workers.insert()
