import logging
import sys

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
    fields = {"name": "a", "args": 1, "message": "m", "msg": True, "level": 2, "self": 3}
    getattr(TaskLog(), level)("x", **fields)

    assert records[0].fields == fields


def test_lines_go_to_the_logger_that_was_given(caplog):
    caplog.set_level(logging.DEBUG, logger="other")
    TaskLog(logging.getLogger("other")).debug("x")

    assert [record.name for record in caplog.records] == ["other"]


@pytest.mark.parametrize(
    ("message", "arguments", "said"),
    [
        ("step %s", (3,), "step 3"),
        ("%d of %(n)s", (), "%d of %(n)s"),
        ("%(page)d of %(pages)d", ({"page": 1, "pages": 2},), "1 of 2"),
        (KeyError("k"), (), "'k'"),
        ("step %d", ("three",), "'step %d' (its arguments do not fit: TypeError("),
        ("step", (3,), "'step' (its arguments do not fit: TypeError("),
    ],
)
def test_a_message_takes_arguments_as_logging_does_and_wrong_ones_raise_nothing(
    records, message, arguments, said
):
    kept = []
    TaskLog(keep=kept.append).info(message, *arguments, n=1)

    for record in (*records, *kept):
        assert record.getMessage().startswith(said)
        assert record.fields == {"n": 1}


class Counted:
    """Counts how often it is shown."""

    shown = 0

    def __str__(self):
        self.shown += 1
        return "me"


def test_a_message_that_nobody_takes_is_not_formatted(records):
    logging.getLogger("prismq.task").setLevel(logging.INFO)
    value = Counted()
    TaskLog(keep=records.append).debug("%s", value)

    assert (records, value.shown) == ([], 0)


@pytest.mark.parametrize("of", [lambda error: True, lambda error: error, lambda _error: sys.exc_info()])
def test_an_exception_can_be_given_as_to_logging(records, of):
    kept = []
    try:
        raise KeyError("k")
    except KeyError as error:
        TaskLog(keep=kept.append).warning("it broke", exc_info=of(error))

    assert [record.exc_info[0] for record in (*records, *kept)] == [KeyError] * 2


@pytest.mark.parametrize("given", [False, None, (), (1, 2), 0])
def test_what_is_no_exception_shows_none(records, given):
    TaskLog().error("x", exc_info=given, stack_info=given, stacklevel=given)

    assert not records[0].exc_info


def test_the_other_keywords_of_logging_mean_what_they_mean_there(records):
    def by_way_of():
        TaskLog().info("x", stack_info=True, stacklevel=2, extra={"shorts": 25}, page=3)

    by_way_of()
    (record,) = records

    assert record.stack_info.startswith("Stack (most recent call last)")
    assert record.funcName == "test_the_other_keywords_of_logging_mean_what_they_mean_there"
    assert record.fields == {"shorts": 25, "page": 3}
