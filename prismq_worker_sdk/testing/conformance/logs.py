"""The bundle logs: lines that ride on renewals and reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from prismq_worker_sdk.testing.conformance.checks import NotChecked, bundle, holds, same
from prismq_worker_sdk.testing.conformance.trial import Task, Trial

check = bundle("logs")
MOST_SENT = 5000


@check()
def lines_are_shown_in_their_order(server: Trial) -> None:
    """The lines of renewals and of the report are shown in their order, with the attempt, time and level of each."""
    task = _claimed(server)
    same("a renewal with lines", server.renew(task, log=_log(["a", "ž"])), "renewed")
    same("a report with lines", server.report(task, log=_log(["c"], first=3, level="error")), "accepted")
    lines = _page(server, task)["lines"]
    found = [(line["attempt"], line["level"], line["text"]) for line in lines]
    same("the lines", found, [(1, "info", "a"), (1, "info", "ž"), (1, "error", "c")])


@check()
def lines_that_come_again_are_passed_over(server: Trial) -> None:
    """Lines that were sent before, by their number, are not stored again: a call may be repeated."""
    task = _claimed(server)
    for texts in (["a", "b"], ["a", "b"], ["a", "b", "c"]):
        same("the renewal", server.renew(task, log=_log(texts)), "renewed")
    same("the lines", _texts(server, task), ["a", "b", "c"])


@check()
def a_log_can_be_followed(server: Trial) -> None:
    """`limit` and `cursor` page through the lines; the cursor of the last page leads to what comes later."""
    task = _claimed(server)
    server.renew(task, log=_log(["a", "b", "c"]))
    first = _page(server, task, "?limit=2")
    second = _page(server, task, f"?cursor={first['next_cursor']}")
    end = _page(server, task, f"?cursor={second['next_cursor']}")
    same(
        "the pages",
        [[line["text"] for line in page["lines"]] for page in (first, second, end)],
        [["a", "b"], ["c"], []],
    )
    server.renew(task, log=_log(["d"], first=4))
    cursor = end["next_cursor"] or second["next_cursor"]
    same(
        "what comes later",
        [line["text"] for line in _page(server, task, f"?cursor={cursor}")["lines"]],
        ["d"],
    )


@check()
def attempts_have_logs_of_their_own(server: Trial) -> None:
    """Each attempt counts its lines from 1, and its log can be shown alone."""
    task = _claimed(server)
    server.report(task, "failed", error="x", delay_seconds=0, log=_log(["first"]))
    (task,) = server.again(lambda: server.take(1))
    server.renew(task, log=_log(["second"]))
    same("all lines", _texts(server, task), ["first", "second"])
    same("those of the second attempt", _texts(server, task, "?attempt=2"), ["second"])


@check()
def lines_beyond_the_bounds_are_counted(server: Trial) -> None:
    """Beyond the announced `max_lines` lines of an attempt are counted, not stored, and the verdict is as ever."""
    most = server.server.announced["logs"]["max_lines"]
    if most > MOST_SENT:
        raise NotChecked(f"{most} lines are too many to send")
    task = _claimed(server)
    same("a report with too many lines", server.report(task, log=_log(["x"] * (most + 5))), "accepted")
    (counted,) = _page(server, task)["attempts"]
    holds(counted["lines"] <= most, f"{counted['lines']} lines were stored; {most} are announced")
    same("stored and dropped", counted["lines"] + counted["dropped"], most + 5)


def _claimed(server: Trial) -> Task:
    server.needs("exchange", "manage")
    server.submit()
    return server.taken()


def _log(texts: Sequence[str], *, first: int = 1, level: str = "info") -> dict[str, Any]:
    return {"first": first, "lines": [{"at": time.time(), "level": level, "text": text} for text in texts]}


def _page(server: Trial, task: Task, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/tasks/{task['id']}/logs{query}").json(200)
    return found


def _texts(server: Trial, task: Task, query: str = "") -> list[str]:
    return [line["text"] for line in _page(server, task, query)["lines"]]
