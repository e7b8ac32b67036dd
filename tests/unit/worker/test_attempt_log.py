"""The log of an attempt: bounded, counted, sent once, and its last lines kept for the report."""

import logging

import pytest

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.log import LogPart
from prismq_worker_sdk.worker.attempt_log import LONGEST_LINE, PRESSING_BYTES, REPORT_BYTES, AttemptLog

PLENTY = 256 * 1024


def log_of(lines=1000, size=PLENTY):
    log = AttemptLog()
    log.bound_by(Capabilities(max_log_lines=lines, max_log_bytes=size))
    return log


def put(log, *texts, level=logging.INFO):
    records = [logging.LogRecord("prismq.task", level, "", 0, text, None, None) for text in texts]
    return [log.add(record, logging.LogRecord.getMessage) for record in records]


def texts(part):
    return [line.text for line in part.lines]


def test_lines_go_in_their_order_until_they_are_acknowledged():
    log = log_of()
    put(log, "one", "two")
    part = log.part(PLENTY)
    assert (part.first, texts(part), part.logged) == (1, ["one", "two"], 2)
    put(log, "three")
    assert texts(log.part(PLENTY)) == ["one", "two", "three"], "nobody knows whether the first two came"
    log.acknowledge(part)
    part = log.part(PLENTY)

    assert (part.first, texts(part), part.logged) == (3, ["three"], 3)
    log.acknowledge(part)
    assert (log.has_news, log.part(PLENTY), log.ending()) == (False, None, None)


def test_as_many_lines_go_as_there_is_room_for():
    log = log_of()
    put(log, *["x" * 10] * 5)

    assert texts(log.part(35)) == ["x" * 10] * 3
    assert log.part(5) is None


def test_what_is_left_goes_with_the_report():
    log = log_of()
    put(log, "one", "two")
    log.acknowledge(log.part(3))

    part = log.ending("Traceback: boom", at=5.0)
    assert (part.first, texts(part), part.logged) == (2, ["two", "Traceback: boom"], 3)
    assert (part.lines[-1].at, part.lines[-1].level) == (5.0, "error")
    assert log.ending("Traceback: boom", at=5.0) == part, "as often as the disk needs"


def test_lines_beyond_the_bound_are_counted_only():
    log = log_of(lines=10)
    put(log, *map(str, range(25)))
    part = log.part(PLENTY)
    log.acknowledge(part)
    last = log.ending()

    assert texts(part) + texts(last) == list(map(str, range(10)))
    assert (last.first, last.logged) == (10, 25)


def test_bytes_beyond_the_bound_are_counted_only():
    log = log_of(size=100_000)
    put(log, *["ä" * 5_000] * 15)

    assert len(log.part(PLENTY).lines) == 8, "room is kept for a traceback"
    assert sum(len(text.encode()) for text in texts(log.ending())) <= REPORT_BYTES
    assert log.ending().logged == 15


def test_a_full_log_ends_with_the_traceback_in_the_place_of_its_last_line():
    log = log_of(lines=10)
    put(log, *map(str, range(25)))
    log.acknowledge(log.part(PLENTY))
    part = log.ending("boom")

    assert (part.first, texts(part), part.logged) == (10, ["boom"], 26)


@pytest.mark.parametrize("size", [PLENTY, 40_000])
def test_a_log_full_of_bytes_has_room_for_the_longest_traceback(size):
    log = log_of(size=size)
    put(log, *["x" * 3_000] * 100)
    part = log.ending("y" * 20_000)

    assert len(texts(part)[-1].encode()) == LONGEST_LINE
    assert log._size <= size


def test_a_report_takes_the_last_lines_and_the_gap_before_them_is_told():
    log = log_of()
    put(log, *["x" * 1_000] * 100)
    part = log.ending()

    assert len(part.lines) == REPORT_BYTES // 1_000
    assert part.first == 101 - len(part.lines)


def test_it_says_once_that_more_waits_than_the_report_takes():
    log = log_of()
    told = put(log, *["x" * 1_000] * 60)

    assert told.index(True) == PRESSING_BYTES // 1_000
    assert told.count(True) == 1
    assert log.is_pressing
    log.acknowledge(log.part(PLENTY))
    assert not log.is_pressing


def test_a_server_that_takes_nothing_is_told_nothing():
    log = AttemptLog()
    log.bound_by(Capabilities())

    assert not log.takes
    assert log.ending("boom") is None


def test_a_line_that_cannot_be_shown_is_told_as_such():
    log = log_of()

    def breaks(_record):
        raise RuntimeError

    log.add(logging.LogRecord("prismq.task", logging.INFO, "", 0, "x", None, None), breaks)
    assert texts(log.part(PLENTY)) == ["(a line that cannot be shown)"]


@pytest.mark.parametrize(
    ("level", "name"),
    [(5, "debug"), (10, "debug"), (20, "info"), (25, "info"), (30, "warning"), (40, "error"), (50, "error")],
)
def test_every_level_has_a_name_on_the_wire(level, name):
    log = log_of()
    put(log, "x", level=level)

    assert log.part(PLENTY).lines[0].level == name


def test_a_lone_surrogate_is_shown_and_a_long_line_is_cut_between_characters():
    log = log_of()
    put(log, "\udcff", "ä" * 20_000)
    odd, long = texts(log.part(PLENTY))

    assert odd == "\\udcff"
    assert long.endswith("ä…")
    assert LONGEST_LINE - 2 <= len(long.encode()) <= LONGEST_LINE


def test_r09_under_another_claim_the_numbers_begin_anew():
    log = log_of()
    put(log, "one", "two")
    log.acknowledge(log.part(3))
    log.rebind()

    part = log.part(PLENTY)
    assert (part.first, texts(part), part.logged) == (1, ["two"], 1)


def test_what_is_stored_is_read_as_it_was():
    log = log_of()
    put(log, "one", "zwei ü")
    part = log.ending()

    assert LogPart.parse(part.text()) == part
