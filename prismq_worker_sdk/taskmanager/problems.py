"""Refusals as RFC 9457 problems."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from prismq_worker_sdk.errors import Fault


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A request that is refused.

    Args:
        detail: One sentence: what and why.
        faults: The fields at fault.
    """

    def __init__(self, status: int, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = faults


def problem_body(problem: Problem) -> dict[str, Any]:
    """The problem as RFC 9457 has it."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.faults:
        body["errors"] = [{"pointer": fault.pointer, "message": fault.message} for fault in problem.faults]
    return body


def answer_problem(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The problem on the wire."""
    body = problem_body(problem)
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")
