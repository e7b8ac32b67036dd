"""Parked reports: kept, told, put back into the line or deleted."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from prismq_worker_sdk.decide.delivery import Again, Park, Settle
from prismq_worker_sdk.errors import UsageError
from prismq_worker_sdk.model.outcome import Completed, Failed, Released
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.parked import KEPT_REPORTS, Parked
from tests.support.outbox import settled

SHORT = Failed("the server refused the result", "refused", retryable=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


@pytest.fixture
def opened(path, clock):
    made = []

    def open_it():
        made.append(Outbox.open(path, clock))
        return made[-1]

    yield open_it
    for outbox in made:
        outbox.close()


@pytest.fixture
def outbox(path, line, opened):
    line.commit(path, *line.results(2))
    return opened()


def outcomes(outbox):
    return [report.outcome for report in outbox.after(0, 99)]


def test_a_parked_report_goes_back_into_the_line_as_if_it_had_never_failed(outbox, clock):
    first = replace(outbox.due(1)[0], tries=13, passed=12)
    settled(outbox, first, Again("503", maybe_seen=True), retry_in=60.0)
    settled(outbox, first, Park("failed 13 times"))
    assert outbox.retry(first.number) is False

    back = outbox.due(1)[0]
    assert (back.number, back.outcome, back.passed, back.maybe_seen) == (first.number, first.outcome, 0, True)
    assert outbox.parked() == []


def test_r24_the_failure_that_stood_in_for_it_is_withdrawn_in_the_same_step(outbox):
    first = outbox.due(1)[0]
    settled(outbox, first, Park("HTTP 413", SHORT))
    assert outcomes(outbox) == [Completed('"x1"'), SHORT]

    assert outbox.retry(first.number) is True
    assert outcomes(outbox) == [Completed('"x0"'), Completed('"x1"')]


def test_r24_once_that_failure_has_reached_the_server_the_claim_is_over(outbox):
    first = outbox.due(1)[0]
    settled(outbox, first, Park("HTTP 413", SHORT))
    settled(outbox, outbox.after(0, 9)[-1], Settle(Settlement.ACCEPTED))

    with pytest.raises(UsageError, match="this claim is over: retry the task on the server"):
        outbox.retry(first.number)
    assert [outbox.count(state) for state in ("waiting", "parked")] == [1, 1]


def test_a_failure_that_was_parked_as_well_does_not_hinder_its_report(outbox):
    first = outbox.due(1)[0]
    settled(outbox, first, Park("HTTP 413", SHORT))
    settled(outbox, outbox.after(0, 9)[-1], Park("HTTP 413 again"))

    assert outbox.retry(first.number) is False
    assert outcomes(outbox) == [Completed('"x0"'), Completed('"x1"')]
    assert outbox.count("parked") == 1


@pytest.mark.parametrize(("number", "said"), [(1, "it waits already"), (99, "no such report")])
def test_only_what_is_parked_can_be_retried(outbox, number, said):
    with pytest.raises(UsageError, match=said):
        outbox.retry(number)
    assert len(outcomes(outbox)) == 2


def test_what_is_deleted_is_handed_over_whole(outbox):
    gone = outbox.delete(2)

    assert (gone["task_id"], gone["kind"], gone["body"]) == ("t1", "completed", '"x1"')
    assert outcomes(outbox) == [Completed('"x0"')]
    with pytest.raises(UsageError, match="no such report"):
        outbox.delete(2)


def test_reasons_are_counted_over_all_servers(path, line, opened):
    line.commit(path, Failed("a"), Failed("b"), server="http://s/api")
    line.commit(path, Failed("c"), server="http://other/api")
    outbox = opened()
    for report, detail in zip(outbox.after(0, 9), ("HTTP 413", "HTTP 413", "no such task"), strict=True):
        settled(outbox, report, Park(detail))

    assert outbox.of("http://s/api").parked() == [
        Parked("http://s/api", "HTTP 413", 2),
        Parked("http://other/api", "no such task", 1),
    ]


def test_parked_reports_are_kept_for_90_days_and_then_deleted(outbox, clock):
    settled(outbox, outbox.due(1)[0], Park("HTTP 413"))
    clock.turn(89 * 86_400)
    assert outbox.forget_parked() == 0
    clock.turn(2 * 86_400)

    assert outbox.forget_parked() == 1
    assert [outbox.count(state) for state in ("waiting", "parked")] == [1, 0]


def test_of_too_many_parked_reports_the_oldest_go(outbox, path):
    for report in outbox.due(9):
        settled(outbox, report, Park("HTTP 413"))
    columns = "server, dialect, task_id, task_type, digest, worker_id, token, kind, body, state, parked_at"
    outbox.transactions.run(
        lambda db: db.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {KEPT_REPORTS - 1})"
            f" INSERT INTO outcomes (uid, {columns}, committed_at, next_try)"
            f" SELECT 'u' || i, {columns}, 0, 0 FROM n, (SELECT {columns} FROM outcomes WHERE number = 2)"
        )
    )

    assert outbox.forget_parked() == 1
    assert outbox.count("parked") == KEPT_REPORTS


BAD = {
    "a body that is no JSON": "UPDATE outcomes SET body = '{\"half' WHERE number = 1",
    "a failure without its fields": "UPDATE outcomes SET kind = 'failed', body = '[]' WHERE number = 1",
    "a failure with unknown fields": "UPDATE outcomes SET kind = 'failed', body = '{\"x\": 1}' WHERE number = 1",
    "an unknown kind": "UPDATE outcomes SET kind = 'exploded', body = '{\"reason\": \"r\"}' WHERE number = 1",
    "children that are none": "UPDATE outcomes SET children = '[1]' WHERE number = 1",
    "a body that is no text": "UPDATE outcomes SET body = CAST(x'ff22' AS TEXT) WHERE number = 1",
}


@pytest.mark.parametrize("statement", BAD.values(), ids=BAD)
def test_a_row_that_cannot_be_read_is_parked_with_its_reason_and_stops_no_other(
    statement, path, line, opened
):
    line.commit(path, *line.results(2))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute(statement)
        db.commit()
    outbox = opened()
    (bad,) = outbox.park_unreadable()

    assert (bad.number, bad.task_id) == (1, "t0")
    assert bad.detail.startswith("the stored report cannot be read: ")
    assert [(lot.detail, lot.reports) for lot in outbox.parked()] == [(bad.detail, 1)]
    assert outbox.recover() == 1
    assert outcomes(outbox) == [Completed('"x1"')]
    assert outbox.park_unreadable() == []


def test_rows_of_every_kind_that_are_right_are_left_alone(path, line, opened):
    line.commit(path, Completed('{"a": 1e400}'), Failed("e", "E", True, 3.0), Released("later", 2.0))

    assert opened().park_unreadable() == []
