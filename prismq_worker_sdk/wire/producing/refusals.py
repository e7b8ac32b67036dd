"""Why a server of the dialect `prismq-client` took no task: its words as an error, and the fields that they name."""

from __future__ import annotations

import re

from prismq_worker_sdk.errors import Fault, RequestRefused
from prismq_worker_sdk.wire.dialects.prismq_client.answers import Refused
from prismq_worker_sdk.wire.dialects.prismq_client.values import RUN_KEY

__all__ = ["faults_of", "not_created"]

UNKNOWN_TYPE = "Task type not found"

_MISFIT = re.compile(r"Parameter validation failed:\s*")
_NEXT = re.compile(r", (?=(?:Missing|Type|Additional|String|Number|Array|Value|Length|Pattern|Invalid) )")
_PROPERTY = re.compile(r"(Missing|Additional) [a-z ]+: (\S.*)")
_PLACE = re.compile(r"(.+?) at ([^\s:]*)(.*)", re.DOTALL)
_STEP = re.compile(r"[^.\[\]]+")

WORDS = {"Missing": "is missing", "Additional": "is not allowed"}


def not_created(task_type: str, answer: Refused) -> RequestRefused | None:
    """The error for a task that this server will not create; None where it is no matter of this task."""
    if answer.misfit:
        return RequestRefused(_misfit(task_type, answer), status=400, faults=faults_of(answer.error))
    if answer.status == 404 and answer.error == UNKNOWN_TYPE:  # noqa: PLR2004
        return RequestRefused(
            f"the server knows no task type {task_type!r}; register it with `prismq-worker plugins --publish` or "
            "TaskManagerClient.publish",
            status=404,
        )
    if answer.never_fits:
        return RequestRefused(f"the server cannot store this task: {answer.error}", status=answer.status)
    return None


def faults_of(error: str) -> tuple[Fault, ...]:
    """The fields at fault, as far as the server's sentence can be read."""
    said = _MISFIT.match(error)
    pieces = _NEXT.split(error[said.end() :]) if said else []
    return tuple(fault for piece in pieces if (fault := _fault(piece)) is not None)


def _misfit(task_type: str, answer: Refused) -> str:
    if RUN_KEY in answer.error:
        return (
            f"the schema that is registered for {task_type} refuses the property {RUN_KEY}, without which neither "
            "a run_key nor params without entries can be sent; add it there, as `prismq-worker plugins --publish` does"
        )
    named = faults_of(answer.error)
    why = "" if named else f": {answer.error}"
    return f"the params do not fit the schema that is registered for {task_type}{why}"


def _fault(piece: str) -> Fault | None:
    if found := _PROPERTY.match(piece):
        return Fault(_pointer(found[2]), WORDS[found[1]])
    if found := _PLACE.match(piece):
        return Fault(_pointer(found[2]), f"{found[1]}{found[3]}")
    return None


def _pointer(place: str) -> str:
    """A place as the server writes it, such as `a.b[0]`, as JSON pointer."""
    steps = (step.replace("~", "~0").replace("/", "~1") for step in _STEP.findall(place))
    return "".join(f"/{step}" for step in steps)
