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
    task = Task(
        id="00000000-0000-4000-8000-000000000001",
        type=handler.task_type,
        params=dict(params),
        status=TaskStatus.PROCESSING,
        attempt=1,
    )
    with TemporaryDirectory(prefix="prismq-try-", ignore_cleanup_errors=True) as folder:
        return _Trying(handler, task, redactor, listen, Path(folder)).run()


class _Trying:
    def __init__(
        self,
        handler: Handler,
        task: Task,
        redactor: Redactor,
        listen: Callable[[Event], None],
        folder: Path,
    ) -> None:
        self._server = _OneTaskServer(task)
        self._folder = folder
        self._clock = SystemClock()
        self._ended = threading.Event()
        self._unready: str | None = None
        self._seconds: float | None = None
        self._supervisor = Supervisor(
            WorkerConfig(api_url="http://try.invalid/api", state_dir=folder, max_runs=1, concurrency=1),
            worker_id="try",
            registry=Registry([handler]),
            clock=self._clock,
            redactor=redactor,
            emit=EventBus([self._hear, listen], redactor).emit,
            connections=self._server,
        )

    def run(self) -> Trial:
        state = open_state(self._folder, None, self._clock)
        self._supervisor.start(state, lambda _code: self._ended.set(), owns_process=False)
        try:
            self._ended.wait()
        finally:  # Ctrl-C
            self._supervisor.ask_stop("it is interrupted", 0.0)
            self._ended.wait(LAST_WORDS)
        return Trial(self._server.report, self._unready, self._seconds)

    def _hear(self, event: Event) -> None:
        match event:
            case OutcomeCommitted(seconds=seconds):
                self._seconds = seconds
            case TypePaused(reason=reason, seconds=None):
                self._unready = reason
                self._supervisor.ask_stop("its handler is not ready")
            case HandlerOverran():
                self._supervisor.ask_stop("its handler does not end", LAST_WORDS)


class _OneTaskServer:
    """Implements `worker.connect.Connects`: hands one task out, and accepts its report."""

    def __init__(self, task: Task) -> None:
        self.report: Report | None = None
        self._lock = threading.Lock()
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
