"""What a process of a handler prints, as lines of the log."""

import io

import pytest

from prismq_worker_sdk.testing import FakeClock
from prismq_worker_sdk.worker.isolation.child_output import (
    BAR_SECONDS,
    MOST_A_SECOND,
    MOST_AT_ONCE,
    ChildOutput,
)


class Printed:
    """What came of what was printed."""

    def __init__(self):
        self.clock = FakeClock()
        self.lines = []
        self.output = ChildOutput(lambda text, extra: self.lines.append((text, extra)), self.clock.monotonic)

    def takes(self, text, extra=None):
        for piece in iter(io.StringIO(text, newline="").readline, ""):
            self.output.take(piece, extra or {})

    @property
    def texts(self):
        return [text for text, _extra in self.lines]


@pytest.fixture
def printed():
    return Printed()


def test_each_line_is_a_line_whatever_its_end(printed):
    printed.takes("one\ntwo\r\n\n  three\nhalf")

    assert printed.texts == ["one", "two", "  three", "half"]


def test_a_progress_bar_is_told_now_and_then_and_as_it_was_at_last(printed):
    for number in range(1000):
        printed.takes(f"{number}/1000 \r")
        printed.clock.turn(0.01)
    printed.takes("1000/1000\ndone\n")

    assert printed.texts[0] == "0/1000 "
    assert printed.texts[-2:] == ["1000/1000", "done"]
    assert len(printed.texts) <= 3 + 10 / BAR_SECONDS


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_last_state_of_a_bar_is_told_at_its_end(printed, end):
    printed.takes("1 %\r50 %\r100 %\r" + end)
    printed.output.end()

    assert printed.texts == ["1 %", "100 %"]


def test_a_line_over_a_bar_takes_its_place_as_on_a_screen(printed):
    printed.takes("1 %\r50 %\rbroken\n")

    assert printed.texts == ["1 %", "broken"]


def test_the_bar_of_one_task_is_not_told_as_the_next_ones(printed):
    printed.takes("1 %\r50 %\r", {"task": 1})
    printed.takes("hello\n", {"task": 2})

    assert printed.lines == [("1 %", {"task": 1}), ("50 %", {"task": 1}), ("hello", {"task": 2})]


def test_colours_and_movements_of_the_cursor_are_left_out(printed):
    printed.takes("\x1b[1;31mred\x1b[0m\n\x1b]0;title\x07\x1b[2K\x1b[1Gplain\n\x1b[A\x1b[K\n")

    assert printed.texts == ["red", "plain"]


def test_a_flood_is_bounded_and_what_is_left_out_is_counted(printed):
    printed.takes("x\n" * (MOST_AT_ONCE + 500))
    assert len(printed.lines) == MOST_AT_ONCE

    printed.clock.turn(1.0)
    printed.takes("y\n" * 2 * MOST_A_SECOND)
    printed.output.end()

    assert printed.texts.count("y") == MOST_A_SECOND
    assert [text for text in printed.texts if "left out" in text] == [
        f"500 lines of output are left out: more than {MOST_A_SECOND} a second",
        f"{MOST_A_SECOND} lines of output are left out: more than {MOST_A_SECOND} a second",
    ]
