"""What pages are made of: words, charts, times of attempts, and how often an open page asks again."""

import time
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.taskmanager.pages import charts, pace, words
from prismq_worker_sdk.taskmanager.pages.site import Answers
from prismq_worker_sdk.taskmanager.pages.task import timeline
from prismq_worker_sdk.taskmanager.pages.viewers import place_of_this_site


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0123, "12 ms"),
        (3.25, "3.2 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
        (86400, "1 d"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(seconds, said):
    assert words.span(seconds) == said


def test_a_time_is_given_to_the_browser_and_escaped():
    assert 'datetime="1970-01-01T00:00:01.000Z"' in words.since(1.0)
    assert "<b>" not in words.since("<b>")


def test_a_name_may_be_broken_behind_its_dots_and_is_escaped():
    assert words.breakable("A.<b>") == "A.<wbr>&lt;b&gt;"


def test_a_sparkline_has_a_bar_for_each_number_above_none():
    drawn = charts.sparkline([0, 5, 10], "completed", "15 <done>")
    assert drawn.count("M") == 2
    assert "&lt;done&gt;" in drawn


def test_charts_of_nothing_are_drawn():
    assert 'd=""' in charts.sparkline([], "failed", "none")
    assert 'width="0.0"' in charts.gauge(0, 0, 0)


def test_a_short_attempt_can_be_seen_and_none_goes_beyond_the_end():
    assert 'width="0.60"' in charts.bar(0.5, 0.5, "failed", "attempt 1")
    assert 'x="99.40"' in charts.bar(1.0, 1.0, "failed", "attempt 1")


def test_attempts_stand_in_the_time_of_all_of_them_the_latest_first():
    claims = [
        SimpleNamespace(claimed_at=100.0, ended_at=110.0),
        SimpleNamespace(claimed_at=115.0, ended_at=None),
    ]
    found = timeline(claims, 120.0)
    assert [(one.begin, one.end) for one in found] == [(0.75, 1.0), (0.0, 0.5)]
    assert timeline([], 5.0) == []


@pytest.mark.parametrize(
    ("pages", "cost", "again_in"), [(1, 0.01, 1.5), (200, 0.0005, 1.5), (200, 0.0021, 6.0)]
)
def test_open_pages_ask_later_the_more_they_cost(monkeypatch, pages, cost, again_in):
    now = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    found, due = pace.Pace(), [1000.0 + number / pages for number in range(pages)]
    while now[0] < 1100:
        now[0] = due.pop(0)
        wait = found.again_in()
        found.add(cost, wait)
        due.append(now[0] + wait)
        due.sort()
    assert found.again_in() == pytest.approx(again_in, rel=0.3)


@pytest.mark.parametrize(
    "wanted",
    [
        "https://other.example/",
        "//other.example",
        "/\\other.example",
        "javascript:alert(1)",
        "",
        "a",
        "//[",
        "/\t/a",
    ],
)
def test_after_signing_in_nobody_is_led_to_another_site(wanted):
    assert place_of_this_site(wanted) == "/"


def test_after_signing_in_the_page_comes_that_was_asked_for():
    assert place_of_this_site("/tasks?type=A.B&q=1") == "/tasks?type=A.B&q=1"


def test_pages_are_kept_no_longer_than_they_are_shared(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    answers = Answers()
    answers.put("one", "text")
    now[0] = 2.0
    answers.put("other", "text")
    assert (answers.get("one"), answers.get("other"), list(answers._made)) == (None, "text", ["other"])
