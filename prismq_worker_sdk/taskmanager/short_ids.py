"""Ids of tasks may be cut short by whoever looks: the beginning of one stands for it as long as it is only its own."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from fastapi import Request, Response

from prismq_worker_sdk.taskmanager.app_state import caller_of, state_of
from prismq_worker_sdk.taskmanager.db.statements import Statement
from prismq_worker_sdk.taskmanager.http import Problem, Route

MOST_TOLD = 5
"""Ids that are told where a beginning is of several."""
_SHORT = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,27}")
_BEHIND = "g"
"""Stands behind every character of an id."""
_BEGIN_SO = Statement(
    f"SELECT id, type FROM tasks WHERE id >= :begin AND id < :end ORDER BY id LIMIT {MOST_TOLD + 1}"
)


class TaskRoute(Route):
    """A route of one task, whose id may be cut short."""

    async def respond(self, request: Request, **path: Any) -> Response:
        """The response."""
        return await super().respond(request, **await with_whole_id(request, path))


async def with_whole_id(request: Request, path: dict[str, Any]) -> dict[str, Any]:
    """The path with the whole id of its task.

    Raises:
        Problem: 404 it is the beginning of none, 409 of several.
    """
    begin = path.get("task_id", "")
    if not _SHORT.fullmatch(begin):
        return path
    types = caller_of(request).types
    return {
        **path,
        "task_id": await state_of(request).reader.run(lambda db, _now: whole_id(db, begin, types)),
    }


def whole_id(db: sa.Connection, begin: str, types: Collection[str] | None = None) -> str:
    """The id of the only task whose id begins so.

    Args:
        begin: 8 characters or more.
        types: Tasks of others are not to be seen; None for none of that.

    Raises:
        Problem: 404 there is none, 409 there are several.
    """
    rows = _BEGIN_SO.rows(db, begin=begin, end=begin + _BEHIND)
    found = [row.id for row in rows if types is None or row.type in types]
    if not found:
        raise Problem(404, f"there is no task {begin}")
    if len(found) > 1:
        more = ", …" if len(found) > MOST_TOLD else ""
        told = ", ".join(found[:MOST_TOLD])
        raise Problem(
            409, f"several tasks begin with {begin}: {told}{more}; write more of the one that is meant"
        )
    return str(found[0])
