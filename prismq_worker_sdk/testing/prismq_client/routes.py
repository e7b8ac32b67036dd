"""The routes, and what a path becomes before it is looked up."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from prismq_worker_sdk.testing.prismq_client import task_types, tasks
from prismq_worker_sdk.testing.prismq_client.call import Call

PREFIX = "/api"
Endpoint: TypeAlias = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The endpoint of a request, and what its path says for the place-holder."""

    endpoint: Endpoint
    argument: str = ""


EXACT: dict[str, Endpoint] = {
    "GET /health": tasks.health,
    "POST /task-types/register": task_types.register,
    "GET /task-types": task_types.list_types,
    "POST /tasks": tasks.create,
    "GET /tasks": tasks.list_tasks,
    "POST /tasks/claim": tasks.claim,
}
PATTERNS: tuple[tuple[re.Pattern[str], Endpoint], ...] = (
    (re.compile(r"GET /task-types/([^/]+)"), task_types.named),
    (re.compile(r"GET /tasks/([^/]+)"), tasks.show),
    (re.compile(r"POST /tasks/([^/]+)/progress"), tasks.progress),
    (re.compile(r"POST /tasks/([^/]+)/complete"), tasks.complete),
)


def is_inside(path: str) -> bool:
    """Whether the web server gives the path to the application."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def inner_path(path: str) -> str:
    """The path as the application looks it up: every `/api` in it is gone, wherever it stood."""
    return "/" + path.replace(PREFIX, "").strip("/")


def find(method: str, path: str) -> Found | None:
    """The endpoint for a method and an inner path."""
    wanted = f"{method} {path}"
    if wanted in EXACT:
        return Found(EXACT[wanted])
    for pattern, endpoint in PATTERNS:
        if match := pattern.fullmatch(wanted):
            return Found(endpoint, match[1])
    return None
