"""Every event as one log line, each with its level."""

import logging
from dataclasses import replace

import pytest

from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.event_log import QUIET_SECONDS, EventLog
from prismq_worker_sdk.observe.statistics import Statistics
from prismq_worker_sdk.observe.status import RunningTask
from prismq_worker_sdk.testing.clock import FakeClock

REF = ev.TaskRef("7b1f6a52-5d6b", "PrismQ.Test.Echo", 2)
STARTED = {
    "worker_id": "worker-1",
    "api_url": "http://host/api",
    "dialect": "v1",
    "concurrency": 4,
    "state_dir": "state/0",
    "grace_seconds": 25.0,
}

LINES = [
    (
        ev.WorkerStarted(**STARTED, task_types=("PrismQ.Test.Echo",), recovered=2),
        ("INFO", "worker_started"),
        "worker started: http://host/api (v1), 4 slots, types PrismQ.Test.Echo; 2 stored results are delivered first",
    ),
    (
        ev.PhaseChanged(ev.Phase.DRAINING, "SIGTERM received", 25.0),
        ("INFO", "phase_draining"),
        "SIGTERM received: nothing more is claimed, running tasks go on, 25s left",
    ),
    (
        ev.PhaseChanged(ev.Phase.FLUSHING, "SIGTERM received", 8.0),
        ("INFO", "phase_flushing"),
        "SIGTERM received: every stored result is sent once more, 8s left",
    ),
    (ev.PhaseChanged(ev.Phase.STOPPED, "done"), ("INFO", "phase_stopped"), "done: the worker ends"),
    (ev.TaskClaimed(REF), ("DEBUG", "claimed"), "claimed"),
    (ev.TaskStarted(REF), ("INFO", "task_started"), "started"),
    (ev.TaskProgressed(REF, 40.2, "page 1"), ("DEBUG", "progress"), "40 % page 1"),
    (
        ev.OutcomeCommitted(REF, ev.End.COMPLETED, 1.5),
        ("INFO", "committed"),
        "completed after 1.5s; the result is stored",
    ),
    (
        ev.OutcomeCommitted(REF, ev.End.COMPLETED, None, answered=True),
        ("INFO", "committed"),
        "completed with the result that was still here; it is reported again, not computed again",
    ),
    (
        ev.OutcomeCommitted(REF, ev.End.FAILED, 1.5, error="no such video", error_type="Permanent"),
        ("WARNING", "committed"),
        "failed after 1.5s: no such video",
    ),
    (ev.ClaimEnded(REF, ev.End.RELEASED, "deferred"), ("INFO", "claim_ended"), "released: deferred"),
    (ev.ClaimEnded(REF, ev.End.LAPSED, "it came late"), ("INFO", "claim_ended"), "lapsed: it came late"),
    (ev.ClaimEnded(REF, ev.End.LOST), ("INFO", "claim_ended"), "lost"),
    (
        ev.ReportSettled(REF, Settlement.ACCEPTED),
        ("DEBUG", "report_settled"),
        "the server accepted the report",
    ),
    (
        ev.ReportSettled(REF, Settlement.UNCONFIRMED),
        ("INFO", "report_settled"),
        "an earlier try was probably accepted; the result is kept for a day should the task come again",
    ),
    (
        ev.ReportSettled(REF, Settlement.LOST, "409"),
        ("WARNING", "report_settled"),
        "the claim is lost (409); a result is kept for a day should the task come again",
    ),
    (
        ev.ReportSettled(REF, Settlement.PARKED, "413"),
        ("ERROR", "report_settled"),
        "the report is parked in the state folder and not sent again: 413",
    ),
    (
        ev.ReportDelayed(REF, "http_503", 2.0, 3),
        ("WARNING", "report_delayed"),
        "a report was not taken (http_503); it is kept and sent again in 2s",
    ),
    (
        ev.TaskFailedEarly(REF),
        ("WARNING", "task_failed_early"),
        (
            "task 7b1f6a52-5d6b (PrismQ.Test.Echo) is failed for good at attempt 2 though it has more: a deadlock "
            "stopped the server half-way; run it again with prismq-worker tasks retry 7b1f6a52-5d6b"
        ),
    ),
    (
        ev.ServerLost("connection refused", 2.0),
        ("WARNING", "server_lost"),
        "the server does not answer (connection refused); results are kept, next try in 2s",
    ),
    (ev.ServerRegained(61.0), ("INFO", "server_regained"), "the server answers again after 1m 1s"),
    (
        ev.TypePaused("PrismQ.Test.Echo", "quota used up", 300.0),
        ("WARNING", "type_paused"),
        "PrismQ.Test.Echo is not claimed for 5m: quota used up",
    ),
    (
        ev.TypePaused("PrismQ.Test.Echo", "no key"),
        ("WARNING", "type_paused"),
        "PrismQ.Test.Echo is not claimed until that changes: no key",
    ),
    (ev.TypeResumed("PrismQ.Test.Echo"), ("INFO", "type_resumed"), "PrismQ.Test.Echo is claimed again"),
    (
        ev.HandlerOverran(REF, 10.0, "  File x, line 1"),
        ("ERROR", "handler_overran"),
        "the handler does not end after 10s; its slot is lost, it is here:\n  File x, line 1",
    ),
    *(
        (ev.Notice(level, "news"), (level.upper(), "notice"), "news")
        for level in ("debug", "info", "warning", "error")
    ),
    (
        ev.WorkerStopped(0, "SIGTERM received"),
        ("INFO", "worker_stopped"),
        "worker stopped, exit code 0: SIGTERM received",
    ),
    (
        ev.WorkerStopped(75, "SIGTERM received"),
        ("ERROR", "worker_stopped"),
        "worker stopped, exit code 75: SIGTERM received",
    ),
]
SILENT = [
    ev.OutcomeCommitted(REF, ev.End.RELEASED, 1.5, error="quota used up"),
    ev.ApiCalled("claim", 0.1, "http_503"),
    ev.ClaimEnded(REF, ev.End.COMPLETED),
    ev.ClaimEnded(REF, ev.End.FAILED, "no such video"),
    ev.ReportSettled(REF, Settlement.SUPERSEDED),
]


