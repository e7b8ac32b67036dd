"""The screen of `prismq-worker demo`."""

import io

import pytest
from rich.console import Console

from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.terminal import Screen

REF = ev.TaskRef("7b1f6a52-5d6b", "PrismQ.Test.Echo", 2)


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def screen(out):
    return Screen(Console(file=out, width=140, highlight=False))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.TaskClaimed(REF), "task 7b1f6a52 claimed\n"),
        (ev.TaskProgressed(REF, 40.0, "page 1"), "task 7b1f6a52  40 %  page 1\n"),
        (ev.TaskProgressed(REF, 100.0), "task 7b1f6a52 100 %\n"),
        (ev.OutcomeCommitted(REF, ev.End.COMPLETED, 1.5), "task 7b1f6a52 completed in 1.5s\n"),
        (ev.OutcomeCommitted(REF, ev.End.COMPLETED, None), "task 7b1f6a52 completed\n"),
        (ev.OutcomeCommitted(REF, ev.End.FAILED, 1.5, error="bad"), "task 7b1f6a52 failed: bad\n"),
        (ev.ReportSettled(REF, Settlement.ACCEPTED), "task 7b1f6a52 report accepted\n"),
        (ev.TypePaused("T", "quota used up", 60.0), "worker        T is not claimed: quota used up\n"),
        (ev.Notice("warning", "look"), "worker        look\n"),
        (ev.Notice("info", "all is well"), ""),
        (ev.ApiCalled("claim", 0.1), ""),
        (ev.WorkerStopped(0, "done"), "worker        stopped with exit code 0: done\n"),
    ],
)
def test_an_event_is_a_line_when_it_is_worth_one(screen, out, event, said):
    screen(event)

    assert out.getvalue() == said


def test_every_kind_of_event_can_be_shown(screen, every_event, out):
    for event in every_event("x"):
        screen(event)

    assert "worker-1 claims PrismQ.Test.Echo" in out.getvalue()


def test_texts_are_shown_as_they_are_even_where_they_look_like_markup(screen, out):
    screen.say("[red]not red[/red] :smile:")
    screen.lines(["[bold]plain"])
    screen.heading("[1] first")
    screen.table([{"[a]": "[b]"}])

    assert "[red]not red[/red] :smile:" in out.getvalue()
    assert "  [bold]plain" in out.getvalue()
    assert "[1] first" in out.getvalue()
    assert "[b]" in out.getvalue()


def test_a_table_cuts_long_texts_but_no_address(screen, out):
    url = "https://www.youtube.com/shorts/" + "x" * 40
    screen.table([{"title": "long " * 30, "url": url}])

    assert "…" in out.getvalue()
    assert url in out.getvalue()


def test_in_a_narrow_terminal_texts_give_way_to_addresses_and_no_column_is_lost(out):
    narrow = Screen(Console(file=out, width=80, highlight=False))
    url = "https://www.youtube.com/shorts/" + "x" * 11
    narrow.table([{"title": "long " * 30, "channel": "c" * 30, "seconds": "45", "url": url}])
    header, line = out.getvalue().splitlines()

    assert header.split() == ["title", "channel", "seconds", "url"]
    assert url in line
    assert " 45 " in line


def test_where_an_address_does_not_fit_beside_the_rest_each_cell_gets_a_line(out):
    narrow = Screen(Console(file=out, width=60, highlight=False))
    url = "https://www.youtube.com/shorts/" + "x" * 11
    narrow.table([{"title": "First", "seconds": "45", "channel": "Someone", "url": url}])

    assert out.getvalue().splitlines() == ["  First", "  45", "  Someone", f"  {url}"]


def test_an_empty_table_says_so(screen, out):
    screen.table([])

    assert out.getvalue() == "  nothing\n"
