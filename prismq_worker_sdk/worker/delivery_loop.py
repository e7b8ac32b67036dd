"""The delivery loop: sends committed outcomes, oldest first, until the server gives a verdict (R21, R23)."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace

from prismq_worker_sdk.decide.delivery import Judgement, Settle
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import (
    Notice,
    Phase,
)
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    ReportAnswer,
    ReportReply,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.worker.claim_loop import Claimer, still_unknown
from prismq_worker_sdk.worker.driver import Effect, Loop, Reply, Wait
from prismq_worker_sdk.worker.offered_reports import OfferedReports
from prismq_worker_sdk.worker.report_batch import InFlight, replies_of, within_bytes
from prismq_worker_sdk.worker.services import ClaimRequest, Services
from prismq_worker_sdk.worker.task_path import Arrival, look
from prismq_worker_sdk.worker.verdicts import Verdicts

DISK_PAUSE = 1.0

END_WAIT_PAUSE = 0.25
"""Seconds before the wait of a claim is ended once more."""

TIDY_PAUSE = 0.05
"""Seconds between two steps of giving disk space back: commits come first."""

LARGEST_BATCH = 128
"""Reports in one call at most, however many the server takes."""


def delivery_loop(services: Services, shared: Delivery | None = None) -> Loop:
    """Delivers until the worker flushes; then sends everything once, whatever its back-off, and ends (R36).

    What waits is sent so as soon as handlers are being cancelled: one that does not end must not cost the
    others their last try. The rest follows once every handler has ended.

    Args:
        shared: What it shares with loops that deliver beside it, where there are any.
    """
    delivery = shared or Delivery(services)
    yield from delivery.sweep()
    services.shared.stored_sent = True
    services.wakeups.claim()
    services.wakeups.deliver()
    while services.lifecycle.phase in {Phase.RUNNING, Phase.DRAINING}:
        if delivery.last_call_due():
            yield from delivery.last_call()
        else:
            yield from delivery.step()
    if services.lifecycle.phase is Phase.FLUSHING:
        yield from delivery.last_call()
        while len(delivery.in_flight) and services.lifecycle.phase is Phase.FLUSHING:
            yield Wait(None)
            yield from delivery.last_call()
        services.shared.flushed = True
        services.wakeups.supervise()


def delivery_lane(delivery: Delivery) -> Loop:
    """Delivers beside the delivery loop what is due now, as long as all goes well; ends when handlers are cancelled."""
    life, clock = delivery.services.lifecycle, delivery.services.clock
    while life.phase in {Phase.RUNNING, Phase.DRAINING} and clock.monotonic() < life.cancel_at:
        yield from delivery.assist()


class Delivery:
    """What delivery remembers between two reports; lost in a crash without harm.

    Attributes:
        in_flight: What is being sent now, by whichever loop.
    """

    def __init__(self, services: Services) -> None:
        self.services = self._services = services
        self.in_flight = InFlight()
        self._judging = threading.Lock()
        self._verdicts = Verdicts(services)
        self._offered = OfferedReports(services, self.in_flight, self._verdicts)
        self._last_called: int | None = None
        self._batch = LARGEST_BATCH
        self._claimer = Claimer(services)
        self._apart = False
        self._untidy = True
        self._unanswered: ClaimRequest | None = None

    def step(self) -> Loop:
        """Sends the oldest reports that are due, a claim along with them where the server takes both, or waits."""
        services = self._services
        if (waiting := services.shared.waiting) is not None and self._outlived(waiting):
            yield from self._end_wait(waiting)
        elif self._unanswered is not None:
            failure = yield from self._end_wait(self._unanswered)
            if failure is not None:
                yield from self._rest_after(failure)
        if (offered := self._offered.due()) is not None:
            yield from self._offered.send(offered)
            return
        try:
            due = self._take_due(self._most())
            wait = None if due or len(self.in_flight) else services.outbox.seconds_to_next()
        except OutboxError as error:
            services.emit(Notice("error", str(error)))
            yield Wait(DISK_PAUSE)
            return
        if not due and self._claimer.in_doubt is None:
            services.deliver_with_claims(now=False)
            more = self._untidy and self._tidy()
            yield Wait(TIDY_PAUSE if more else self._until_next(wait))
            return
        if self._apart and self._claimer.in_doubt is not None:
            self.in_flight.land(due)
            due = ()
        reply = yield from self._send_taken(due, along=True)
        yield from self._rest_after(reply)

    def assist(self) -> Loop:
        """Sends the oldest report that is due and that nobody sends now, or waits until something changes.

        A server that is away, or refuses, is tried by the delivery loop alone.
        """
        services = self._services
        idle = services.accounting.waiting <= len(self.in_flight)  # costs less than a question to the outbox
        try:
            due = (
                ()
                if idle or self._verdicts.failures or not services.shared.stored_sent
                else self._take_due(1)
            )
        except OutboxError:
            due = ()  # the delivery loop tells
        if due:
            yield from self._send_taken(due)
            services.wakeups.deliver()  # what is still due was passed over while this one was on its way
        else:
            yield Wait(None)

    def _take_due(self, most: int) -> Sequence[Report]:
        """Reports that are due, oldest first, and that no other loop sends now."""
        return self.in_flight.take(
            lambda: self._services.outbox.due(most + len(self.in_flight)),
            lambda free: within_bytes(free[:most]),
        )

    def _send_taken(self, reports: Sequence[Report], *, along: bool = False) -> Loop:
        """One sending of reports that are this loop's."""
        try:
            return (yield from self._send(tuple(reports), along=along))
        finally:
            self.in_flight.land(reports)

    def _until_next(self, wait: float | None) -> float | None:
        """Seconds to rest when nothing is due now."""
        services = self._services
        waits = [wait] if wait is not None else []
        if self._offered:
            waits.append(DISK_PAUSE)
        if self._unanswered is not None:
            waits.append(END_WAIT_PAUSE)
        if services.shared.waiting is not None:
            change = services.next_room()
            waits += (
                [END_WAIT_PAUSE] if self._outlived(services.shared.waiting) else [change] if change else []
            )
        return min(waits, default=None)

    def _tidy(self) -> bool:
        """Gives the disk back what delivered reports held; whether there is more to give."""
        try:
            self._untidy = self._services.outbox.tidy()
        except OutboxError as error:
            self._services.emit(Notice("error", str(error)))
            self._untidy = False
        return self._untidy

    def last_call_due(self) -> bool:
        """Whether the worker is about to exit, and what waits was not sent once more yet."""
        services = self._services
        return self._last_called is None and services.clock.monotonic() >= services.lifecycle.cancel_at

    def last_call(self) -> Loop:
        """Sends every waiting report once before the exit; called again, those that came since."""
        self._last_called = yield from self.sweep(self._last_called or 0)

    def sweep(self, last: int = 0) -> Loop:
        """Sends every waiting report behind a place in the line once, whatever its next try; the last place."""
        services = self._services
        while services.lifecycle.phase is not Phase.STOPPED:
            try:
                found, taken = self._take_after(last)
            except OutboxError as error:
                services.emit(Notice("error", str(error)))
                break
            if not found:
                break
            last = (taken or found)[-1].number or last
            if taken:
                yield from self._send_taken(taken)
        return last

    def _take_after(self, last: int) -> tuple[list[Report], Sequence[Report]]:
        """The next reports behind a place in the line, and those of them that no other loop sends now."""
        found: list[Report] = []

        def look() -> list[Report]:
            found.extend(self._services.outbox.after(last, self._most()))
            return found

        taken = self.in_flight.take(look, within_bytes)
        return found, taken

    def _most(self) -> int:
        """Reports in one call: all the server takes, fewer after a batch that did not pass (R23)."""
        return max(1, min(self._batch, self._services.can.max_reports))

    def _outlived(self, waiting: ClaimRequest) -> bool:
        """Whether a claim that waits has had its time: the worker stops, or may claim types it did not ask for."""
        services = self._services
        if not services.lifecycle.running:
            return True
        return not set(self._claimer.rooms()) <= set(waiting.work.task_types)

    def _end_wait(self, waiting: ClaimRequest) -> Generator[Effect, Reply, Failure | None]:
        """Ends a claim that waits on the server: a repeat of it does (R6). Both loops get the answer.

        Returns why there was none, None when there was one.

        The repeat may be at the server before the claim itself, so it is sent again until there is an answer; or after
        the end of the wait, and is given tasks of its own: so one without an answer is sent again even then.
        """
        work = replace(waiting.work, wait_seconds=0.0)
        reply = yield from self._services.exchange(ExchangeRequest(claim=work, request_id=waiting.request_id))
        answer = reply.tasks if isinstance(reply, ExchangeResponse) else reply
        if isinstance(answer, tuple):
            self._unanswered = None
            self._claimer.answered_again(waiting, answer)
            return None
        unknown = still_unknown(answer, before=self._unanswered is not None)
        self._unanswered = waiting if unknown and self._claimer.worth_repeating(waiting) else None
        return answer

    def _send(self, reports: tuple[Report, ...], *, along: bool = False) -> Loop:
        """One sending, its judgements stored; returns the reply that says most of the way to the server.

        Args:
            along: Whether a claim may go along.
        """
        services = self._services
        request = None
        takes_both = services.can.renews or self._claimer.in_doubt is not None
        if along and takes_both and not (self._apart and reports):
            services.deliver_with_claims(now=bool(reports))
            request = self._claimer.prepare(waits=False)
        call = ExchangeRequest(reports=reports)
        if request is not None:
            call = replace(call, claim=request.work, request_id=request.request_id)
        failures = self._verdicts.failures
        services.stale_claims.sending(reports)
        whole = yield from services.exchange(call)
        services.stale_claims.answered(reports, services.clock.monotonic())
        replies = replies_of(whole, len(reports))
        tasks = whole.tasks if isinstance(whole, ExchangeResponse) else whole
        arrivals: list[Arrival] = []
        if request is not None and isinstance(tasks, tuple):
            arrivals = look(services, self._claimer.arrived(request, tasks))
        with self._judging:  # what fails at once in several loops is one failure of the server
            self._verdicts.failures = min(failures, self._verdicts.failures)
            judged = self._judged(reports, replies)
        held = yield from self._settle(judged, [one.claim for one in arrivals if one.holds])
        if request is not None:
            if isinstance(tasks, tuple):
                self._claimer.accepted(request, arrivals, held)
            else:
                self._claimer.failed(request, tasks)
            if not services.shared.delivering:
                services.wakeups.claim()  # the slots that were kept for this claim may be free again
        if not reports and not isinstance(whole, ExchangeResponse):
            self._verdicts.failures += 1
            return whole
        if not reports:
            self._verdicts.failures = 0
            return ReportAnswer(Verdict.ACCEPTED)
        return next((reply for reply in replies if not isinstance(reply, ReportAnswer)), replies[0])

    def _judged(
        self, reports: tuple[Report, ...], replies: tuple[ReportReply, ...]
    ) -> list[tuple[Report, Judgement, float]]:
        """What became of each report, and the seconds to its next try where that is no verdict."""
        batch = len(reports) > 1
        if replies:
            self._part(apart=any(not isinstance(reply, ReportAnswer) for reply in replies))
        if self._apart:
            self._batch = max(1, len(reports) // 2)
        elif batch:
            self._batch = min(LARGEST_BATCH, 2 * self._batch)
        judged, failures = [], self._verdicts.failures
        for report, reply in zip(reports, replies, strict=True):
            judgement, retry_in = self._verdicts.judge(report, reply, alone=not batch)
            passed = report.passed if batch else self._verdicts.passed(report, judgement)
            if not isinstance(judgement, Settle):
                report = replace(report, tries=report.tries + 1, passed=passed)  # noqa: PLW2901 - as it was sent
            judged.append((report, judgement, retry_in))
        if failures and not self._verdicts.failures:
            self._services.wakeups.deliver()
        return judged

    def _settle(self, judged: list[tuple[Report, Judgement, float]], claims: list[Claim]) -> Loop:
        """Stores what became of each report, and then the claims, in one transaction (R25); what the holds gave."""
        stored, held = yield from self._store(judged, claims)
        self._untidy = True
        self._verdicts.book([one for one, changed in zip(judged, stored, strict=True) if changed])
        return held

    def _store(self, judged: list[tuple[Report, Judgement, float]], claims: list[Claim]) -> Loop:
        """Stores judgements, as often as the disk needs; which were still to be stored, and what the holds gave.

        Only the first try holds the claims too: after a rest each is looked at anew, and None is given for them all.
        """
        services = self._services
        while judged or claims:
            try:
                stored, held = services.outbox.settle_and_hold(judged, claims)
            except OutboxError as error:
                services.emit(Notice("error", str(error)))
                if not judged or services.lifecycle.phase in {Phase.FLUSHING, Phase.STOPPED}:
                    return [False] * len(judged), None
                claims = []
                yield Wait(DISK_PAUSE)
            else:
                return stored, held if claims else None
        return [False] * len(judged), None

    def _part(self, *, apart: bool) -> None:
        """Whether claims go their own way: reports that do not pass must not keep tasks from coming (R23)."""
        self._apart = apart
        if apart:
            self._services.deliver_with_claims(now=False)

    def _rest_after(self, reply: ReportReply) -> Loop:
        """After a failure on the way to the server the whole line rests a little, growing with each failure.

        It goes on as soon as the server answers anything: one report that does not pass holds up no other.
        """
        if isinstance(reply, ReportAnswer):
            return
        services = self._services
        answers = services.server_status.answers
        until = services.clock.monotonic() + self._verdicts.rest_seconds(reply)
        while (left := until - services.clock.monotonic()) > 0:
            if services.lifecycle.phase not in {Phase.RUNNING, Phase.DRAINING} or self.last_call_due():
                return
            if services.server_status.answers > answers:
                self._verdicts.failures = 0
                services.wakeups.deliver()
                return
            yield Wait(left)
