"""A canary secret goes in everywhere and comes out of no sink."""

import io
import json
import logging
import sys
import threading
import warnings
from urllib.parse import quote_plus

import pytest
from rich.console import Console

from prismq_worker_sdk.decide.redaction import MARK, Redactor
from prismq_worker_sdk.handlers.context import TaskLog
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.observe.metrics import PrometheusMetrics
from prismq_worker_sdk.observe.statistics import Statistics
from prismq_worker_sdk.observe.terminal import Screen
from prismq_worker_sdk.testing.clock import FakeClock

CANARY = "kanarie/4711+geheim"
TRACES = ("kanarie", "4711", "geheim")
THIRD = logging.getLogger("third.party")


class Shown:
    """An object of somebody else's that shows what it holds."""

    def __str__(self):
        return f"<connection to {CANARY}>"

    __repr__ = __str__


def raised():
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(f"GET /search?key={quote_plus(CANARY)} failed") from error
    except ValueError as error:
        error.__notes__ = [f"sent with {CANARY}"]
        return error


def in_a_thread():
    def broken():
        raise ValueError(CANARY)

    thread = threading.Thread(target=broken, name=f"asks {CANARY}")
    thread.start()
    thread.join()


def at_the_end():
    class Broken:
        def __del__(self):
            raise ValueError(CANARY)

    Broken()


def warned():
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"used {CANARY}", UserWarning, stacklevel=1)


WAYS = {
    "message": lambda: THIRD.warning("used " + CANARY),
    "arguments": lambda: THIRD.warning("used %s in %r", CANARY, {"header": CANARY}),
    "named arguments": lambda: THIRD.warning("used %(key)s", {"key": CANARY}),
    "arguments that do not fit": lambda: THIRD.warning("used " + CANARY + " %d", CANARY),
    "message that is an object": lambda: THIRD.warning(Shown()),
    "message that is an exception": lambda: THIRD.warning(raised()),
    "exc_info": lambda: THIRD.warning("it broke", exc_info=raised()),
    "extra": lambda: THIRD.warning("x", extra={"api_key": CANARY, "header": CANARY}),
    "fields": lambda: TaskLog().warning("x", header=CANARY, deep={"a": [(CANARY,)]}),
    "names of fields": lambda: THIRD.warning("x", extra={"fields": {CANARY: 1, "deep": {CANARY: 1}}}),
    "object in fields": lambda: TaskLog().warning("x", connection=Shown(), more=[{"a": Shown()}]),
    "fields that are no JSON": lambda: TaskLog().warning(
        "x", odd={(CANARY,): Shown()}, header=CANARY, n=float("nan")
    ),
    "bytes in fields": lambda: TaskLog().warning("x", body=f"key={CANARY}".encode()),
    "exception of a task": lambda: TaskLog().error("x", error=raised()),
    "URL": lambda: THIRD.warning("GET https://host/?%s", quote_plus(CANARY)),
    "JSON in a text": lambda: THIRD.warning("body %s", json.dumps({"a": json.dumps(CANARY)})),
    "warning": warned,
    "fatal error": lambda: sys.excepthook(ValueError, raised(), None),
    "error that ends a thread": in_a_thread,
    "error that the interpreter ignores": at_the_end,
}


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_known_secret_is_in_no_line_of_the_log(logs, log_format, way):
    logs.set_up(log_format, secrets=[CANARY])
    way()

    assert logs.text
    assert not [trace for trace in TRACES if trace in logs.text]


def test_an_event_log_line_holds_no_secret(logs, every_event):
    for log_format in ("json", "console"):
        logs.set_up(log_format, secrets=[CANARY])
        log = EventLog(FakeClock())
        for event in every_event(CANARY):
            log(event)

    assert logs.text.count(MARK) > 30
    assert not [trace for trace in TRACES if trace in logs.text]


def test_statistics_and_metrics_hold_no_text_of_an_event(every_event):
    statistics, metrics = Statistics(FakeClock()), PrometheusMetrics()
    for event in every_event(CANARY):
        statistics(event)
        metrics(event)
    shown = "\n".join(
        [*statistics.snapshot().lines(), str(statistics.snapshot().as_dict()), metrics.expose().decode()]
    )

    assert "claim" in shown
    assert not [trace for trace in TRACES if trace in shown]


def test_the_terminal_shows_no_secret(every_event):
    out = io.StringIO()
    screen = Screen(Console(file=out, width=140, highlight=False), Redactor([CANARY]))
    for event in every_event(CANARY):
        screen(event)
    screen.say(f"at {CANARY}")
    screen.heading(f"about {CANARY}")
    screen.lines([f"line {CANARY}"])
    screen.table([{"title": CANARY, "url": f"https://host/?key={quote_plus(CANARY)}"}])

    assert out.getvalue().count(MARK) > 10
    assert not [trace for trace in TRACES if trace in out.getvalue()]


def test_a_listener_that_raises_with_a_secret_does_not_log_it(logs, every_event):
    logs.set_up(secrets=[CANARY])

    def broken(event):
        raise ValueError(CANARY)

    EventBus([broken]).emit(every_event()[0])

    assert "ValueError" in logs.only["exception"]
    assert CANARY not in logs.text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_that_nobody_made_known_is_found_by_name_and_shape(logs, log_format):
    logs.set_up(log_format)
    TaskLog().info("asked", api_key=CANARY, headers={"X-API-Key": CANARY}, url=f"https://host/?key={CANARY}")
    THIRD.warning("sent Authorization: Bearer %s", CANARY)

    assert logs.text.count(MARK) == 4
    assert CANARY not in logs.text


def test_a_key_that_was_changed_is_redacted_from_then_on(logs):
    redactor = Redactor(["the-first-key"])
    out = io.StringIO()
    screen = Screen(Console(file=out, width=140, highlight=False), redactor)
    redactor.learn(CANARY)
    screen.say(f"the-first-key and {CANARY}")

    assert out.getvalue() == f"{MARK} and {MARK}\n"
