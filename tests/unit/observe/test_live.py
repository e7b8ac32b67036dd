"""The view of a worker on a terminal."""

import io
import re
import sys
import threading

import pytest
from rich.console import Console

from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.live import MOST_TASKS, LiveView, live_view
from prismq_worker_sdk.observe.status import RunningTask, WorkerStatus

REF = ev.TaskRef("7b1f6a52-5d6b", "PrismQ.Test.Echo", 2)


def status(*running, reasons=(), **more):
    health = Health(live=True, ready=not reasons, reasons=reasons)
    given = {"worker_id": "w1", "version": "1", "server": "http://host/api", "phase": "running", "slots": 4}
    return WorkerStatus(**given, health=health, running=running, **more)


def task(number=0, **more):
    ref = ev.TaskRef(f"{number:08d}-5d6b", "PrismQ.Test.Echo", 1)
    given = {"state": "running", "seconds": 12.0, "percent": 40.0, "message": "page 3"} | more
    return RunningTask(ref=ref, **given)


@pytest.fixture
def view():
    return LiveView(Console(file=io.StringIO(), width=120))


def picture(view, now):
    out = Console(file=io.StringIO(), width=120)
    out.print(view.picture(now))
    return [line.rstrip() for line in out.file.getvalue().splitlines() if line.strip()]


def test_what_runs_is_shown_with_its_time_and_progress(view):
    head, line = picture(view, status(task(), waiting=3))

    assert head == "w1  running, 1 of 4 slots busy, 3 reports on their way"
    assert re.fullmatch(r"  PrismQ.Test.Echo 00000000  12s  ━+ +40 %  page 3", line)


def test_a_task_that_does_not_run_says_so_and_one_without_progress_has_no_bar(view):
    line = picture(view, status(task(state="stray", percent=None, message="")))[1]

    assert line.split() == ["PrismQ.Test.Echo", "00000000", "12s", "stray"]


def test_why_nothing_is_claimed_is_shown(view):
    now = status(reasons=("the server wants this worker quiet", "T: quota"))

    assert picture(view, now)[1:] == ["  the server wants this worker quiet", "  T: quota"]


def test_the_longest_are_shown_and_the_others_counted(view):
    lines = picture(view, status(*(task(number, seconds=float(number)) for number in range(MOST_TASKS + 5))))

    assert f"0000{MOST_TASKS + 4:04d}" in lines[1]
    assert lines[-1] == "  and 5 more"


def test_ends_are_counted_by_type_with_the_last_one(view):
    for end, seconds in ((ev.End.COMPLETED, 1.0), (ev.End.COMPLETED, 1.0), (ev.End.FAILED, 1.5)):
        view(ev.OutcomeCommitted(REF, end, seconds))
        view(ev.ClaimEnded(REF, end))
    view(ev.ClaimEnded(ev.TaskRef("t-2", "Other"), ev.End.LOST))
    header, other, echo = picture(view, status())[1:]

    assert header.split() == ["completed", "failed", "given", "back", "last"]
    assert echo.split() == ["PrismQ.Test.Echo", "2", "1", "✗", "7b1f6a52", "1.5s,", "0s", "ago"]
    assert other.split() == ["Other", "1", "↻", "t-2,", "0s", "ago"]


def test_hostile_texts_stay_on_their_line(view):
    evil = "[red]a\n\x1b[2Jb"
    hostile = RunningTask(ref=ev.TaskRef(evil, evil), state="running", seconds=1.0, message=evil)
    lines = picture(view, status(hostile, reasons=(evil,)))

    assert len(lines) == 3
    assert all(r"[red]a\n\x1b[2Jb" in line for line in lines[1:])


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def test_what_is_printed_meanwhile_stands_above_the_view_which_goes_in_the_end(terminal):
    before, looked = sys.stderr, threading.Event()

    def now():
        looked.set()
        return status(task())

    with LiveView(terminal).shown(now):
        assert looked.wait(10)
        print("a line of the log", file=sys.stderr)

    assert sys.stderr is before
    text = terminal.file.getvalue()
    assert "a line of the log\n" in text
    assert "page 3" in text[text.index("a line of the log") :]
    assert text.rstrip().endswith("\x1b[2K")


def test_a_terminal_that_goes_away_ends_the_view_and_nothing_else(terminal):
    def gone(_text):
        raise OSError(5, "Input/output error")

    terminal.file.write = gone
    with LiveView(terminal).shown(status):
        pass


@pytest.mark.parametrize(
    ("forced", "term", "there"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_there_is_a_view_on_a_terminal_that_can_show_it_only(monkeypatch, forced, term, there):
    monkeypatch.setenv("TERM", term)

    assert (live_view(Console(file=io.StringIO(), force_terminal=forced)) is not None) is there
