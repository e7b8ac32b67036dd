"""From a request to its answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from prismq_worker_sdk.testing.prismq_client import php, routes
from prismq_worker_sdk.testing.prismq_client.answers import (
    HTML,
    Answer,
    Refused,
    empty,
    failure,
    not_here,
    success,
)
from prismq_worker_sdk.testing.prismq_client.call import Call, Request
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment
from prismq_worker_sdk.testing.prismq_client.middleware import Guard
from prismq_worker_sdk.testing.prismq_client.store import Store

NO_ENDPOINT = Refused(404, "Endpoint not found")
OPEN = {
    "/openapi.json": Answer(200, '{"openapi":"3.0.0"}'),
    "/docs": Answer(200, "<!doctype html><html><body></body></html>", HTML),
}
SOURCE = "Backend/TaskManager/src/api/TaskController.php"


class Application:
    """What answers requests.

    Attributes:
        deployment: How it is set up; another one may be set.
        database_up: Whether the database can be reached; may be set.
    """

    def __init__(self, deployment: PrismqClientDeployment, store: Store, now: Callable[[], float]) -> None:
        self.deployment = deployment
        self._store = store
        self._now = now
        self._guard = Guard()
        self._dice = Random(deployment.seed)  # noqa: S311 - repeatable on purpose
        self.database_up = True

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        slashed = self.deployment.apache and "%2f" in request.path.lower()
        if slashed or not routes.is_inside(request.path):
            return not_here(request.path)
        if request.method == "OPTIONS":
            return empty(200, HTML)
        path, now = routes.inner_path(request.path), self._now()
        if path in OPEN:
            return OPEN[path]
        checked = self._guard.check(self.deployment, request, path, now)
        if isinstance(checked, Answer):
            return checked
        said = self._routed(request, path, now)
        return replace(said, headers=said.headers + checked.headers)

    def _routed(self, request: Request, path: str, now: float) -> Answer:
        if not self.database_up:  # the routes are in the database too
            return failure(Refused(500, "Internal server error"), now)
        found = routes.find(request.method, path)
        if found is None:
            return failure(NO_ENDPOINT, now)
        if f"{request.method} {path}" in self.deployment.switched_off:
            return failure(Refused(503, "Endpoint is currently disabled"), now)
        return self._carried_out(request, found, now)

    def _carried_out(self, request: Request, found: routes.Found, now: float) -> Answer:
        warnings: list[str] = []

        def operation(db: sqlite3.Connection) -> Any:
            call = Call(request, found.argument, db, self.deployment, self._dice, now, warnings)
            return found.endpoint(call)

        try:
            said = success(self._store.run(operation), now)
        except Refused as refused:
            said = failure(refused, now)
        except php.PhpTypeError as error:
            said = self._fatal(error)
        if not self.deployment.display_errors:
            return said
        shown = "".join(f"\nWarning: {text} in {SOURCE} on line 1\n" for text in warnings)
        return replace(said, body=shown + said.body)

    def _fatal(self, error: php.PhpTypeError) -> Answer:
        if not self.deployment.display_errors:
            return empty(500)
        return Answer(200, f"\nFatal error: Uncaught TypeError: {error} in {SOURCE}:1\n")
