"""A library sets logging up anew, and the worker's own lines go on."""

import io
import logging
import logging.config
import sys

import pytest

from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.observe.log_lines import SILENCED, TAKEN
from prismq_worker_sdk.testing import FakeClock

INI = """
[loggers]
keys=root
[handlers]
keys=h
[formatters]
keys=
[logger_root]
level=ERROR
handlers=h
[handler_h]
class=StreamHandler
args=()
"""
ANEW = {
    "dictConfig": lambda: logging.config.dictConfig({"version": 1}),
    "dictConfig of the root": lambda: logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}}),
    "fileConfig": lambda: logging.config.fileConfig(io.StringIO(INI)),
    "basicConfig": lambda: logging.basicConfig(force=True, level="ERROR"),
    "the level of ours": lambda: logging.getLogger("prismq").setLevel("CRITICAL"),
    "the level of every handler": lambda: [
        handler.setLevel("CRITICAL") for handler in logging.getLogger().handlers
    ],
    "the format of every handler": lambda: [
        handler.setFormatter(logging.Formatter("%(message)s")) for handler in logging.getLogger().handlers
    ],
    "no propagation": lambda: setattr(logging.getLogger("prismq"), "propagate", False),
}


def loggers():
    return [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]


@pytest.fixture
def listener(logs):
    """Writes events as a worker does that owns its process; everything is as it was afterwards."""
    before = {logger.name: logger.disabled for logger in loggers()}
    handlers = [(handler, handler.level, handler.formatter) for handler in logging.getLogger().handlers]
    logs.set_up(level="INFO", secrets=["a-known-secret"])
    yield EventLog(FakeClock(), logs.guard)
    logging.disable(logging.NOTSET)
    for handler, level, formatter in handlers:
        handler.setLevel(level)
        handler.setFormatter(formatter)
    for logger in loggers():
        logger.disabled = before.get(logger.name, False)
    logging.getLogger("prismq").propagate = True


@pytest.mark.parametrize("anew", ANEW.values(), ids=ANEW)
def test_events_are_written_on_and_it_is_told_once(logs, listener, anew):
    listener(Notice("info", "one"))
    for text in ("two", "three"):
        anew()
        listener(Notice("info", text))

    assert [line["message"] for line in logs.lines] == ["one", TAKEN, "two", "three"]
    assert logging.getLogger().handlers[0] is logs.guard._handler


def test_lines_of_handlers_and_libraries_go_on_too(logs, listener):
    ANEW["fileConfig"]()
    listener(Notice("info", "an event"))
    logging.getLogger("prismq.task").info("a handler's")
    logging.getLogger("some.library").error("a-known-secret")

    assert [line["message"] for line in logs.lines][1:] == ["an event", "a handler's", "[redacted]"]
    assert not any(getattr(one, "stream", None) is sys.stderr for one in logging.getLogger().handlers)


def test_a_handler_that_a_plugin_added_stays_and_hears_the_events(logs, listener):
    heard = []
    added = logging.Handler()
    added.emit = heard.append
    logging.getLogger().addHandler(added)
    listener(Notice("info", "before"))
    logging.getLogger().removeHandler(logs.guard._handler)
    listener(Notice("info", "after"))

    assert [record.getMessage() for record in heard] == ["before", "after"]
    assert [line["message"] for line in logs.lines] == ["before", TAKEN, "after"]


def test_where_logging_is_switched_off_only_events_are_written_and_it_is_told_once(logs, listener):
    logging.disable()
    for text in ("one", "two"):
        listener(Notice("info", text))
        logging.getLogger("some.library").error("no")

    assert [line["message"] for line in logs.lines] == [SILENCED, "one", "two"]


def test_a_fatal_error_is_written_too(logs, listener):
    ANEW["dictConfig"]()
    sys.excepthook(ValueError, ValueError("broken"), None)

    assert [line["level"] for line in logs.lines] == ["WARNING", "CRITICAL"]
    assert "ValueError: broken" in logs.lines[1]["exception"]


def test_the_level_that_was_asked_for_is_kept_to(logs, listener):
    listener(Notice("debug", "small"))
    logging.disable()
    listener(Notice("debug", "small"))

    assert logs.text == ""
