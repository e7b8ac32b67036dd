"""One task of a handler, worked on by a whole worker whose only server is this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import Event, HandlerOverran, OutcomeCommitted, TypePaused
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Grant,
    LeaseAnswer,
    LeaseVerdict,
    Probe,
    ReportAnswer,
    ServerInfo,
)
from prismq_worker_sdk.model.report import Report, Verdict
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import Perform
from prismq_worker_sdk.worker.recovery import open_state
from prismq_worker_sdk.worker.services import environment
from prismq_worker_sdk.worker.supervisor import Supervisor

LEASE = 300.0
CAN = Capabilities(renews=True, releases=True, creates=True, fences=True, lease_seconds=LEASE)
LAST_WORDS = 2.0
"""Seconds for a worker whose handler does not end."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the one task.

    Attributes:
        report: As a server would have got it; None where there is none.
        unready: Why a worker would not have claimed it.
        seconds: Handler time, None when none ran.
    """

    report: Report | None
    unready: str | None
    seconds: float | None


def run_once(
    handler: Handler, params: Mapping[str, Any], redactor: Redactor, listen: Callable[[Event], None]
) -> Trial:
    """Lets a worker claim and run one task of this handler, with its time limit, in its kind of slot.

    Args:
        listen: Told every event of the worker, redacted, on the thread where it happens.

    Raises:
        StateFolderError: There is no room for the outbox of that worker.
    """
    server, clock, ended = _OneTaskServer(handler.task_type, params), SystemClock(), threading.Event()
    seen: dict[str, Any] = {"unready": None, "seconds": None}

    def hear(event: Event) -> None:
        match event:
            case OutcomeCommitted(seconds=seconds):
                seen["seconds"] = seconds
            case TypePaused(reason=reason, seconds=None):
                seen["unready"] = reason
                worker.ask_stop("its handler is not ready")
            case HandlerOverran():
                worker.ask_stop("its handler does not end", LAST_WORDS)

    with TemporaryDirectory(prefix="prismq-try-", ignore_cleanup_errors=True) as folder:
        here = environment(
            WorkerConfig(api_url="http://try.invalid/api", state_dir=Path(folder), max_runs=1, concurrency=1),
            Registry([handler]),
            clock=clock,
            redactor=redactor,
            emit=EventBus([hear, listen], redactor).emit,
            worker_id="try",
        )
        worker = Supervisor(here, server)
        state = open_state(Path(folder), None, clock)
        worker.start(state, lambda _code: ended.set(), owns_process=False)
        try:
            ended.wait()
        finally:  # Ctrl-C
            worker.ask_stop("it is interrupted", 0.0)
            ended.wait(LAST_WORDS)
    return Trial(server.report, **seen)


class _OneTaskServer:
    """Implements `worker.connect.Connects`: hands one task out, and accepts its report."""

    def __init__(self, task_type: str, params: Mapping[str, Any]) -> None:
        self.report: Report | None = None
        self._lock = threading.Lock()
        task = Task(
            id="00000000-0000-4000-8000-000000000001",
            type=task_type,
            params=dict(params),
            status=TaskStatus.PROCESSING,
            attempt=1,
        )
        self._waiting = [Grant(task, "token", LEASE)]

    def probe(self) -> Perform:
        return self._answer

    def open(self, found: ServerInfo) -> Perform:  # noqa: ARG002 - there is one way only
        return self._answer

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, request: ExchangeRequest | Probe) -> ServerInfo | ExchangeResponse:
        if isinstance(request, Probe):
            return ServerInfo("v1", CAN)
        with self._lock:
            granted: tuple[Grant, ...] = ()
            if request.claim is not None:
                granted, self._waiting = tuple(self._waiting), []
            for report in request.reports:
                self.report = report
        return ExchangeResponse(
            reports=tuple(ReportAnswer(Verdict.ACCEPTED) for _ in request.reports),
            tasks=granted,
            renewals=tuple(LeaseAnswer(LeaseVerdict.RENEWED, LEASE) for _ in request.renewals),
        )
