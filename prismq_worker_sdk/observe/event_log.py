"""Every event of a worker's life as one log line that says what happens next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from logging import DEBUG, ERROR, INFO, WARNING
from typing import Any

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.bus import EVERY, BatchListener
from prismq_worker_sdk.observe.console import BACK, DONE, FAILED, RUNS, WORKER_LOGGER, Brief
from prismq_worker_sdk.observe.log_lines import LogGuard
from prismq_worker_sdk.observe.statistics import Summary
from prismq_worker_sdk.observe.status import RunningTask

_LOG = logging.getLogger(WORKER_LOGGER)
QUIET_SECONDS = 60.0
"""A delay with the same reason is told once in so long."""

LEVELS = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}
EXITS = {1: "it could not go on", 2: "it was used wrongly"}
PHASES = {
    "draining": "nothing more is claimed, running tasks go on",
    "flushing": "every stored result is sent once more",
    "stopped": "the worker ends",
}
SETTLED = {
    Settlement.ACCEPTED: (DEBUG, "the server accepted the report"),
    Settlement.UNCONFIRMED: (
        INFO,
        "an earlier try was probably accepted; the result is kept for a day should the task come again",
    ),
    Settlement.LOST: (
        WARNING,
        "the claim is lost ({detail}); a result is kept for a day should the task come again",
    ),
    Settlement.PARKED: (ERROR, "the report is parked in the state folder and not sent again: {detail}"),
}
"""How a report left the line: the level and the text of its line; one that was superseded has none."""


class EventLog(BatchListener):
    """Listens to events and writes them to the logger `prismq.worker`.

    Attributes:
        guard: Sees to it that the lines appear, where the worker has set logging up; None where somebody else has.
    """

    kinds = EVERY - {ev.ApiCalled}

    def __init__(self, clock: Clock, guard: LogGuard | None = None) -> None:
        self.guard = guard
        self._clock = clock
        self._told: dict[str, float] = {}
        self._unsaid = 0
        self._given_back: dict[ev.TaskRef, str] = {}
        # with the highest level that its lines may have
        self._writers: dict[type[ev.Event], tuple[int, Callable[[Any], None]]] = {
            ev.WorkerStarted: (INFO, self._started),
            ev.PhaseChanged: (INFO, self._phase),
            ev.TaskClaimed: (DEBUG, lambda e: self._write(DEBUG, "claimed", "claimed", e.ref)),
            ev.TaskStarted: (
                INFO,
                lambda e: self._write(INFO, "task_started", "started", e.ref, brief=Brief("started", RUNS)),
            ),
            ev.TaskProgressed: (DEBUG, self._progress),
            ev.OutcomeCommitted: (WARNING, self._committed),
            ev.ClaimEnded: (INFO, self._ended),
            ev.ReportSettled: (ERROR, self._settled),
            ev.ReportDelayed: (WARNING, self._delayed),
            ev.TaskFailedEarly: (WARNING, self._failed_early),
            ev.ServerLost: (WARNING, self._lost),
            ev.ServerRegained: (INFO, self._regained),
            ev.TypePaused: (WARNING, self._paused),
            ev.TypeResumed: (
                INFO,
                lambda e: self._write(INFO, "type_resumed", f"{e.task_type} is claimed again"),
            ),
            ev.HandlerOverran: (ERROR, self._overran),
            ev.Notice: (ERROR, lambda e: self._write(LEVELS[e.level], "notice", e.message)),
            ev.WorkerStopped: (ERROR, self._stopped),
        }

    def __call__(self, *events: ev.Event) -> None:
        """Writes the lines of events; one that cannot be written, as a handler of somebody's raises, stops no other."""
        failed: Exception | None = None
        for event in events:
            highest, write = self._writers.get(type(event), (0, None))
            if write is not None and self._is_on(highest):
                try:
                    write(event)
                except Exception as error:  # noqa: BLE001 - it is raised below
                    failed = error
        if failed is not None:
            raise failed

    def _started(self, event: ev.WorkerStarted) -> None:
        text = (
            f"worker started: {event.api_url} ({event.dialect}), {event.concurrency} slots, "
            f"types {', '.join(event.task_types)}"
        )
        if event.limits:
            text += f"; {event.limits}"
        if event.recovered:
            text += f"; {event.recovered} stored results are delivered first"
        if event.parked:
            text += f"; {event.parked} reports are parked"
        grace = duration.text(event.grace_seconds)
        brief = Brief(f"{text}; it is {event.worker_id}, its state in {event.state_dir}")
        self._write(INFO, "worker_started", text, brief=brief, state_dir=event.state_dir, grace=grace)

    def _phase(self, event: ev.PhaseChanged) -> None:
        left = "" if event.seconds_left is None else f", {duration.text(event.seconds_left)} left"
        what = PHASES.get(event.phase, str(event.phase))
        self._write(INFO, f"phase_{event.phase}", f"{event.reason}: {what}{left}")

    def _progress(self, event: ev.TaskProgressed) -> None:
        self._write(DEBUG, "progress", f"{event.percent:.0f} % {event.message}".rstrip(), event.ref)

    def _committed(self, event: ev.OutcomeCommitted) -> None:
        level = WARNING if event.end is ev.End.FAILED else INFO
        if not self._is_on(level):
            return
        took = "" if event.seconds is None else duration.text(event.seconds)
        after = f" after {took}" if took else ""
        if event.end is ev.End.RELEASED:
            self._given_back[event.ref] = took  # the end of the claim, which comes next, says the rest
            return
        if event.answered:
            text = "completed with the result that was still here; it is reported again, not computed again"
            brief = Brief(text, DONE)
        elif event.end is ev.End.COMPLETED:
            text = f"completed{after}; the result is stored"
            brief = Brief(took, DONE)
        else:
            text = f"{event.end}{after}: {event.error}"
            brief = Brief(f"{took} {event.end}: {event.error}".lstrip(), FAILED)
        fields = {"error_type": event.error_type} if event.error_type else {}
        self._write(
            level, "committed", text, event.ref, trace=event.trace, brief=brief, end=str(event.end), **fields
        )

    def _ended(self, event: ev.ClaimEnded) -> None:
        if event.end in {ev.End.RELEASED, ev.End.LAPSED, ev.End.LOST}:
            took = self._given_back.pop(event.ref, "")
            why = f": {event.detail}" if event.detail else ""
            text = f"{event.end} after {took}{why}" if took else f"{event.end}{why}"
            brief = Brief(f"{took} {event.end}{why}".lstrip(), BACK)
            self._write(INFO, "claim_ended", text, event.ref, brief=brief, end=str(event.end))

    def _settled(self, event: ev.ReportSettled) -> None:
        if event.settlement in SETTLED:
            level, text = SETTLED[event.settlement]
            text, verdict = text.replace("{detail}", event.detail), str(event.settlement)
            self._write(level, "report_settled", text, event.ref, verdict=verdict)

    def _delayed(self, event: ev.ReportDelayed) -> None:
        now = self._clock.monotonic()
        if now - self._told.get(event.reason, -QUIET_SECONDS) < QUIET_SECONDS:
            self._unsaid += 1
            return
        self._told = {reason: at for reason, at in self._told.items() if now - at < QUIET_SECONDS}
        self._told[event.reason] = now
        more = f" ({self._unsaid} more since the last line)" if self._unsaid else ""
        self._unsaid = 0
        text = f"a report was not taken ({event.reason}); it is kept and sent again in {duration.text(event.retry_in)}"
        self._write(WARNING, "report_delayed", text + more, event.ref, tries=event.tries)

    def _failed_early(self, event: ev.TaskFailedEarly) -> None:
        ref = event.ref
        text = (
            f"task {ref.task_id} ({ref.task_type}) is failed for good at attempt {ref.attempt} though it has more: a "
            f"deadlock stopped the server half-way; run it again with prismq-worker tasks retry {ref.task_id}"
        )
        self._write(WARNING, "task_failed_early", text, ref)

    def _lost(self, event: ev.ServerLost) -> None:
        text = f"the server does not answer ({event.reason}); results are kept, next try in "
        self._write(WARNING, "server_lost", text + duration.text(event.retry_in))

    def _regained(self, event: ev.ServerRegained) -> None:
        away = duration.text(event.away_seconds)
        self._write(INFO, "server_regained", f"the server answers again after {away}")

    def _paused(self, event: ev.TypePaused) -> None:
        until = "until that changes" if event.seconds is None else f"for {duration.text(event.seconds)}"
        text = f"{event.task_type} is not claimed {until}: {event.reason}"
        self._write(WARNING, "type_paused", text, trace=event.trace)

    def _overran(self, event: ev.HandlerOverran) -> None:
        limit = duration.text(event.seconds)
        text = f"the handler does not end after {limit}; its slot is lost, it is here:\n{event.stack}"
        self._write(ERROR, "handler_overran", text, event.ref)

    def _stopped(self, event: ev.WorkerStopped) -> None:
        meaning = f" ({EXITS[event.exit_code]})" if event.exit_code in EXITS else ""
        level = INFO if event.exit_code == 0 else ERROR
        text = f"worker stopped, exit code {event.exit_code}{meaning}: {event.reason}"
        self._write(level, "worker_stopped", text, exit_code=event.exit_code)

    def running(self, tasks: Iterable[RunningTask]) -> None:
        """Writes what runs now, a line for each task."""
        for task in tasks:
            fields: dict[str, Any] = {
                "seconds": task.seconds,
                "percent": task.percent,
                "progress": task.message,
            }
            self._write(
                INFO,
                "task_running",
                task.text(),
                task.ref,
                brief=Brief(task.text(), RUNS),
                state=task.state,
                **fields,
            )

    def statistics(self, summary: Summary) -> None:
        """Writes the numbers: fields for programs, a few lines for people."""
        self._write(INFO, "statistics", "\n".join(summary.lines()), **summary.as_dict())

    def _is_on(self, level: int) -> bool:
        return _LOG.isEnabledFor(level) if self.guard is None else level >= self.guard.level

    def _write(
        self,
        level: int,
        event: str,
        text: str,
        ref: ev.TaskRef | None = None,
        *,
        trace: str = "",
        brief: Brief | None = None,
        **fields: Any,
    ) -> None:
        if not self._is_on(level):
            return
        extra: dict[str, Any] = {"fields": {"event": event, **fields}, "handler_trace": trace, "brief": brief}
        if ref is not None:
            extra["task"] = ref
        if self.guard is None:
            _LOG.log(level, "%s", text, extra=extra)
        else:
            self.guard.write(_LOG.makeRecord(_LOG.name, level, "", 0, "%s", (text,), None, extra=extra))
