"""A task from its creation to its end, claimed twice on the way: what only a claim can show of a server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from prismq_worker_sdk.errors import PrismqError, ServerUnreachable, Unauthorised
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import (
    ClaimWork,
    Conflict,
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    Grant,
    Rejected,
    ReportAnswer,
    Throttled,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.wire.checks import CheckResult, Recorder, fail, ok, skip, warn
from prismq_worker_sdk.wire.messages import HttpAnswer, Steps, compact_json
from prismq_worker_sdk.wire.producer_backend import ProducerBackend, Submission

T = TypeVar("T")

PROBE_TYPE = "PrismQ.Doctor.Probe"
RESULT = {"probe": "prismq-worker doctor"}

MAX_REPEATS = 20
"""How often a step is made again that the database rolled back, as a worker would."""

MAX_OLD = 20
"""Tasks of earlier probes that are ended on the way."""


class StepFailed(Exception):  # noqa: N818 - the probe ends here
    """A step did not go well; the text says which and why."""


class Limited(Exception):  # noqa: N818 - as above
    """The server takes no more requests for now."""


@dataclass(frozen=True, slots=True)
class Held:
    """A task that was claimed, and the answer that handed it out."""

    identity: Identity
    answer: HttpAnswer


class Probe:
    """Takes one task all the way with the codecs of a dialect."""

    def __init__(
        self,
        server: Recorder,
        dialect: str,
        producer: ProducerBackend,
        exchange: Callable[[ExchangeRequest], Steps[ExchangeReply]],
    ) -> None:
        self._server, self._dialect = server, dialect
        self._producer, self._exchange = producer, exchange
        self._worker, self._claims = f"prismq-doctor-{secrets.token_hex(4)}", 0
        self._times: dict[str, float] = {}

    def take(self) -> tuple[Held, Held | None]:
        """A new task, claimed; and the same claimed once more, where the server hands it out again."""
        wanted = Submission(task_type=PROBE_TYPE, params={"nonce": secrets.token_hex(8)})
        task_id = self.step("create", lambda: self._producer.submit(wanted)).task.id
        for _ in range(MAX_OLD):
            first = self._claim()
            if first is None:
                break
            if first.identity.task_id == task_id:
                second = self._claim()
                if second is None or second.identity.task_id == task_id:
                    return first, second
                self.complete(second)
                return first, None
            self.complete(first)
        raise StepFailed(f"task {task_id} was created, but a claim did not get it")

    def complete(self, held: Held, result: object = RESULT) -> bool:
        """Completes a task; whether the server takes the result, or refuses it for ever."""
        report = Report(None, held.identity, Completed(compact_json(result)))
        (reply,) = self._exchanged("complete", ExchangeRequest(reports=(report,))).reports
        if isinstance(reply, ReportAnswer) and reply.verdict in {Verdict.ACCEPTED, Verdict.REFUSED}:
            return reply.verdict is Verdict.ACCEPTED
        raise StepFailed(f"the step 'complete' failed: {getattr(reply, 'detail', '')}")

    def went_well(self, held: Held) -> CheckResult:
        """That the task went all the way, and how long the first try of each step took."""
        times = ", ".join(f"{what} {duration.text(seconds)}" for what, seconds in self._times.items())
        return ok("probe", f"task {held.identity.task_id} of {PROBE_TYPE} went all the way: {times}")

    def step(self, what: str, call: Callable[[], Steps[T]]) -> T:
        """What one step comes to, made again where the database rolled it back.

        Raises:
            StepFailed: It does not go well.
            Limited: The server takes no more requests for now.
            Unauthorised: The key is not good for it.
        """
        repeats = MAX_REPEATS
        while True:
            try:
                found = self._server.perform(call())
            except Unauthorised:
                raise
            except PrismqError as error:
                if isinstance(error, ServerUnreachable) and error.retry_after is not None:
                    raise Limited(f"the step {what!r} has to wait: {error}") from None
                raise StepFailed(f"the step {what!r} failed: {error}") from None
            self._times.setdefault(what, self._server.records[-1].seconds)
            match _failure(found):
                case None:
                    return found
                case Throttled(reason=reason):
                    raise Limited(f"the step {what!r} has to wait: {reason}")
                case Conflict() | Rejected(status=500) if repeats:
                    repeats -= 1
                case failure:
                    raise StepFailed(f"the step {what!r} failed: {failure.reason}")

    def _claim(self) -> Held | None:
        """The task that a claim of one more worker gets, None where there is none."""
        self._claims += 1
        worker = f"{self._worker}-{self._claims}"
        request = ExchangeRequest(
            claim=ClaimWork(worker, (PROBE_TYPE,)), worker_id=worker, request_id=str(self._claims)
        )
        tasks = self._exchanged("claim", request).tasks
        if isinstance(tasks, Failure) or not tasks:
            return None
        if not isinstance(tasks[0], Grant):
            raise StepFailed(f"the step 'claim' failed: its task cannot be read: {tasks[0].reason}")
        task, token = tasks[0].task, tasks[0].token
        identity = Identity(self._server.api_url, self._dialect, task.id, task.type, "", worker, token)
        return Held(identity, self._server.records[-1].answer)

    def _exchanged(self, what: str, request: ExchangeRequest) -> ExchangeResponse:
        answer = self.step(what, lambda: self._exchange(request))
        return answer if isinstance(answer, ExchangeResponse) else ExchangeResponse()


def probed(results: Callable[[], Iterable[CheckResult]]) -> Iterator[CheckResult]:
    """The results of a probe, or where it ended."""
    try:
        yield from list(results())
    except Limited as limit:
        yield warn("probe", str(limit), "probe again in a minute; a task of it may stay claimed until then")
    except StepFailed as stop:
        yield fail("probe", str(stop), "see the server's log")
    except Unauthorised:
        yield skip("probe", "this key may not create tasks", "probe with a key of scope admin")


def _failure(found: object) -> Failure | None:
    """Why a step came to nothing; None when it went well."""
    parts = [found.tasks, *found.reports] if isinstance(found, ExchangeResponse) else [found]
    return next((part for part in parts if isinstance(part, Failure)), None)
