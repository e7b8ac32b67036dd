"""What the server answers: the envelope of the application, and the plainer words of its middleware."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.testing.prismq_client import php

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a text, with the headers that other answers do not have."""

    status: int
    body: str
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):  # noqa: N818 - the server's word for it
    """The application says no; rolls back what was begun, unless that was not in a transaction.

    Attributes:
        keeps: Whether what was written before stays.
    """

    def __init__(
        self, status: int, error: str, details: tuple[str, ...] = (), *, keeps: bool = False
    ) -> None:
        super().__init__(error)
        self.keeps = keeps
        self.status = status
        self.error = error
        self.details = details


def sql_error(text: str, *, keeps: bool = False) -> Refused:
    """An error of the database, told to whoever asked."""
    return Refused(500, f"SQLSTATE{text}", keeps=keeps)


def success(data: Any, now: float) -> Answer:
    """200 with the data in its envelope; an empty body when it nests too deep to be written."""
    return _written(200, {"success": True, "message": "Success", "data": data, "timestamp": int(now)})


def failure(refused: Refused, now: float) -> Answer:
    """The error of the application; with details when fields were wrong."""
    said: dict[str, Any] = {"success": False, "error": refused.error, "timestamp": int(now)}
    if refused.details:
        said["details"] = list(refused.details)
    return _written(refused.status, said)


def middleware(status: int, error: str, message: str, now: float, **more: Any) -> Answer:
    """An error from before the application: a title, a message, an instant; JSON that is not called so."""
    instant = datetime.fromtimestamp(int(now), UTC).isoformat()
    said = {"error": error, "message": message, **more, "timestamp": instant}
    return Answer(status, php.encode(said), HTML)


def empty(status: int, content_type: str = JSON) -> Answer:
    """A status without a text."""
    return Answer(status, "", content_type)


def not_here(path: str) -> Answer:
    """The page of the web server for what is not the application's."""
    page = f"<!doctype html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1>{HERE}</body></html>"
    return Answer(404, page.format(path=path.replace("&", "&amp;").replace("<", "&lt;")), HTML)


HERE = "<p>The requested resource <code>{path}</code> was not found on this server.</p>"


def _written(status: int, said: dict[str, Any]) -> Answer:
    text = php.encode(said)
    return Answer(status, "" if php.depth(text) > php.DEPTH else text)
