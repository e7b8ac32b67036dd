"""The console log: lines for people."""

import logging
import re

from prismq_worker_sdk.handlers.context import TaskLog
from tests.support.task_scope import task_scope


def test_a_line_says_when_how_grave_what_and_where(logs, ref):
    logs.set_up("console")
    with task_scope(ref):
        TaskLog().info("page read", shorts=25)

    assert re.match(r"\d\d:\d\d:\d\d INFO    page read shorts=25 worker=worker-1 ", logs.text)
    assert logs.text.endswith(" task=7b1f6a52-5d6b type=PrismQ.Test.Echo attempt=2\n")


def test_a_traceback_stands_below_its_line(logs):
    logs.set_up("console")
    logging.getLogger("prismq").error("it broke", exc_info=ValueError("bad"))

    first, *rest = logs.text.splitlines()
    assert "it broke worker=worker-1" in first
    assert rest == ["    ValueError: bad"]


def test_no_line_of_a_traceback_passes_for_a_line_of_the_log(logs):
    logs.set_up("console")
    forged = "12:00:00 INFO    all is well\x1b[0m"
    logging.getLogger("prismq").error("it broke", exc_info=ValueError(f"bad\n{forged}"))

    assert logs.text.splitlines()[1:] == ["    ValueError: bad", "    12:00:00 INFO    all is well\\x1b[0m"]


def test_colours_are_used_where_they_were_asked_for_and_end_with_the_line(logs):
    logs.set_up("console", colour=True)
    logging.getLogger("prismq").warning("careful")
    logging.getLogger("prismq").info("all is well")

    warning, info = logs.text.splitlines()
    assert (warning[:5], warning[-4:]) == ("\x1b[33m", "\x1b[0m")
    assert "\x1b" not in info


def test_without_a_worker_and_a_task_a_line_names_neither(logs):
    logs.set_up("console", worker_id="")
    logging.getLogger("prismq").info("early")

    assert logs.text.endswith("INFO    early\n")
