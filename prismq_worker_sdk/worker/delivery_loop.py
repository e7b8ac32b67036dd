"""The delivery loop: sends committed outcomes, oldest first, until the server gives a verdict (R21, R23)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from prismq_worker_sdk.decide.claims import lanes
from prismq_worker_sdk.decide.delivery import Again, Settle
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.events import Notice, Phase, ReportDelayed, ReportSettled
from prismq_worker_sdk.model.protocol import ExchangeRequest, ExchangeResponse, Failure, replies_of
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.claim_loop import Claimer, claim_apart, still_unknown
from prismq_worker_sdk.worker.driver import Effect, Loop, Reply, Wait, exchange
from prismq_worker_sdk.worker.report_sender import (
    DISK_PAUSE,
    LARGEST_BATCH,
    TIDY_BYTES,
    ReportSender,
)
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.shared import ClaimRequest

END_WAIT_PAUSE = 0.25
"""Seconds before the wait of a claim is ended once more."""

TIDY_PAUSE = 0.05
"""Seconds between two steps of giving disk space back: commits come first."""

TIDY_EVERY = 600.0
"""Seconds after which the outbox is tidied, however little was delivered."""


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
        while delivery.sender.in_flight and services.lifecycle.phase is Phase.FLUSHING:
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
        sender: Shared with the loops that deliver beside.
    """

    def __init__(self, services: Services) -> None:
        self.services = self._services = services
        self.sender = ReportSender(services)
        self._claimer = Claimer(services)
        self._last_called: int | None = None
        self._unanswered: ClaimRequest | None = None
        self._types = frozenset(services.registry.types)
        self._tidied_at = services.clock.monotonic()
        self._beside = lanes(services.can, services.config.concurrency) > 1

    def step(self) -> Loop:
        """Sends the oldest reports that are due, a claim along with them where the server takes both, or waits."""
        services, sender, claimer = self._services, self.sender, self._claimer
        waiting = services.shared.waiting
        outlived = waiting is not None and self._outlived(waiting)
        if waiting is not None and outlived:
            yield from self._end_wait(waiting)
        elif self._unanswered is not None:
            yield from self._rest_after((yield from self._end_wait(self._unanswered)))
        if services.shared.offered and (offered := self._due_offered()) is not None:
            yield from self._send_offered(offered)
            return
        try:
            due = sender.take_due(LARGEST_BATCH)
            wait = None if due or sender.in_flight else services.outbox.seconds_to_next()
        except OutboxError as error:
            services.emit(Notice("error", str(error)))
            yield Wait(DISK_PAUSE)
            return
        if not due and claimer.in_doubt is None:
            claim_apart(services)
            yield Wait(TIDY_PAUSE if self._tidy() else self._until_next(wait, outlived=outlived))
            return
        if sender.apart and claimer.in_doubt is not None:
            sender.land(due)
            due = ()
        along = (services.can.renews or claimer.in_doubt is not None) and not (sender.apart and due)
        if along and due:
            services.shared.delivering = True
        elif along:
            claim_apart(services)
        self._tell_of_more()
        yield from self._rest_after((yield from sender.send(due, claimer if along else None)))

    def assist(self) -> Loop:
        """Sends the oldest report that is due and that nobody sends now, or waits until something changes.

        A server that is away, or refuses, is tried by the delivery loop alone.
        """
        services, sender = self._services, self.sender
        idle = services.accounting.waiting <= len(
            sender.in_flight
        )  # costs less than a question to the outbox
        due: tuple[Report, ...] = ()
        if not idle and not sender.failures and services.shared.stored_sent:
            try:
                due = sender.take_due(1)
            except OutboxError:
                due = ()  # the delivery loop tells
        if due:
            self._tell_of_more()
            yield from sender.send(due)
            services.wakeups.deliver()  # what is still due was passed over while this one was on its way
        else:
            yield Wait(None)

    def _tell_of_more(self) -> None:
        """Wakes a loop that delivers beside this one, where more waits than is on its way."""
        services = self._services
        if self._beside and services.accounting.waiting > len(self.sender.in_flight):
            services.wakeups.deliver()

    def _due_offered(self) -> Attempt | None:
        """An outcome that the disk refuses and whose next try has come (R12)."""
        offered, now = self._services.shared.offered, self._services.clock.monotonic()
        for attempt in [*offered]:
            if attempt.report() is None:
                del offered[attempt]
        return next((attempt for attempt, at in [*offered.items()] if at <= now), None)

    def _send_offered(self, attempt: Attempt) -> Loop:
        """Sends an outcome that the disk refuses, straight from memory, unless its task is being reported now (R12)."""
        report = attempt.report()
        if report is None:
            return
        if not self.sender.take(lambda: [report]):
            yield Wait(DISK_PAUSE)
            return
        try:
            yield from self._send_from_memory(attempt, report)
        finally:
            self.sender.land([report])

    def _send_from_memory(self, attempt: Attempt, report: Report) -> Loop:
        services, sender = self._services, self.sender
        attempt.seen(maybe_seen=True)
        services.stale_claims.committed(attempt.claim)
        (reply,) = replies_of((yield from sender.exchange(ExchangeRequest(reports=(report,)))), 1)
        judgement, retry_in = sender.judge(report, reply)
        if isinstance(judgement, Again):
            attempt.seen(maybe_seen=report.maybe_seen or judgement.maybe_seen)
            services.shared.offered[attempt] = services.clock.monotonic() + retry_in
            services.emit(ReportDelayed(attempt.ref, judgement.reason, retry_in, 1))
            return
        settlement = judgement.settlement if isinstance(judgement, Settle) else Settlement.PARKED
        if attempt.settle(settlement):
            services.emit(ReportSettled(attempt.ref, settlement, judgement.detail))
            services.wakeups.commit()

    def _until_next(self, wait: float | None, *, outlived: bool) -> float | None:
        """Seconds to rest when nothing is due now.

        Args:
            wait: Seconds until a report is due.
            outlived: Whether a claim waits whose wait is to be ended.
        """
        services = self._services
        waits = [wait] if wait is not None else []
        if services.shared.offered:
            waits.append(DISK_PAUSE)
        if outlived or self._unanswered is not None:
            waits.append(END_WAIT_PAUSE)
        elif (waiting := services.shared.waiting) is not None and not self._types <= {
            *waiting.work.task_types
        }:
            change = services.next_room()
            waits += [change] if change else []
        return min(waits, default=None)

    def _tidy(self) -> bool:
        """Gives the disk back what delivered reports held; whether there is more to give."""
        services, sender, now = self._services, self.sender, self._services.clock.monotonic()
        if sender.freed < TIDY_BYTES and now < self._tidied_at + TIDY_EVERY:
            return False
        self._tidied_at = now
        try:
            more = services.outbox.tidy()
        except OutboxError as error:
            services.emit(Notice("error", str(error)))
            more = False
        sender.freed = TIDY_BYTES if more else 0
        return more

    def last_call_due(self) -> bool:
        """Whether the worker is about to exit, and what waits was not sent once more yet."""
        services = self._services
        return self._last_called is None and services.clock.monotonic() >= services.lifecycle.cancel_at

    def last_call(self) -> Loop:
        """Sends every waiting report once before the exit; called again, those that came since."""
        self._last_called = yield from self.sweep(self._last_called or 0)

    def sweep(self, last: int = 0) -> Loop:
        """Sends every waiting report behind a place in the line once, whatever its next try; the last place."""
        services, sender = self._services, self.sender
        while services.lifecycle.phase is not Phase.STOPPED:
            found: list[Report] = []

            def find(found: list[Report] = found, last: int = last) -> list[Report]:
                found += services.outbox.after(last, sender.most)
                return found

            try:
                taken = sender.take(find)
            except OutboxError as error:
                services.emit(Notice("error", str(error)))
                break
            if not found:
                break
            last = (taken or found)[-1].number or last
            if taken:
                yield from sender.send(taken)
        return last

    def _outlived(self, waiting: ClaimRequest) -> bool:
        """Whether a claim that waits has had its time: the worker stops, or may claim types it did not ask for."""
        asked = set(waiting.work.task_types)
        return not self._services.lifecycle.running or not (
            asked >= self._types or asked >= self._claimer.rooms().keys()
        )

    def _end_wait(self, waiting: ClaimRequest) -> Generator[Effect, Reply, Failure | None]:
        """Ends a claim that waits on the server: a repeat of it does (R6). Both loops get the answer.

        Returns why there was none, None when there was one.

        The repeat may be at the server before the claim itself, so it is sent again until there is an answer; or after
        the end of the wait, and is given tasks of its own: so one without an answer is sent again even then.
        """
        work = replace(waiting.work, wait_seconds=0.0)
        reply = yield from exchange(
            self._services, ExchangeRequest(claim=work, request_id=waiting.request_id)
        )
        answer = reply.tasks if isinstance(reply, ExchangeResponse) else reply
        if isinstance(answer, tuple):
            self._unanswered = None
            self._claimer.answered_again(waiting, answer)
            return None
        unknown = still_unknown(answer, before=self._unanswered is not None)
        self._unanswered = waiting if unknown and self._claimer.worth_repeating(waiting) else None
        return answer

    def _rest_after(self, failure: Failure | None) -> Loop:
        """After a failure on the way to the server the whole line rests a little, growing with each failure.

        It goes on as soon as the server answers anything: one report that does not pass holds up no other.
        """
        if failure is None:
            return
        services = self._services
        answers = services.server_status.answers
        until = services.clock.monotonic() + self.sender.rest_seconds(failure)
        while (left := until - services.clock.monotonic()) > 0:
            if services.lifecycle.phase not in {Phase.RUNNING, Phase.DRAINING} or self.last_call_due():
                return
            if services.server_status.answers > answers:
                self.sender.failures = 0
                services.wakeups.deliver()
                return
            yield Wait(left)