@pytest.mark.parametrize(("event", "how", "said"), LINES)
def test_an_event_is_one_line_with_its_level(logs, event, how, said):
    logs.set_up()
    EventLog(FakeClock())(event)

    line = logs.only
    assert line["logger"] == "prismq.worker"
    assert (line["level"], line["event"]) == how
    assert line["message"] == said


def test_every_kind_of_event_has_its_line_or_is_silent_on_purpose():
    told = {type(event) for event, _how, _said in LINES}

    assert told | {ev.ApiCalled} == set(ev.Event.__args__)


@pytest.mark.parametrize("event", SILENT)
def test_an_event_that_another_line_told_is_silent(logs, event):
    logs.set_up()
    EventLog(FakeClock())(event)

    assert logs.text == ""


@pytest.mark.parametrize("event", [event for event, _how, _said in LINES if hasattr(event, "ref")])
def test_a_line_about_a_task_names_it_whatever_thread_writes_it(logs, event):
    logs.set_up()
    EventLog(FakeClock())(event)

    line = logs.only
    assert (line["worker"], line["task"], line["type"], line["attempt"]) == (
        "worker-1",
        "7b1f6a52-5d6b",
        "PrismQ.Test.Echo",
        2,
    )


def test_lines_carry_what_a_machine_looks_for_as_fields(logs):
    logs.set_up()
    log = EventLog(FakeClock())
    log(ev.OutcomeCommitted(REF, ev.End.FAILED, 1.5, error="x", error_type="Permanent"))
    log(ev.ReportSettled(REF, Settlement.LOST, "409"))
    log(ev.ReportDelayed(REF, "http_503", 2.0, 3))
    log(ev.WorkerStopped(75, "x"))

    committed, settled, delayed, stopped = logs.lines
    assert (committed["end"], committed["error_type"]) == ("failed", "Permanent")
    assert settled["verdict"] == "lost"
    assert delayed["tries"] == 3
    assert stopped["exit_code"] == 75


def test_delays_for_one_reason_are_told_once_a_minute_with_their_number(logs):
    logs.set_up()
    clock = FakeClock()
    log = EventLog(clock)
    for _time in range(5):
        log(ev.ReportDelayed(REF, "http_503", 2.0, 1))
        clock.turn(QUIET_SECONDS / 5)
    log(ev.ReportDelayed(REF, "http_503", 2.0, 1))
    log(ev.ReportDelayed(REF, "unreachable", 2.0, 1))

    again = "a report was not taken (http_503); it is kept and sent again in 2s"
    assert [line["message"] for line in logs.lines] == [
        again,
        f"{again} (4 more since the last line)",
        "a report was not taken (unreachable); it is kept and sent again in 2s",
    ]


