"""What checks of a server are made of: what they ask, what they know and find, and a task that is tried."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.errors import PrismqError, ServerUnreachable, SettingsError, Unauthorised
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Identity
from prismq_worker_sdk.model.json import first_difference
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
    ServerInfo,
    Throttled,
    Unreachable,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions
from prismq_worker_sdk.wire.messages import HttpAnswer, HttpReply, HttpRequest, Steps, compact_json, perform
from prismq_worker_sdk.wire.producer_backend import ProducerBackend, Submission
from prismq_worker_sdk.wire.reading import KEY_REFUSED, detail_of, strip_surrogates
from prismq_worker_sdk.wire.transport import Timeouts, Transport

T = TypeVar("T")

TIMEOUTS = Timeouts(connect=5.0, default=15.0, calls={"health": 10.0})

LISTING = HttpRequest("list", "GET", ("tasks",), query=(("limit", "20"),))
"""Asks for what a key is needed for; the times in the tasks tell about time zones too."""

WHERE = "TASKMANAGER_API_KEY or TASKMANAGER_API_KEY_FILE"
MAX_NAMED = 3
"""Types that are named in one result."""

PROBE_TYPE = "PrismQ.Doctor.Probe"
RESULT = {"probe": "prismq-worker doctor"}

MAX_REPEATS = 20
"""How often a step is made again that the database rolled back, as a worker would."""

MAX_OLD = 20
"""Tasks of earlier probes that are ended on the way."""


class Level(StrEnum):
    """What a result means: all is well, a worker runs with this, it does not or not rightly, it could not be seen."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found.

    Attributes:
        check: Which check, for example `time zone`.
        remedy: What to do about it, "" for nothing.
    """

    level: Level
    check: str
    text: str
    remedy: str = ""


ok = partial(CheckResult, Level.OK)
warn = partial(CheckResult, Level.WARN)
fail = partial(CheckResult, Level.FAIL)
skip = partial(CheckResult, Level.SKIP)

NO_TYPES = skip("type", "the task types cannot be looked at without a key that is taken")


@dataclass(frozen=True, slots=True)
class Record:
    """A request, its answer, and the seconds between them."""

    request: HttpRequest
    answer: HttpAnswer
    seconds: float


@dataclass(slots=True)
class Recorder:
    """Asks a server, with the key and without, and keeps every answer: later checks read its headers and times."""

    api_url: str
    key: Callable[[], str | None]
    options: ConnectionOptions = NO_OPTIONS
    records: list[Record] = field(default_factory=list)

    def ask(self, request: HttpRequest, *, with_key: bool = True) -> HttpAnswer:
        """The answer to one request."""
        begun = time.perf_counter()
        answer = self._send(request, self.key if with_key else lambda: None)
        self.records.append(Record(request, answer, time.perf_counter() - begun))
        return answer

    def perform(self, steps: Steps[T]) -> T:
        """What a call of a dialect comes to."""
        return perform(steps, self.ask)

    def _send(self, request: HttpRequest, key: Callable[[], str | None]) -> HttpAnswer:
        try:
            transport = Transport(self.api_url, key=key, timeouts=TIMEOUTS, options=self.options)
        except SettingsError as error:  # there is no way to it
            return Unreachable(str(error), maybe_seen=False)
        try:
            return transport.send(request)
        finally:
            transport.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What is known once the server was found.

    Attributes:
        health: The body of its health.
        task_types: The types of the handlers, and the schemas of their params.
        publish: The command that registers them.
        probe: Whether a task may be created and worked on.
        claim_timeout: The server's, as this worker takes it to be, seconds.
    """

    server: Recorder
    found: ServerInfo
    health: Mapping[str, Any]
    has_key: bool
    task_types: Mapping[str, Mapping[str, Any]]
    publish: str
    probe: bool
    claim_timeout: float


def body_of(answer: HttpAnswer) -> dict[str, Any]:
    """The JSON object of an answer, an empty one where there is none."""
    found = answer.json if isinstance(answer, HttpReply) else None
    return found if isinstance(found, dict) else {}


def check_key(context: CheckContext, scoped: HttpRequest | None = None) -> CheckResult:
    """What the key is good for; the health proves nothing.

    Args:
        scoped: A request that changes nothing, and that only keys of workers may make.
    """
    server, reply = context.server, context.server.ask(LISTING)
    if isinstance(reply, Unreachable):
        return fail("key", f"the question about the key got no answer: {reply.reason}", "ask again")
    text = body_of(reply).get("message")  # where there is a title and a text, the text
    words = strip_surrogates(text) if isinstance(text, str) and text else detail_of(reply)
    if reply.status in KEY_REFUSED:
        told = f"(HTTP {reply.status}: {words})"
        if context.has_key:
            return fail("key", f"the server refuses it {told}", f"put the right one into {WHERE}")
        return fail("key", f"the server asks for a key, and none is set {told}", f"set {WHERE}")
    if reply.status == 429:  # noqa: PLR2004
        text = "the limit on requests is used up, so that it was not looked at"
        return warn("key", text, "ask again later")
    if reply.status != 200:  # noqa: PLR2004
        text = f"the list of tasks is answered with HTTP {reply.status}: {words}"
        return fail("key", text, "see its log")
    if not context.has_key:
        return ok("key", "the server asks for none, and none is set")
    if scoped is not None and getattr(server.ask(scoped), "status", 0) in KEY_REFUSED:
        text = "the server knows the key, but it is not one for workers"
        return fail("key", text, "use a key of scope worker")
    if getattr(server.ask(LISTING, with_key=False), "status", 0) == 200:  # noqa: PLR2004
        text = "a key is set, but the server works without one: whoever reaches it can use it"
        return warn("key", text, "set the key there too, or take yours away")
    return ok("key", "the server takes it")


def compare_type(name: str, ours: Any, there: Mapping[str, Any], publish: str) -> CheckResult:
    """Whether a type is registered with the params that its handler takes."""
    place = first_difference(ours, there.get("param_schema"))
    if place is not None:
        text = f"{name} is registered with other params, first at {place or '/'}: the server and the handler disagree"
        return warn("type", text, publish)
    version = there.get("version")
    which = f", version {version}" if isinstance(version, str) and version else ""
    return ok("type", f"{name} is registered with the params that its handler takes{which}")


def not_registered(names: Sequence[str]) -> str:
    """That these types are not registered; as many as there is room for are named."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more} {'is' if len(names) == 1 else 'are'} not registered"


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
    """Takes one task all the way with the codecs of a dialect, claimed twice: what only a claim can show."""

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
