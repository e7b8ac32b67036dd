"""What comes from a server or a handler cannot pass for a line of the log."""

import json
import logging

from prismq_worker_sdk.handlers.context import TaskLog
from prismq_worker_sdk.model.events import End, Notice, OutcomeCommitted, TaskRef
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.testing import FakeClock
from tests.support.task_scope import task_scope

FORGED = "12:00:00   all is well"
EVIL = f"t1\n{FORGED}\r\x1b[2K"


def test_a_task_id_or_a_type_with_line_breaks_stays_on_its_line(logs):
    logs.set_up("console")
    with task_scope(TaskRef(EVIL, EVIL)):
        logging.getLogger("prismq").info("begun")

    assert len(logs.text.splitlines()) == 1
    assert rf" t1\n{FORGED}\r\x1b[2K t1\n12:0" in logs.text


def test_a_field_with_line_breaks_stays_on_its_line(logs, ref):
    logs.set_up("console")
    with task_scope(ref):
        TaskLog().info("page read", title=EVIL)

    assert len(logs.text.splitlines()) == 1
    assert r"title=t1\n12:00:00" in logs.text


def test_the_further_lines_of_a_message_are_indented_and_control_characters_shown(logs):
    logs.set_up("console")
    EventLog(FakeClock())(Notice("warning", EVIL))

    first, second = logs.text.splitlines()
    assert " t1" in first
    assert second == rf"           {FORGED}\r\x1b[2K"
    assert "\x1b" not in logs.text


def test_the_error_of_a_handler_is_indented_too(logs):
    logs.set_up("console")
    EventLog(FakeClock())(OutcomeCommitted(TaskRef("t", "T"), End.FAILED, 1.0, error=EVIL, error_type="E"))

    assert [line for line in logs.text.splitlines() if line.startswith(FORGED)] == []


def test_as_json_a_line_is_an_object_whatever_it_tells(logs):
    logs.set_up("json")
    with task_scope(TaskRef(EVIL, EVIL)):
        logging.getLogger("prismq").error(EVIL)

    (line,) = logs.text.splitlines()
    assert (json.loads(line)["task"], json.loads(line)["message"]) == (EVIL, EVIL)


def test_letters_of_every_language_are_left_alone():
    assert one_line("žluťoučký 日本 🙂") == "žluťoučký 日本 🙂"
