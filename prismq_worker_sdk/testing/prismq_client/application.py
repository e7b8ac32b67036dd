"""From a request to its answer: what stands before the application, its routes, and what it says."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, TypeAlias

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.testing.prismq_client import php, task_types, tasks
from prismq_worker_sdk.testing.prismq_client.call import Answer, Call, Refused, Request
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.store import Store

Headers: TypeAlias = tuple[tuple[str, str], ...]

PREFIX = "/api"
HTML = "text/html; charset=UTF-8"
OPEN = {
    "/openapi.json": Answer(200, '{"openapi":"3.0.0"}'),
    "/docs": Answer(200, "<!doctype html><html><body></body></html>", HTML),
}
SOURCE = "Backend/TaskManager/src/api/TaskController.php"
MEGABYTE = 1024 * 1024
NO_KEY = "Invalid or missing API key. Include X-API-Key header with your request."
BLOCKED = "Your IP address is not allowed to use this API."
SECURITY = (
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Permissions-Policy", "geolocation=(), microphone=(), camera=()"),
)
NOT_HERE = (
    "<!doctype html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1>"
    "<p>The requested resource <code>{path}</code> was not found on this server.</p></body></html>"
)


def health(call: Call) -> dict[str, Any]:
    """GET /health: that the database answers."""
    return {"status": "healthy", "timestamp": int(call.now), "database": "connected"}


ROUTES: tuple[tuple[re.Pattern[str], Callable[[Call], Any]], ...] = tuple(
    (re.compile(route), endpoint)
    for route, endpoint in (
        ("GET /health", health),
        ("POST /task-types/register", task_types.register),
        ("GET /task-types", task_types.list_types),
        ("GET /task-types/([^/]+)", task_types.named),
        ("POST /tasks", tasks.create),
        ("GET /tasks", tasks.list_tasks),
        ("POST /tasks/claim", tasks.claim),
        ("GET /tasks/([^/]+)", tasks.show),
        ("POST /tasks/([^/]+)/progress", tasks.progress),
        ("POST /tasks/([^/]+)/complete", tasks.complete),
    )
)


class Application:
    """What answers requests.

    Attributes:
        deployment: How it is set up; another one may be set at any time, but for its database.
        database_up: Whether the database can be reached; may be set.
    """

    def __init__(self, deployment: PrismqClientDeployment, store: Store, clock: Callable[[], float]) -> None:
        self.deployment = deployment
        self.database_up = True
        self._store = store
        self._clock = clock
        self._aged = 0.0
        self._requests: list[tuple[str, str]] = []
        self._dice = Random(deployment.seed)  # noqa: S311 - repeatable on purpose
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}
        self._windows_lock = threading.Lock()

    @property
    def requests(self) -> tuple[tuple[str, str], ...]:
        """Every request so far, as its method and its path below the prefix, the query left out."""
        return tuple(self._requests)

    def now(self) -> float:
        """The one clock of its rules and of the Date of its answers."""
        return self._clock() + self._aged

    def age(self, seconds: float) -> None:
        """Lets time pass for the server: claims expire, windows end."""
        self._aged += seconds

    def tasks(self) -> list[dict[str, Any]]:
        """Every task by its id, with its `history`: what happened, by whom, at which attempt."""
        return self._store.run(_tasks)

    def switch_type(self, name: str, *, active: bool) -> None:
        """Switches a task type on or off, which nothing over HTTP does."""
        change = "UPDATE task_types SET is_active = ? WHERE folded = ?"
        self._store.run(lambda db: db.execute(change, (active, name.casefold())).rowcount)

    def set_priority(self, task_id: int, priority: int) -> None:
        """Gives a task a priority, which nothing over HTTP does."""
        change = "UPDATE tasks SET priority = ? WHERE id = ?"
        self._store.run(lambda db: db.execute(change, (priority, task_id)).rowcount)

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        self._requests.append((request.method, request.path.removeprefix(PREFIX)))
        slashed = self.deployment.apache and "%2f" in request.path.lower()
        if slashed or not f"{request.path}/".startswith(f"{PREFIX}/"):
            shown = request.path.replace("&", "&amp;").replace("<", "&lt;")
            return Answer(404, NOT_HERE.format(path=shown), HTML)
        if request.method == "OPTIONS":
            return Answer(200, "", HTML)
        # every "/api" is taken out, wherever it stood
        path, now = "/" + request.path.replace(PREFIX, "").strip("/"), self.now()
        if path in OPEN:
            return OPEN[path]
        refused, headers = self._guard(request, path, now)
        said = refused or self._routed(request, path, now)
        return replace(said, headers=said.headers + headers)

    def _guard(self, request: Request, path: str, now: float) -> tuple[Answer | None, Headers]:
        """What the middleware says of a request, None where it may pass; and its headers."""
        deployment, address = self.deployment, client_address(request)
        if address in deployment.blocked:
            return _middleware(403, "Access Denied", BLOCKED, now), ()
        most, stated = deployment.max_request_bytes, request.headers.get("content-length", "")
        if most and stated.isdecimal() and int(stated) > most:
            size = f"{round(most / MEGABYTE, 2):g} MB"
            text = f"Request body exceeds maximum allowed size of {size}"
            return _middleware(413, "Request Too Large", text, now), ()
        over, headers = self._counted(address, path, now)
        if over is not None:
            return over, headers
        if deployment.guarded:
            headers += SECURITY
        given = request.headers.get("x-api-key")
        if deployment.apache and given is not None:
            given = given.strip()
        if path == "/health" or deployment.key is None or given == deployment.key:
            return None, headers
        return _middleware(401, "Unauthorized", NO_KEY, now), headers

    def _counted(self, address: str, path: str, now: float) -> tuple[Answer | None, Headers]:
        limit, window = self.deployment.rate_limit, math.ceil(self.deployment.rate_window)
        if not limit:
            return None, ()
        second = math.floor(now)
        with self._windows_lock:
            start, count = self._windows.get((address, path), (second, 0))
            if second - start > window:
                start, count = second, 0
            self._windows[address, path] = (start, min(count + 1, limit))
        headers = (
            ("X-RateLimit-Limit", str(limit)),
            ("X-RateLimit-Remaining", str(max(0, limit - count - 1))),
            ("X-RateLimit-Reset", str(start + window)),
        )
        if count < limit:
            return None, headers
        wait = start + window - second
        message = f"Rate limit exceeded. Please try again in {wait} seconds."
        more = {"retry_after": wait, "limit": limit, "window": window}
        said = _middleware(429, "Too Many Requests", message, now, more)
        return said, (*headers, ("Retry-After", str(wait)))

    def _routed(self, request: Request, path: str, now: float) -> Answer:
        deployment, warnings = self.deployment, list[str]()
        try:
            data = self._data(request, path, now, warnings)
            said = _written(200, {"success": True, "message": "Success", "data": data, "timestamp": int(now)})
        except Refused as refused:
            details = {"details": list(refused.details)} if refused.details else {}
            told = {"success": False, "error": refused.error, "timestamp": int(now), **details}
            said = _written(refused.status, told)
        except php.PhpTypeError as error:
            fatal = Answer(200, f"\nFatal error: Uncaught TypeError: {error} in {SOURCE}:1\n")
            said = fatal if deployment.display_errors else Answer(500, "")
        if not deployment.display_errors:
            return said
        shown = "".join(f"\nWarning: {text} in {SOURCE} on line 1\n" for text in warnings)
        return replace(said, body=shown + said.body)

    def _data(self, request: Request, path: str, now: float, warnings: list[str]) -> Any:
        wanted = f"{request.method} {path}"
        if not self.database_up:  # the routes are in the database too
            raise Refused(500, "Internal server error")
        found = ((match, endpoint) for route, endpoint in ROUTES if (match := route.fullmatch(wanted)))
        match, endpoint = next(found, (None, None))
        if match is None or endpoint is None:
            raise Refused(404, "Endpoint not found")
        if wanted in self.deployment.switched_off:
            raise Refused(503, "Endpoint is currently disabled")
        argument = "".join(match.groups())
        return self._store.run(
            lambda db: endpoint(Call(request, argument, db, self.deployment, self._dice, now, warnings))
        )


def client_address(request: Request) -> str:
    """Who asks, as the server sees it: what the client says of itself counts."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    named = (request.headers.get("cf-connecting-ip"), forwarded, request.headers.get("x-real-ip"))
    return next((address for address in named if address), request.peer)


def _middleware(
    status: int, error: str, message: str, now: float, more: dict[str, int] | None = None
) -> Answer:
    """An error from before the application: a title, a message, an instant; JSON that is not called so."""
    instant = datetime.fromtimestamp(int(now), UTC).isoformat()
    said = {"error": error, "message": message, **(more or {}), "timestamp": instant}
    return Answer(status, php.encode(said), HTML)


def _written(status: int, said: dict[str, Any]) -> Answer:
    """An answer of the application; an empty body when it nests too deep to be written."""
    text = php.encode(said)
    return Answer(status, "" if php.depth(text) > php.DEPTH else text)


def _tasks(db: sqlite3.Connection) -> list[dict[str, Any]]:
    steps: dict[int, list[dict[str, Any]]] = {}
    for row in db.execute("SELECT task_id, what, worker_id, attempts, message, at FROM history ORDER BY id"):
        step = dict(row)
        steps.setdefault(step.pop("task_id"), []).append(step)
    found = []
    for row in map(dict, db.execute(f"{tasks.SELECT} ORDER BY t.id")):
        read = {name: None if row[name] is None else json.loads(row[name]) for name in ("params", "result")}
        found.append(row | read | {"history": steps.get(row["id"], [])})
    return found
