"""The span of a task is kept with what is stored of it, where it has one."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import Park
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Follower
from prismq_worker_sdk.model.trace_context import TraceContext
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import Answered, Commit
from tests.support.outbox import settled

TRACE = TraceContext(f"00-{'a' * 32}-{'b' * 16}-01", "v=1,w= 2")
OTHER = TraceContext(f"00-{'a' * 32}-{'c' * 16}-01")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


@pytest.fixture
def opened(path, clock):
    """The outbox, opened anew each time."""
    outboxes = []

    def open_():
        if outboxes:
            outboxes[-1].close()
        outboxes.append(Outbox.open(path, clock))
        return outboxes[-1]

    yield open_
    outboxes[-1].close()


def traced(claim, trace=TRACE):
    return replace(claim, task=replace(claim.task, trace=trace))


def column(path, table):
    with closing(sqlite3.connect(path)) as db:
        return [found for (found,) in db.execute(f"SELECT trace FROM {table}")]


def test_a_report_of_an_earlier_process_has_its_span_and_those_of_its_children(opened, line):
    claim = traced(line.claim())
    children = (
        Child("0", "T", "{}", trace=OTHER),
        Follower("then", "T", "{}", 3, trace=TRACE),
        Child("1", "T", "{}"),
    )
    outbox = opened()
    outbox.hold(claim)
    outbox.end(Commit(claim.identity, Completed("1"), children, trace=TRACE))
    (stored,) = outbox.due(9)
    (read,) = opened().after(0, 9)

    assert (stored.trace, stored.children) == (read.trace, read.children) == (TRACE, children)


def test_nothing_is_kept_where_there_is_no_span(opened, path, line):
    outbox = opened()
    one, two = line.claim("t1"), line.claim("t2")
    for claim in (one, two):
        outbox.hold(claim)
    outbox.end(Commit(one.identity, Completed("1"), (Child("0", "T", "{}"),)))

    assert (column(path, "outcomes"), column(path, "holds")) == ([""], [""])
    (report,) = opened().after(0, 9)
    assert report.trace is None


def test_the_failure_of_a_task_that_a_crash_cut_off_has_the_span_of_the_task(opened, line):
    opened().hold(traced(line.claim()))
    outbox = opened()
    ((_, outcome),) = outbox.resolve_orphans(retried=lambda _attempt: True)
    (report,) = outbox.after(0, 9)

    assert isinstance(outcome, Failed)
    assert report.trace == TRACE


def test_a_kept_result_that_answers_a_new_claim_belongs_to_the_span_of_that_claim(opened, line):
    outbox = opened()
    first, again = line.claim(), traced(line.claim(worker="w2"), OTHER)
    outbox.hold(first)
    outbox.end(Commit(first.identity, Completed("1"), trace=TRACE))

    assert isinstance(outbox.hold(again), Answered)
    (report,) = outbox.after(0, 9)
    assert report.trace == OTHER


def test_the_failure_in_place_of_a_parked_report_has_its_span(opened, line):
    outbox = opened()
    claim = line.claim()
    outbox.hold(claim)
    outbox.end(Commit(claim.identity, Completed("1"), trace=TRACE))
    (report,) = outbox.due(9)
    settled(outbox, report, Park("refused", Failed("x", "refused")))

    (instead,) = opened().after(0, 9)
    assert (instead.outcome, instead.trace) == (Failed("x", "refused"), TRACE)


def test_a_span_that_cannot_be_read_costs_no_report(opened, path, line):
    outbox = opened()
    claim = line.claim()
    outbox.hold(claim)
    outbox.end(Commit(claim.identity, Completed("1"), (Child("0", "T", "{}", trace=OTHER),), trace=TRACE))
    outbox.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE outcomes SET trace = 'x', children = replace(children, '00-', '0x-')")

    outbox = opened()
    assert outbox.park_unreadable() == []
    (report,) = outbox.after(0, 9)
    assert (report.trace, report.children[0].trace) == (None, None)
