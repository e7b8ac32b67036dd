"""The console log: lines for people."""

import io
import logging
import re

import pytest

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.handlers.context import TaskLog
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.observe.console import ConsoleFormatter, shows_colours, shows_marks
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.testing.clock import FakeClock
from tests.support.task_scope import task_scope

REF = ev.TaskRef("7b1f6a52-5d6b-4c1f-9d59-0a1c1f0d3a11", "PrismQ.Test.Echo", 1)
AGAIN = ev.TaskRef("0195f3a2-1b2c-7003-9d59-0a1c1f0d3a11", "PrismQ.Test.Echo", 2)


def told(logs, *events):
    logs.set_up("console")
    EventLog(FakeClock())(*events)
    for line in logs.text.splitlines():
        assert re.match(r"\d\d:\d\d:\d\d |    ", line)
    return [line[9:] for line in logs.text.splitlines()]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.TaskStarted(REF), "▸ PrismQ.Test.Echo 7b1f6a52 started"),
        (ev.TaskProgressed(REF, 40.0, "page 1"), ". PrismQ.Test.Echo 7b1f6a52 40 % page 1"),
        (ev.OutcomeCommitted(REF, ev.End.COMPLETED, 1.5), "✓ PrismQ.Test.Echo 7b1f6a52 1.5s"),
        (ev.OutcomeCommitted(REF, ev.End.COMPLETED, None), "✓ PrismQ.Test.Echo 7b1f6a52"),
        (
            ev.OutcomeCommitted(REF, ev.End.FAILED, 1.5, error="no such video", error_type="Permanent"),
            "✗ PrismQ.Test.Echo 7b1f6a52 1.5s failed: no such video",
        ),
        (ev.ClaimEnded(REF, ev.End.RELEASED, "quota"), "↻ PrismQ.Test.Echo 7b1f6a52 released: quota"),
        (
            ev.OutcomeCommitted(AGAIN, ev.End.COMPLETED, 61.0),
            "✓ PrismQ.Test.Echo 0195f3a2-1b2c-7003 #2 1m 1s",
        ),
        (ev.Notice("info", "all is well"), "  all is well"),
        (ev.Notice("warning", "look"), "! WARNING look"),
        (ev.WorkerStopped(75, "SIGTERM"), "! ERROR worker stopped, exit code 75: SIGTERM"),
    ],
)
def test_a_line_says_when_what_which_task_and_how_long(logs, event, said):
    assert told(logs, event) == [said]


def test_an_end_is_one_line_however_many_events_tell_of_it(logs):
    lines = told(
        logs,
        ev.OutcomeCommitted(REF, ev.End.COMPLETED, 1.5),
        ev.ClaimEnded(REF, ev.End.COMPLETED),
        ev.OutcomeCommitted(AGAIN, ev.End.RELEASED, 0.5, error="quota"),
        ev.ClaimEnded(AGAIN, ev.End.RELEASED, "quota"),
    )

    assert lines == [
        "✓ PrismQ.Test.Echo 7b1f6a52 1.5s",
        "↻ PrismQ.Test.Echo 0195f3a2-1b2c-7003 #2 0.5s released: quota",
    ]


def test_what_a_handler_logs_stands_with_its_fields_and_its_task(logs, ref):
    logs.set_up("console")
    with task_scope(ref):
        TaskLog().info("page read", shorts=25)
        TaskLog().warning("no date")

    assert [line[9:] for line in logs.text.splitlines()] == [
        "  PrismQ.Test.Echo 7b1f6a52 #2 page read shorts=25",
        "! WARNING PrismQ.Test.Echo 7b1f6a52 #2 no date",
    ]


def test_a_traceback_stands_below_its_line(logs):
    logs.set_up("console")
    logging.getLogger("prismq").error("it broke", exc_info=ValueError("bad"))

    first, *rest = logs.text.splitlines()
    assert first.endswith("! ERROR it broke")
    assert rest == ["    ValueError: bad"]


def test_no_line_of_a_traceback_passes_for_a_line_of_the_log(logs):
    logs.set_up("console")
    forged = "12:00:00   all is well\x1b[0m"
    logging.getLogger("prismq").error("it broke", exc_info=ValueError(f"bad\n{forged}"))

    assert logs.text.splitlines()[1:] == ["    ValueError: bad", "    12:00:00   all is well\\x1b[0m"]


def test_without_a_task_a_line_names_none(logs):
    logs.set_up("console")
    logging.getLogger("prismq").info("early")

    assert logs.text[9:] == "  early\n"


class Terminal(io.StringIO):
    """A terminal of some encoding."""

    def __init__(self, encoding="utf-8"):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return True


def shown(level, stream):
    formatter = ConsoleFormatter(Redactor(), colour=shows_colours(stream), marks=shows_marks(stream))
    return formatter.format(logging.LogRecord("prismq", level, "", 0, "said", None, None))


@pytest.fixture
def environment(monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WT_SESSION", "1")
    return monkeypatch.setenv


def test_colours_are_for_terminals_and_end_with_the_line(environment):
    warning, info = shown(logging.WARNING, Terminal()), shown(logging.INFO, Terminal())

    assert warning.endswith("\x1b[33m! WARNING said\x1b[0m")
    assert info.endswith("\x1b[0m   said")
    assert "\x1b" not in shown(logging.WARNING, io.StringIO())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(environment, name, value):
    environment(name, value)

    assert "\x1b" not in shown(logging.ERROR, Terminal())


@pytest.mark.parametrize(
    ("stream", "term", "marks"),
    [
        (Terminal(), "xterm-256color", True),
        (Terminal(), "linux", False),
        (Terminal("ascii"), "xterm", False),
        (Terminal("cp1252"), "xterm", False),
        (Terminal("no-such-encoding"), "xterm", False),
        (io.StringIO(), "dumb", True),
    ],
)
def test_marks_are_plain_where_they_could_not_be_shown(environment, stream, term, marks):
    environment("TERM", term)

    assert shows_marks(stream) is marks


def test_plain_marks_tell_ends_apart(logs):
    formatter, shown = ConsoleFormatter(Redactor(), marks=False), []
    log = EventLog(FakeClock())
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(formatter.format(record)[9:])
    logger = logging.getLogger("prismq.worker")
    logger.addHandler(handler)
    logs.set_up("console")
    try:
        log(ev.OutcomeCommitted(REF, ev.End.COMPLETED, 1.0))
        log(ev.OutcomeCommitted(REF, ev.End.FAILED, 1.0, error="bad"))
        log(ev.ClaimEnded(REF, ev.End.LOST))
        log(ev.TaskStarted(REF))
    finally:
        logger.removeHandler(handler)

    assert [line[0] for line in shown] == ["+", "x", "~", ">"]
    assert all(line.isascii() for line in shown)
