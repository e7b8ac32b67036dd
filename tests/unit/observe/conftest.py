"""A logging set-up that leaves no trace, and one event of every kind."""

import dataclasses
import io
import json
import logging
import sys
import threading

import pytest

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.log_setup import set_up_logging

NAMES = (None, "prismq", "urllib3", "asyncio")


class Logs:
    """A process set up for logging, and what it wrote."""

    def __init__(self):
        self.stream = io.StringIO()

    def set_up(self, log_format="json", *, level="DEBUG", secrets=(), worker_id="worker-1"):
        self.guard = set_up_logging(
            log_format=log_format,
            level=level,
            redactor=Redactor(secrets),
            worker_id=worker_id,
            stream=self.stream,
        )
        return self

    @property
    def text(self):
        return self.stream.getvalue()

    @property
    def lines(self):
        assert self.text == "" or self.text.endswith("\n")
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def only(self):
        (line,) = self.lines
        return line


@pytest.fixture
def logs():
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in NAMES}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield Logs()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture
def ref():
    return ev.TaskRef("7b1f6a52-5d6b", "PrismQ.Test.Echo", 2)


@pytest.fixture
def every_event(ref):
    """One event of every kind, settlement and end; `said` stands in each of its texts."""

    def make(said="text"):
        found = [
            ev.WorkerStarted(
                worker_id="worker-1",
                api_url=f"http://{said}@host/api",
                dialect="v1",
                task_types=("PrismQ.Test.Echo",),
                concurrency=4,
                state_dir=said,
                grace_seconds=25.0,
                recovered=1,
            ),
            *(ev.PhaseChanged(phase, said, 25.0) for phase in ev.Phase),
            ev.TaskClaimed(ref),
            ev.TaskStarted(ref),
            ev.TaskProgressed(ref, 40.0, said),
            *(ev.OutcomeCommitted(ref, end, 1.5, error=said, error_type=said) for end in ev.End),
            *(ev.ClaimEnded(ref, end, said) for end in ev.End),
            *(ev.ReportSettled(ref, settlement, said) for settlement in Settlement),
            ev.ReportDelayed(ref, said, 2.0, 3),
            ev.TaskFailedEarly(ref),
            ev.ApiCalled("claim", 0.02),
            ev.ApiCalled("claim", 0.5, "http_503"),
            ev.ServerLost(said, 2.0),
            ev.ServerRegained(61.0),
            ev.TypePaused("PrismQ.Test.Echo", said, 60.0),
            ev.TypeResumed("PrismQ.Test.Echo"),
            ev.HandlerOverran(ref, 10.0, said),
            *(ev.Notice(level, said) for level in ("info", "warning", "error")),
            *(ev.WorkerStopped(code, said) for code in (0, 1, 2, 75)),
        ]
        assert {type(event) for event in found} == set(ev.Event.__args__)
        assert all(dataclasses.is_dataclass(event) for event in found)
        return found

    return make
