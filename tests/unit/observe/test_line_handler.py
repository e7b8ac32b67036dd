import io
import logging
import os
import threading

import pytest

from prismq_worker_sdk.observe import log_lines
from prismq_worker_sdk.observe.log_lines import MOST_LINES, TOGETHER, LineHandler


class Slow(io.StringIO):
    """A stream whose reader stands still until the gate opens."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def write(self, text):
        self.gate.wait(10)
        return super().write(text)


def record(text, logger="prismq.worker"):
    return logging.LogRecord(logger, logging.INFO, "", 0, text, None, None)


def test_lines_are_written_in_order():
    out = io.StringIO()
    handler = LineHandler(out)
    for number in range(100):
        handler.emit(record(f"line {number}"))
    handler.flush()

    assert out.getvalue().splitlines() == [f"line {number}" for number in range(100)]


def test_a_reader_that_stands_still_costs_lines_and_not_the_worker(monkeypatch):
    monkeypatch.setattr(log_lines, "FLUSH_SECONDS", 0.01)
    out = Slow()
    handler = LineHandler(out)
    for number in range(MOST_LINES + 2 * TOGETHER):
        handler.emit(record(f"line {number}"))
    handler.flush()
    out.gate.set()
    monkeypatch.setattr(log_lines, "FLUSH_SECONDS", 10.0)
    handler.flush()

    lines = out.getvalue().splitlines()
    told = [line for line in lines if "log lines were dropped" in line]
    assert len(told) == 1
    assert len(lines) - 1 + int(told[0].split()[0]) == MOST_LINES + 2 * TOGETHER


def test_a_line_that_the_stream_cannot_carry_costs_none_beside_it():
    out = Slow()
    kept, handler = io.StringIO(), LineHandler(out)

    def write(text):
        out.gate.wait(10)
        return kept.write(text.encode("ascii").decode())

    out.write = write
    for text in ("first", "second", "thïrd", "fourth"):
        handler.emit(record(text))
    out.gate.set()
    handler.flush()
    handler.emit(record("last"))
    handler.flush()

    lines = kept.getvalue().splitlines()
    assert [line for line in lines if "dropped" not in line] == ["first", "second", "fourth", "last"]
    assert sum("1 log lines were dropped" in line for line in lines) == 1


def test_lines_that_wait_are_written_in_one_go():
    out = Slow()
    writes = []
    handler = LineHandler(out)
    handler.emit(record("first"))
    out.write = lambda text: (out.gate.wait(10), writes.append(text))
    for number in range(TOGETHER):
        handler.emit(record(f"line {number}"))
    out.gate.set()
    handler.flush()

    assert len(writes) <= 2
    assert "".join(writes).splitlines()[-TOGETHER:] == [f"line {number}" for number in range(TOGETHER)]


@pytest.mark.parametrize("logger", ["prismq.task.output", "prismq.task", "some.library"])
def test_what_handlers_and_libraries_say_does_not_crowd_out_lines_of_the_worker(logger):
    out = Slow()
    handler = LineHandler(out)
    for number in range(2 * MOST_LINES):
        handler.emit(record("noise", logger))
        if number % 10 == 0:
            handler.emit(record(f"own {number}"))
    out.gate.set()
    handler.flush()

    lines = out.getvalue().splitlines()
    assert [line for line in lines if line.startswith("own")] == [
        f"own {number}" for number in range(0, 2 * MOST_LINES, 10)
    ]
    assert any("log lines were dropped" in line for line in lines)


def test_the_formatter_that_takes_secrets_out_is_not_replaced():
    out = io.StringIO()
    handler = LineHandler(out)
    handler.setFormatter(logging.Formatter("first %(message)s"))
    handler.setFormatter(logging.Formatter("second %(message)s"))
    handler.emit(record("said"))
    handler.flush()

    assert out.getvalue() == "first said\n"


def test_a_stream_that_is_closed_is_borne():
    read, write = os.pipe()
    os.close(read)
    out = os.fdopen(write, "w")
    handler = LineHandler(out)
    handler.emit(record("into nothing"))
    handler.flush()
    with pytest.raises(BrokenPipeError):
        out.close()
    closed = io.StringIO()
    closed.close()
    other = LineHandler(closed)
    other.emit(record("into nothing"))
    other.flush()


def test_a_record_that_cannot_be_formatted_raises_nothing():
    handler = LineHandler(io.StringIO())
    handler.emit(logging.LogRecord("t", logging.INFO, "", 0, "%d", ("x",), None))
    handler.flush()
