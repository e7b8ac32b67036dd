"""One task from its creation to its end, claimed twice on the way: what only a claim can show."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.cli.doctoring.asking import Reply, Server, body_of, get, post, status_of
from prismq_worker_sdk.cli.doctoring.finding import Finding, bad, ok, skip, warn
from prismq_worker_sdk.cli.doctoring.texts import CHARACTER, judge_texts
from prismq_worker_sdk.cli.doctoring.zones import judge_offsets, offset_of
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.protocol import Throttled, Unreachable
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import (
    ApplicationError,
    Success,
    first_item,
    is_empty_queue,
    read,
)
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import task_id
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.reading import detail_of

__all__ = ["PROBE_TYPE", "probe_prismq_client", "probe_v1"]

PROBE_TYPE = "PrismQ.Doctor.Probe"
CHECK = "probe"
REPEATS = 20
"""How often a step is made again that the database rolled back, as a worker would."""

MOST_OLD = 20
"""Tasks of earlier probes that are ended on the way."""


class Stopped(Exception):  # noqa: N818 - the probe ends here
    """A step did not go well; `args` says which and why."""


class Limited(Exception):  # noqa: N818 - as above
    """The server takes no more requests for now."""


@dataclass(slots=True)
class Probe:
    """One probe and what it measured.

    Attributes:
        times: Step → seconds that it took.
    """

    server: Server
    name: str = field(default_factory=lambda: f"prismq-doctor-{secrets.token_hex(4)}")
    times: dict[str, float] = field(default_factory=dict)

    def step(self, what: str, request: Any) -> Reply:
        """The answer to one step; one that the database rolled back is made again."""
        reply = self.server.ask(request)
        self.times.setdefault(what, self.server.last_seconds)
        for _ in range(REPEATS):
            if not _rolled_back(reply):
                break
            reply = self.server.ask(request)
        return reply

    def told(self) -> str:
        """How long the steps took."""
        return ", ".join(f"{what} {duration.text(seconds)}" for what, seconds in self.times.items())


def probe_prismq_client(server: Server, *, php: float | None, claim_timeout: float) -> Iterator[Finding]:
    """Registers the type of probes, then creates, claims twice and completes one task.

    Args:
        php: Seconds that PHP's zone is ahead of UTC, None where it is not known.
        claim_timeout: The server's, as this worker takes it to be.
    """
    probe = Probe(server)
    try:
        number, wanted = _registered(probe), ""
        params = {"nonce": secrets.token_hex(8)}
        wanted = _id(
            _said(
                probe.step("create", post("submit", "tasks", body={"type": PROBE_TYPE, "params": params})),
                "create",
            )
        )
        owner, at = _claimed(probe, number, wanted)
        second = _claim(probe, number, f"{probe.name}/again")
        again = second is not None and second[0] == wanted
        if second is not None and not again:
            _complete(probe, second[0], f"{probe.name}/again")
        shown = _shown(probe, wanted)
        texts = tuple(_texts(probe, wanted, f"{probe.name}/again" if again else owner))
    except Limited as limit:
        yield warn(CHECK, str(limit), "probe again in a minute; a task of it may stay claimed until then")
        return
    except Stopped as stop:
        yield bad(CHECK, str(stop), "see the server's log")
        return
    # the second claim would have written its own time over the first one's
    written = second[1] if again and second is not None else at
    yield judge_offsets(
        database=offset_of(shown.get("claimed_at"), written),
        php=php,
        taken_at_once=again,
        claim_timeout=claim_timeout,
    )
    yield ok(CHECK, f"task {wanted} of {PROBE_TYPE} went all the way: {probe.told()}")
    yield from texts


def probe_v1(server: Server) -> Iterator[Finding]:
    """Creates, claims twice and completes one task, with the calls of the base."""
    probe = Probe(server)
    created = probe.step(
        "create",
        post("submit", "tasks", body={"type": PROBE_TYPE, "params": {"nonce": secrets.token_hex(8)}}),
    )
    if status_of(created) == 403:  # noqa: PLR2004
        yield skip(CHECK, "this key may not create tasks", "probe with a key of scope admin")
        return
    try:
        wanted = _v1_id(_v1_said(created, "create"))
        for _ in range(MOST_OLD):
            claimed = _v1_id(_v1_said(probe.step("claim", _v1_claim(probe.name)), "claim"))
            if claimed == wanted:
                break
            _v1_said(server.ask(_v1_complete(claimed, probe.name)), "complete")
        again = body_of(server.ask(_v1_claim(f"{probe.name}-again"))).get("id")
        owner = probe.name if again != wanted else f"{probe.name}-again"
        _v1_said(probe.step("complete", _v1_complete(wanted, owner)), "complete")
    except Stopped as stop:
        yield bad(CHECK, str(stop), "see the server's log")
        return
    if again == wanted:
        yield bad(
            CHECK,
            "a task that one worker had just claimed was given to a second one",
            "see its claim timeout",
        )
        return
    yield ok(CHECK, f"task {wanted} of {PROBE_TYPE} went all the way: {probe.told()}")


def _registered(probe: Probe) -> int:
    body = {"name": PROBE_TYPE, "version": "1", "param_schema": {"type": "object"}}
    return int(
        _id(_said(probe.step("register", post("publish", "task-types", "register", body=body)), "register"))
    )


def _claimed(probe: Probe, number: int, wanted: str) -> tuple[str, object]:
    """Under which id the task was claimed, and when; what earlier probes left is ended on the way."""
    for turn in range(MOST_OLD):
        owner = f"{probe.name}/{turn}"
        got = _claim(probe, number, owner)
        if got is None:
            break
        if got[0] == wanted:
            return owner, got[1]
        _complete(probe, got[0], owner)
    raise Stopped(f"task {wanted} was created, but a claim did not get it")


def _claim(probe: Probe, number: int, owner: str) -> tuple[str, object] | None:
    """The id of the claimed task and the time of the answer, None where there was none."""
    reply = probe.step(
        "claim", post("claim", "tasks", "claim", body={"worker_id": owner, "task_type_id": number})
    )
    if isinstance(reply, HttpReply) and is_empty_queue(reply):
        return None
    return _id(_said(reply, "claim")), body_of(reply).get("timestamp")


def _complete(probe: Probe, identity: str, owner: str) -> None:
    _said(probe.step("complete", _completion(identity, owner)), "complete")


def _completion(identity: str, owner: str, **more: object) -> HttpRequest:
    body = {"worker_id": owner, "success": True, "result": {"probe": "prismq-worker doctor"}, **more}
    return post("complete", "tasks", identity, "complete", body=body)


def _texts(probe: Probe, identity: str, owner: str) -> Iterator[Finding]:
    """Completes the task, and what that shows of how texts are kept.

    A completion may carry an error text; one that is too long leaves the task claimed where it is refused.
    """
    result = {"probe": "prismq-worker doctor", "character": CHARACTER}
    long = "x" * (MAX_TEXT_BYTES + 1)
    strict = _refused(probe.step("long error", _completion(identity, owner, result=result, error=long)))
    if strict and _refused(probe.step("complete", _completion(identity, owner, result=result))):
        _complete(probe, identity, owner)
        yield from judge_texts(kept=None, strict=True)
        return
    kept = _shown(probe, identity).get("result")
    if isinstance(kept, dict):
        yield from judge_texts(kept=str(kept.get("character")), strict=strict)


def _refused(reply: Reply) -> bool:
    """Whether a completion was refused for its content; anything else must be a good answer."""
    answer = read(reply)
    if isinstance(answer, ApplicationError) and answer.permanently_rejected:
        return True
    _said(reply, "complete")
    return False


def _shown(probe: Probe, identity: str) -> dict[str, Any]:
    return first_item(_read(probe.step("get", get("get", "tasks", identity)))) or {}


def _rolled_back(reply: Reply) -> bool:
    answer = read(reply)
    return isinstance(answer, ApplicationError) and answer.deadlocked


def _read(reply: Reply) -> Success:
    answer = read(reply)
    return answer if isinstance(answer, Success) else Success(None)


def _said(reply: Reply, what: str) -> Any:
    answer = read(reply)
    if isinstance(answer, Success):
        return answer.data
    if isinstance(answer, Throttled):
        raise Limited(f"the step {what!r} has to wait: {answer.reason}")
    reason = getattr(answer, "error", "") or getattr(answer, "reason", "no answer")
    raise Stopped(f"the step {what!r} failed: {reason}")


def _id(data: Any) -> str:
    found = task_id(data.get("id")) if isinstance(data, dict) else None
    if found is None:
        raise Stopped("an answer names no id")
    return found


def _v1_claim(worker: str) -> Any:
    return post("claim", "tasks", "claim", body={"worker_id": worker, "task_types": [PROBE_TYPE]})


def _v1_complete(identity: str, worker: str) -> Any:
    result = {"probe": "prismq-worker doctor"}
    return post("complete", "tasks", identity, "complete", body={"worker_id": worker, "result": result})


def _v1_said(reply: Reply, what: str) -> dict[str, Any]:
    if status_of(reply) in {200, 201} and body_of(reply):
        return body_of(reply)
    reason = reply.reason if isinstance(reply, Unreachable) else f"HTTP {reply.status}, {detail_of(reply)}"
    raise Stopped(f"the step {what!r} failed: {reason}")


def _v1_id(body: dict[str, Any]) -> str:
    found = body.get("id")
    if not isinstance(found, str) or not found:
        raise Stopped("an answer names no id")
    return found