def test_the_start_tells_for_whom_limits_hold(logs):
    logs.set_up()
    started = {**STARTED, "task_types": ("T",), "recovered": 0}
    EventLog(FakeClock())(ev.WorkerStarted(**started, limits="limits hold for this worker alone"))

    assert logs.lines[0]["message"].endswith("; limits hold for this worker alone")


def test_the_start_tells_how_many_reports_are_parked(logs):
    logs.set_up()
    started = {**STARTED, "task_types": ("T",), "recovered": 0}
    EventLog(FakeClock())(ev.WorkerStarted(**started, parked=2))
    EventLog(FakeClock())(ev.WorkerStarted(**started))

    first, second = (line["message"] for line in logs.lines)
    assert first.endswith("; 2 reports are parked")
    assert "parked" not in second


def test_a_task_that_is_given_back_is_told_in_one_line(logs):
    logs.set_up()
    told = EventLog(FakeClock())
    for _ in range(2):
        told(ev.OutcomeCommitted(REF, ev.End.RELEASED, 1.5, error="quota used up"))
        told(ev.ClaimEnded(REF, ev.End.RELEASED, "quota used up"))
    told(ev.ClaimEnded(REF, ev.End.RELEASED, "it came late"))

    assert [(line["event"], line["message"]) for line in logs.lines] == [
        *[("claim_ended", "released after 1.5s: quota used up")] * 2,
        ("claim_ended", "released: it came late"),
    ]


def test_the_traceback_of_a_failure_is_the_exception_of_its_line(logs):
    logs.set_up()
    failed = ev.OutcomeCommitted(
        REF, ev.End.FAILED, 1.5, error="KeyError: 'x'", trace="Traceback\n  File a.py"
    )
    EventLog(FakeClock())(failed)

    (line,) = logs.lines
    assert (line["event"], line["exception"]) == ("committed", "Traceback\n  File a.py")


def test_a_handler_of_logging_that_raises_costs_no_line_of_another_event(logs):
    logs.set_up()

    def refuse(record):
        if "one" in record.getMessage():
            raise RuntimeError("not this one")
        return True

    logging.getLogger("prismq.worker").addFilter(refuse)
    try:
        with pytest.raises(RuntimeError, match="not this one"):
            EventLog(FakeClock())(ev.Notice("info", "one"), ev.Notice("info", "two"))
    finally:
        logging.getLogger("prismq.worker").removeFilter(refuse)

    assert [line["message"] for line in logs.lines] == ["two"]


RUNNING = RunningTask(ref=REF, state="running", seconds=12.0, percent=40.0, message="page 3")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (RUNNING, "12s 40 % page 3"),
        (replace(RUNNING, percent=None, message=""), "12s"),
        (replace(RUNNING, state="stray"), "12s stray 40 % page 3"),
    ],
)
def test_a_task_that_runs_is_a_line_with_its_time_and_progress(logs, task, said):
    logs.set_up()
    EventLog(FakeClock()).running([task])

    line = logs.only
    assert (line["event"], line["message"], line["task"], line["type"]) == (
        "task_running",
        said,
        REF.task_id,
        REF.task_type,
    )
    assert (line["seconds"], line["percent"], line["progress"], line["state"]) == (
        task.seconds,
        task.percent,
        task.message,
        task.state,
    )


def test_statistics_are_fields_for_programs(logs):
    logs.set_up()
    statistics = Statistics(FakeClock())
    statistics(ev.TaskClaimed(REF), ev.ApiCalled("claim", 0.1))
    EventLog(FakeClock()).statistics(statistics.snapshot())

    line = logs.only
    assert (line["event"], line["claimed"], line["ends"]["failed"]) == ("statistics", 1, 0)
    assert line["calls"]["claim"]["count"] == 1


def test_statistics_are_a_few_lines_for_people(logs):
    logs.set_up("console")
    statistics = Statistics(FakeClock())
    statistics(ev.TaskClaimed(REF), ev.OutcomeCommitted(REF, ev.End.COMPLETED, 1.0))
    EventLog(FakeClock()).statistics(statistics.snapshot())

    lines = logs.text.splitlines()
    assert [line[11:].split()[0] for line in lines] == ["tasks", "reports", "handler"]
    assert all(line.startswith(" " * 11) for line in lines[1:])
