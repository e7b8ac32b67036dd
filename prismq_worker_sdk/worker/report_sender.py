"""One sending of reports: what goes into a call, what its answer means: judged, stored, counted, told (R21, R23)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeAlias

from prismq_worker_sdk.decide import delivery
from prismq_worker_sdk.decide.backoff import REPORTS, SERVER, after_failure, as_asked
from prismq_worker_sdk.decide.delivery import Again, Judgement, Park, Settle
from prismq_worker_sdk.decide.retries import failed_early
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.claim import Claim, TaskKey
from prismq_worker_sdk.model.events import (
    End,
    Event,
    Notice,
    OutcomeCommitted,
    Phase,
    ReportDelayed,
    ReportSettled,
    TaskFailedEarly,
    TaskRef,
)
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import (
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    Rejected,
    ReportAnswer,
    ReportReply,
    Throttled,
    replies_of,
)
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.outbox.store import HoldResult
from prismq_worker_sdk.worker.claim_loop import Claimer, claim_apart
from prismq_worker_sdk.worker.driver import Effect, Reply, Wait, exchange
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.task_path import Arrival, look
from prismq_worker_sdk.worker.traces import delivered

DISK_PAUSE = 1.0
LARGEST_BATCH = 128
"""Reports in one call at most, however many the server takes."""

BATCH_BYTES = 1024 * 1024
"""Bytes in one call, or one report (R23)."""

ENVELOPE_BYTES = 1024
"""Of a report, for what is neither result nor children nor log."""

TIDY_BYTES = 1024 * 1024
"""Bytes of delivered reports that are worth a look at the disk space they leave."""

Judged: TypeAlias = tuple[Report, Judgement, float]
"""A report as it was sent, what becomes of it, and the seconds to its next try where there was no verdict."""

Sending: TypeAlias = Generator[Effect, Reply, Failure | None]
Settling: TypeAlias = Generator[Effect, Reply, Sequence[HoldResult] | None]


class ReportSender:
    """Sends reports for loops that deliver side by side; what it remembers is lost in a crash without harm.

    Attributes:
        in_flight: The tasks whose reports are being sent now: none is reported by two loops at once (R26).
        failures: Replies in a row that were no verdict.
        apart: Whether claims go their own way: reports that do not pass must not keep tasks from coming (R23).
        freed: Bytes of delivered reports whose disk space was not given back yet.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._taking = threading.Lock()
        self._judging = threading.Lock()
        self._batch = LARGEST_BATCH
        self._given = 0
        self._given_at_failure: dict[TaskKey, int] = {}
        self.in_flight: set[str] = set()
        self.failures = 0
        self.apart = False
        self.freed = TIDY_BYTES  # what earlier processes left is not known

    @property
    def most(self) -> int:
        """Reports in one call: all the server takes, fewer after a batch that did not pass (R23)."""
        return max(1, min(self._batch, self._services.can.max_reports))

    def take_due(self, most: int) -> tuple[Report, ...]:
        """The oldest reports that are due and that nobody sends now; as many as go into one call, at most so many."""
        most = min(most, self.most)
        return self.take(lambda: self._services.outbox.due(most + len(self.in_flight)), most)

    def take(self, find: Callable[[], Sequence[Report]], most: int = LARGEST_BATCH) -> tuple[Report, ...]:
        """Reports that go into one call now; they are the caller's until it has sent or landed them.

        Args:
            find: Gives what is to be sent; while it looks, nobody takes or lands anything, so that what it finds was
                not dealt with by another loop meanwhile.
        """
        with self._taking:
            if not (found := find()):
                return ()
            free = [one for one in found if one.identity.task_id not in self.in_flight]
            taken = _within_bytes(free[:most])
            self.in_flight.update(one.identity.task_id for one in taken)
            return taken

    def land(self, reports: Sequence[Report]) -> None:
        """What became of these is known and stored."""
        with self._taking:
            self.in_flight.difference_update(one.identity.task_id for one in reports)

    def send(self, reports: tuple[Report, ...], claimer: Claimer | None = None) -> Sending:
        """Sends reports that were taken, and stores what became of them; a failure on the way to the server.

        Args:
            claimer: Who claims along, where a claim may.
        """
        try:
            return (yield from self._send(reports, claimer))
        finally:
            self.land(reports)

    def _send(self, reports: tuple[Report, ...], claimer: Claimer | None) -> Sending:
        request = None if claimer is None else claimer.prepare(waits=False)
        call = ExchangeRequest(reports=reports)
        if request is not None:
            call = replace(call, claim=request.work, request_id=request.request_id)
        failures = self.failures
        whole = yield from self.exchange(call)
        replies = replies_of(whole, len(reports))
        tasks = whole.tasks if isinstance(whole, ExchangeResponse) else whole
        arrivals: list[Arrival] = []
        arrived = request is not None and isinstance(tasks, tuple)
        if claimer is not None and request is not None and isinstance(tasks, tuple):
            arrivals = claimer.arrived(request, tasks)
            arrivals = look(self._services, arrivals) if arrivals else []
        with self._judging:  # what fails at once in several loops is one failure of the server
            self.failures = min(failures, self.failures)
            judged = self._judged(reports, replies, answered=arrived)
        held = yield from self._settle(judged, [one.claim for one in arrivals if one.holds])
        if claimer is not None and request is not None:
            if isinstance(tasks, tuple):
                claimer.accepted(request, arrivals, held)
            else:
                claimer.failed(request, tasks)
            if not self._services.shared.delivering:
                self._services.wakeups.claim()  # the slots that were kept for this claim may be free again
        if not reports:
            self.failures = 0 if isinstance(whole, ExchangeResponse) else self.failures + 1
            return None if isinstance(whole, ExchangeResponse) else whole
        return next((reply for reply in replies if not isinstance(reply, ReportAnswer)), None)

    def rest_seconds(self, failure: Failure) -> float:
        """How long the whole line rests after a failure; a limit is that of one report's path, not of the line."""
        jitter = self._services.rng.random()
        if _limited(failure):
            return SERVER.seconds(self.failures, jitter)
        return after_failure(failure, self.failures, jitter)

    def exchange(self, call: ExchangeRequest) -> Generator[Effect, Reply, ExchangeReply]:
        """The reply to a call with reports; their claims are over meanwhile where a server knows them by worker id."""
        services, by_worker_id = self._services, [one for one in call.reports if one.identity.token is None]
        spans = services.tracing.delivering(call.reports) if services.tracing is not None else ()
        if by_worker_id:
            services.stale_claims.sending(by_worker_id)
        whole = yield from exchange(services, call)
        if by_worker_id:
            services.stale_claims.answered(by_worker_id, services.clock.monotonic())
        if spans:
            delivered(spans, replies_of(whole, len(spans)))
        return whole

    def _judged(
        self, reports: tuple[Report, ...], replies: tuple[ReportReply, ...], *, answered: bool
    ) -> list[Judged]:
        """What became of each report.

        Args:
            answered: Whether the answer has told already that the server is there.
        """
        batch = len(reports) > 1
        if replies:
            self.apart = any(not isinstance(reply, ReportAnswer) for reply in replies)
        if self.apart:
            claim_apart(self._services)
            self._batch = max(1, len(reports) // 2)
        elif batch:
            self._batch = min(LARGEST_BATCH, 2 * self._batch)
        judged, failures = [], self.failures
        before = failures
        for report, reply in zip(reports, replies, strict=True):
            judgement, retry_in = self.judge(report, reply, before=before, alone=not batch, told=answered)
            answered = isinstance(reply, ReportAnswer | Rejected)
            before = 0 if isinstance(reply, ReportAnswer) else before
            passed = report.passed if batch else self._passed(report, judgement)
            if not isinstance(judgement, Settle):
                report = replace(report, tries=report.tries + 1, passed=passed)  # noqa: PLW2901 - as it was sent
            judged.append((report, judgement, retry_in))
        if failures and not self.failures:
            self._services.wakeups.deliver()
        return judged

    def judge(
        self,
        report: Report,
        reply: ReportReply,
        *,
        before: int | None = None,
        alone: bool = True,
        told: bool = False,
    ) -> tuple[Judgement, float]:
        """What a reply means, and the seconds to the next try where it is no verdict.

        Args:
            before: Failures in a row before its call, where it was one of several: together they are one more.
            alone: Whether the report was the only one of its call.
            told: Whether it is known already that the server has answered.
        """
        status, judgement = self._services.server_status, delivery.judge(report, reply)
        if isinstance(reply, ReportAnswer):
            if reply.notice or reply.failed_at is not None:
                self._tell(report, reply)
            self.failures = 0
            self._given += 1
        else:
            self.failures = (self.failures if before is None else before) + 1
        retry_in = 0.0
        if isinstance(judgement, Again):
            if not alone:  # among many, nobody knows whose trouble it is (R23)
                judgement = replace(judgement, alone=False)
            retry_in = self._retry_in(report, reply, judgement)
        if not isinstance(reply, ReportAnswer | Rejected):
            status.failed(reply, retry_in)
        elif not told:
            status.answered()  # where it is this report that does not pass, the server is not away
        return judgement, retry_in

    def _retry_in(self, report: Report, reply: ReportReply, again: Again) -> float:
        jitter = self._services.rng.random()
        if again.retry_after is not None:
            return as_asked(again.retry_after, jitter, limited=_limited(reply))
        return (
            REPORTS.seconds(report.tries + 1, jitter)
            if again.alone
            else SERVER.seconds(self.failures, jitter)
        )

    def _tell(self, report: Report, reply: ReportAnswer) -> None:
        """What people should know beside a verdict."""
        identity, emit = report.identity, self._services.emit
        if reply.notice:
            emit(Notice("warning", f"task {identity.task_id}: {reply.notice}"))
        most = self._services.config.server_max_attempts
        if reply.failed_at is not None and failed_early(
            reply.failed_at, max_attempts=most, maybe_seen=report.maybe_seen
        ):
            emit(TaskFailedEarly(TaskRef(identity.task_id, identity.task_type, reply.failed_at)))

    def _passed(self, report: Report, judgement: Judgement) -> int:
        """How often this report failed while other reports got a verdict since its last failure.

        Claims that are answered say nothing: a server that can read but not write answers them too.
        """
        fails = isinstance(judgement, Again) and judgement.alone
        if report.number is None or not (fails or self._given_at_failure):
            return 0 if report.number is None else report.passed
        # by its task: the report that takes its place under the next claim is the same one
        task = report.identity.task_key
        if not fails:
            self._given_at_failure.pop(task, None)
            return report.passed
        before = self._given_at_failure.get(task, self._given)
        self._given_at_failure[task] = self._given
        return report.passed + (1 if self._given > before else 0)

    def _settle(self, judged: list[Judged], claims: list[Claim]) -> Settling:
        """Stores what became of each report, and then the claims, in one transaction (R25), as often as the disk needs.

        Gives what the holds gave. Only the first try holds the claims too: after a rest each is looked at anew, and
        None is given for them all.
        """
        services = self._services
        while judged or claims:
            try:
                stored, held = services.outbox.settle_and_hold(judged, claims)
            except OutboxError as error:
                services.emit(Notice("error", str(error)))
                if not judged or services.lifecycle.phase in {Phase.FLUSHING, Phase.STOPPED}:
                    return None
                claims = []
                yield Wait(DISK_PAUSE)
            else:
                self.freed += sum(report.size + ENVELOPE_BYTES for report, _, _ in judged)
                self._book([one for one, changed in zip(judged, stored, strict=True) if changed])
                return held if claims else None
        return None

    def _book(self, judged: Sequence[Judged]) -> None:
        """Counts and tells what became of reports, once that is stored."""
        services = self._services
        settled: Counter[Settlement] = Counter()
        events: list[Event] = []
        for report, judgement, retry_in in judged:
            identity = report.identity
            ref = TaskRef(identity.task_id, identity.task_type, report.attempt, report.trace)
            match judgement:
                case Settle(settlement=settlement, detail=detail):
                    accepted = settlement is Settlement.ACCEPTED and isinstance(report.outcome, Completed)
                    if accepted and identity.token is None:
                        services.stale_claims.accepted(identity, services.clock.monotonic())
                    settled[settlement] += 1
                    events.append(ReportSettled(ref, settlement, detail))
                case Park(detail=detail, replacement=replacement):
                    settled[Settlement.PARKED] += 1
                    events.append(ReportSettled(ref, Settlement.PARKED, detail))
                    if replacement is not None:
                        services.accounting.commit()
                        error, kind = replacement.error, replacement.error_type
                        events.append(OutcomeCommitted(ref, End.FAILED, None, error=error, error_type=kind))
                case Again(reason=reason):
                    events.append(ReportDelayed(ref, reason, retry_in, report.tries))
        for settlement, number in settled.items():
            services.accounting.settle(settlement, number)
        if events:
            services.emit(*events)


def _within_bytes(reports: Sequence[Report]) -> tuple[Report, ...]:
    """The first reports of a line that fit into one call; at least one (R23)."""
    room = BATCH_BYTES
    for place, report in enumerate(reports):
        if (room := room - report.size - ENVELOPE_BYTES) < 0 and place:
            return tuple(reports[:place])
    return tuple(reports)


def _limited(reply: ReportReply) -> bool:
    return isinstance(reply, Throttled) and reply.limited  # it is there, and only counts our requests
