import logging

import pytest

from prismq_worker_sdk.handlers.context import TaskLog


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def records():
    kept, logger = Kept(), logging.getLogger("prismq.task")
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept.records
    logger.removeHandler(kept)
    logger.setLevel(level)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_line_carries_its_level_and_its_fields(records, level):
    getattr(TaskLog(), level)("page read", shorts=25, levels="mine")
    (record,) = records

    assert (record.levelname, record.getMessage(), record.name) == (level.upper(), "page read", "prismq.task")
    assert record.fields == {"shorts": 25, "levels": "mine"}


def test_a_line_points_at_the_place_that_wrote_it(records):
    TaskLog().info("here")
    try:
        raise KeyError("k")
    except KeyError:
        TaskLog().exception("there")

    assert [record.funcName for record in records] == ["test_a_line_points_at_the_place_that_wrote_it"] * 2


def test_an_exception_comes_with_its_traceback(records):
    try:
        raise KeyError("k")
    except KeyError:
        TaskLog().exception("it broke", n=1)
    (record,) = records

    assert (record.levelname, record.exc_info[0], record.fields) == ("ERROR", KeyError, {"n": 1})


def test_a_percent_sign_is_text(records):
    TaskLog().info("100% of %s", n=1)

    assert records[0].getMessage() == "100% of %s"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "exception"])
def test_fields_may_have_any_name(records, level):
    fields = {"name": "a", "args": 1, "message": "m", "exc_info": True, "level": 2, "self": 3}
    getattr(TaskLog(), level)("x", **fields)

    assert records[0].fields == fields


def test_lines_go_to_the_logger_that_was_given(caplog):
    caplog.set_level(logging.DEBUG, logger="other")
    TaskLog(logging.getLogger("other")).debug("x")

    assert [record.name for record in caplog.records] == ["other"]
