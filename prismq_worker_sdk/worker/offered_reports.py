"""Outcomes that the disk refuses, reported straight from memory (R12)."""

from __future__ import annotations

from prismq_worker_sdk.decide.delivery import Again, Park, Settle
from prismq_worker_sdk.model.events import ReportDelayed, ReportSettled
from prismq_worker_sdk.model.protocol import ExchangeRequest
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.driver import Loop, Wait
from prismq_worker_sdk.worker.report_batch import InFlight, replies_of
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.verdicts import Verdicts

DISK_PAUSE = 1.0


class OfferedReports:
    """When each outcome in memory is sent next; lost in a crash, as the outcomes are."""

    def __init__(self, services: Services, in_flight: InFlight, verdicts: Verdicts) -> None:
        self._services = services
        self._in_flight = in_flight
        self._verdicts = verdicts
        self._next_tries: dict[Attempt, float] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._next_tries)

    def due(self) -> Attempt | None:
        """An outcome that the disk refuses and whose next try has come (R12)."""
        now = self._services.clock.monotonic()
        attempts = [one for one in self._services.attempts.all() if one.report() is not None]
        self._next_tries = {attempt: self._next_tries.get(attempt, now) for attempt in attempts}
        return next((attempt for attempt in attempts if self._next_tries[attempt] <= now), None)

    def send(self, attempt: Attempt) -> Loop:
        """Sends it, unless another loop sends a report of its task now."""
        report = attempt.report()
        if report is None:
            return
        if not self._in_flight.take(lambda: [report], list):
            yield Wait(DISK_PAUSE)
            return
        try:
            yield from self._send(attempt, report)
        finally:
            self._in_flight.land([report])

    def _send(self, attempt: Attempt, report: Report) -> Loop:
        services = self._services
        attempt.seen(maybe_seen=True)
        services.stale_claims.committed(attempt.claim)
        services.stale_claims.sending((report,))
        (reply,) = replies_of((yield from services.exchange(ExchangeRequest(reports=(report,)))), 1)
        services.stale_claims.answered((report,), services.clock.monotonic())
        judgement, retry_in = self._verdicts.judge(report, reply)
        match judgement:
            case Settle(settlement=settlement, detail=detail):
                self._settle(attempt, settlement, detail)
            case Park(detail=detail):
                self._settle(attempt, Settlement.PARKED, detail)
            case Again(reason=reason, maybe_seen=maybe_seen):
                attempt.seen(maybe_seen=report.maybe_seen or maybe_seen)
                self._next_tries[attempt] = services.clock.monotonic() + retry_in
                services.emit(ReportDelayed(attempt.ref, reason, retry_in, 1))

    def _settle(self, attempt: Attempt, settlement: Settlement, detail: str) -> None:
        if attempt.settle(settlement):
            self._services.emit(ReportSettled(attempt.ref, settlement, detail))
            self._services.wakeups.commit()
