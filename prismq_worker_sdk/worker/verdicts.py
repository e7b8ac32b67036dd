"""What the server's replies to reports come to: judged, counted, told (R21, R23)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prismq_worker_sdk.decide.backoff import REPORTS, SERVER, after_failure, as_asked
from prismq_worker_sdk.decide.delivery import Again, Judgement, Park, Settle, judge
from prismq_worker_sdk.decide.retries import failed_early
from prismq_worker_sdk.model.claim import TaskKey
from prismq_worker_sdk.model.events import (
    End,
    Event,
    Notice,
    OutcomeCommitted,
    ReportDelayed,
    ReportSettled,
    TaskFailedEarly,
    TaskRef,
)
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.protocol import Failure, Rejected, ReportAnswer, ReportReply, Throttled
from prismq_worker_sdk.model.report import Report, Settlement
from prismq_worker_sdk.worker.services import Services


class Verdicts:
    """What is remembered of the replies to reports; lost in a crash without harm.

    Attributes:
        failures: Replies in a row that were no verdict.
    """

    def __init__(self, services: Services) -> None:
        self.failures = 0
        self._services = services
        self._given = 0
        self._given_at_failure: dict[TaskKey, int] = {}

    def judge(self, report: Report, reply: ReportReply, *, alone: bool = True) -> tuple[Judgement, float]:
        """What a reply means, and the seconds to the next try where it is no verdict.

        Args:
            alone: Whether the report was the only one of its call.
        """
        services = self._services
        judgement = judge(report, reply)
        if isinstance(judgement, Again) and not alone:
            judgement = replace(judgement, alone=False)  # among many, nobody knows whose trouble it is (R23)
        jitter = services.rng.random()
        if isinstance(reply, ReportAnswer):
            self._tell(report, reply)
            services.server_status.answered()
            self.failures = 0
            self._given += 1
        else:
            self.failures += 1
        match judgement:
            case Again(retry_after=seconds) if seconds is not None:
                retry_in = as_asked(seconds, jitter, limited=_limited(reply))
            case Again(alone=True):
                retry_in = REPORTS.seconds(report.tries + 1, jitter)
            case Again():
                retry_in = SERVER.seconds(self.failures, jitter)
            case _:
                retry_in = 0.0
        if isinstance(reply, Rejected):
            services.server_status.answered()  # it is this report that does not pass, not the server that is away
        elif not isinstance(reply, ReportAnswer):
            services.server_status.failed(reply, retry_in)
        return judgement, retry_in

    def _tell(self, report: Report, reply: ReportAnswer) -> None:
        """What people should know beside a verdict."""
        if reply.notice:
            self._services.emit(Notice("warning", f"task {report.identity.task_id}: {reply.notice}"))
        most = self._services.config.server_max_attempts
        if reply.failed_at is not None and failed_early(
            reply.failed_at, max_attempts=most, maybe_seen=report.maybe_seen
        ):
            identity = report.identity
            self._services.emit(
                TaskFailedEarly(TaskRef(identity.task_id, identity.task_type, reply.failed_at))
            )

    def passed(self, report: Report, judgement: Judgement) -> int:
        """How often this report failed while other reports got a verdict since its last failure.

        Claims that are answered say nothing: a server that can read but not write answers them too.
        """
        if report.number is None:
            return 0
        # by its task: the report that takes its place under the next claim is the same one
        task = report.identity.task_key
        if not isinstance(judgement, Again) or not judgement.alone:
            self._given_at_failure.pop(task, None)
            return report.passed
        before = self._given_at_failure.get(task, self._given)
        self._given_at_failure[task] = self._given
        return report.passed + (1 if self._given > before else 0)

    def rest_seconds(self, failure: Failure) -> float:
        """How long the whole line rests after a failure; a limit is that of one report's path, not of the line."""
        jitter = self._services.rng.random()
        if _limited(failure):
            return SERVER.seconds(self.failures, jitter)
        return after_failure(failure, self.failures, jitter)

    def book(self, judged: Sequence[tuple[Report, Judgement, float]]) -> None:
        """Counts and tells what became of reports, once that is stored."""
        services = self._services
        events: list[Event] = []
        for report, judgement, retry_in in judged:
            identity = report.identity
            ref = TaskRef(identity.task_id, identity.task_type, report.attempt)
            match judgement:
                case Settle(settlement=settlement, detail=detail):
                    if settlement is Settlement.ACCEPTED and isinstance(report.outcome, Completed):
                        services.stale_claims.accepted(identity, services.clock.monotonic())
                    services.accounting.settle(settlement)
                    events.append(ReportSettled(ref, settlement, detail))
                case Park(detail=detail, replacement=replacement):
                    services.accounting.settle(Settlement.PARKED)
                    events.append(ReportSettled(ref, Settlement.PARKED, detail))
                    if replacement is not None:
                        services.accounting.commit()
                        error, kind = replacement.error, replacement.error_type
                        events.append(OutcomeCommitted(ref, End.FAILED, None, error=error, error_type=kind))
                case Again(reason=reason):
                    events.append(ReportDelayed(ref, reason, retry_in, report.tries))
        services.emit(*events)


def _limited(reply: ReportReply) -> bool:
    """Whether the server only counts our requests."""
    return isinstance(reply, Throttled) and reply.limited
