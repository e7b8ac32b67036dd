"""What a handler sees and says is the same in a thread and in a process of its own."""

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.decide.redaction import MARK
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.events import End, OutcomeCommitted, TaskProgressed, TypePaused
from prismq_worker_sdk.model.outcome import Child, Completed, Failed, Follower, Released
from prismq_worker_sdk.observe.logs import JsonFormatter
from tests.support.children import PROBES, SECRET, Probes, children
from tests.support.processes import wait_until

CREATES = Capabilities(creates=True, follows=True)
RELEASES = Capabilities(releases=True)
LIMITS = Capabilities(limits=True)
LINE = next(n for n, line in enumerate(PROBES.read_text().splitlines(), 1) if line == "    raise error")
PLACE = f"(process_probes.py:{LINE}, in raises)"


@pytest.fixture(scope="module")
def pool():
    log = logging.getLogger("prismq.task")
    before, _ = log.level, log.setLevel(logging.INFO)  # a child has the levels of its start
    made = children()
    made.start()
    yield made
    made.close(5.0)
    log.setLevel(before)


@pytest.fixture(params=["thread", "process"])
def place(request, tmp_path, clock, pool):
    made = []

    def make(**options):
        in_children = pool if request.param == "process" else None
        made.append(Probes(tmp_path, in_children, clock=clock, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def result(outcome):
    assert isinstance(outcome, Completed), outcome
    return json.loads(outcome.result)


def test_everything_that_a_handler_can_ask_for(place):
    here = place(capabilities=Capabilities(max_result_bytes=1234))

    assert result(here.does("Context", q="ü", n=[1, 2.5, None])) == {
        "id": "t1",
        "type": "Probe.Context",
        "params": [{"q": "ü", "n": [1, 2.5, None]}] * 2,
        "attempt": 1,
        "token": SECRET,
        "key": "Probe.Context:t1",
        "checkpoint": None,
        "time_left": 3,
        "stopping": False,
        "cancelled": None,
        "max_result_bytes": 1234,
    }


def test_progress_the_last_word_wins(place):
    here = place()
    here.does("Progress", said=[[10, "one"], [20, "two"], [130, f"three {SECRET}"]])
    told = [(event.percent, event.message) for event in here.of(TaskProgressed)]

    assert told[0] == (10.0, "one")
    assert told[-1] == (100.0, f"three {MARK}")


def test_r30_a_checkpoint_is_there_for_the_handler_and_for_the_next_attempt(place):
    here = place()

    assert here.does("Checkpoint").error == "stored {'page': 1}"
    assert result(here.does("Checkpoint")) == {"before": {"page": 1}, "after": {"page": 2}}


def test_a_checkpoint_that_is_too_large_is_refused_in_the_handler(place):
    failed = place().does("BadCheckpoint")

    assert (failed.error_type, failed.retryable) == ("unfit_result", False)
    assert "checkpoint" in failed.error


def test_r30_a_checkpoint_is_stored_first_and_raises_afterwards(place):
    here = place()
    attempt, _pid = here.begins("Stores")
    attempt.cancel(CancelReason.TIME_LIMIT)
    here.go()
    here.idle()

    assert attempt.checkpoint == '{"page":1}'
    assert not (here.folder / "went on").exists()
    assert [outcome.error_type for outcome in here.outcomes()] == ["time_limit"]


def test_a_checkpoint_that_the_disk_refuses_is_an_error_of_the_handler(place):
    here = place()
    attempt, _pid = here.begins("Stores")
    here.lock_disk()
    here.go()
    wait_until(lambda: attempt.report(), "the outcome in memory")
    here.free_disk()
    here.idle()

    (failed,) = here.outcomes()
    assert failed.error_type == "OutboxError"


def test_r22_children_travel_with_the_result(place):
    here = place(capabilities=CREATES)

    assert here.does("Submit", q=1) == Completed('"submitted"')
    (report,) = here.waiting()
    assert [(child.type, child.params, child.priority) for child in report.children] == [
        ("Test.Child", '{"q":1}', 3)
    ]


def test_r22_what_follows_the_children_travels_with_them(place):
    here = place(capabilities=CREATES)

    assert here.does("Then", q=1) == Completed('"asked for"')
    (report,) = here.waiting()
    assert report.children == (Child("0", "Test.Child", "{}"), Follower("then", "Test.Last", '{"q":1}'))


def test_a_server_that_lets_nothing_follow_is_said_at_once(place):
    failed = place(capabilities=replace(CREATES, follows=False)).does("Then")

    assert failed.error_type == "NotSupported"
    assert "fan_in" in failed.error


def test_r22_a_server_that_creates_nothing_is_said_at_once(place):
    failed = place().does("Submit")

    assert failed.error_type == "NotSupported"
    assert "exchange extension" in failed.error


def test_a_limit_is_paused_for_the_whole_fleet_where_the_server_can(place):
    here = place(capabilities=LIMITS)

    assert result(here.does("PauseLimit", key="api", until=60, reason=f"429 {SECRET}")) == "paused"
    (pause,) = here.services.pauses.due(here.clock.monotonic())
    assert (pause.name, pause.seconds, pause.reason) == ("api", 60.0, f"429 {MARK}")
    assert not here.of(TypePaused)


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (-50, 0)])
def test_a_limit_is_paused_until_an_instant(place, ahead, seconds):
    here = place(capabilities=LIMITS)
    # a child has a clock of its own
    now = here.clock.utc() if here.services.children is None else datetime.now(UTC)
    until = (now + timedelta(seconds=ahead)).isoformat()
    here.does("PauseLimit", key="api", until=until, reason="")

    (pause,) = here.services.pauses.due(here.clock.monotonic())
    assert pause.seconds == pytest.approx(seconds, abs=40)


def test_where_the_server_counts_no_limits_the_type_is_paused_in_this_worker(place):
    here = place()

    assert result(here.does("PauseLimit", key="api", until=60, reason="429")) == "paused"
    assert here.services.pauses.next_due() is None
    (paused,) = here.of(TypePaused)
    assert (paused.task_type, paused.reason, paused.seconds) == ("Probe.PauseLimit", "429", 60.0)
    assert "Probe.PauseLimit" in here.outbox.pauses()


@pytest.mark.parametrize(
    ("key", "until"),
    [("", 5), ("a\n", 5), ("x" * 256, 5), ("a", -1), ("a", 1e12), ("a", "2030-01-01T00:00:00")],
)
def test_a_pause_that_is_none_is_an_error_of_the_handler(place, key, until):
    here = place(capabilities=LIMITS)

    assert here.does("PauseLimit", key=key, until=until, reason="").error_type == "ValueError"
    assert here.services.pauses.next_due() is None


def test_r13_each_try_inside_a_claim_starts_without_children_and_with_the_last_checkpoint(place):
    here = place(capabilities=CREATES)

    assert here.does("Tries") == Completed('"done"')
    (report,) = here.waiting()
    assert [child.params for child in report.children] == ['{"n":3}']


def test_what_is_logged_has_its_fields_its_task_and_no_secret(place, caplog):
    here = place()
    here.does("Logs")
    formatter = JsonFormatter(here.services.redactor, "w1")
    lines = [json.loads(formatter.format(record)) for record in caplog.records]

    first, other, error = [line for line in lines if line["logger"] != "prismq.worker"][:3]
    assert (first["message"], first["shorts"], first["api_key"]) == ("page read", 25, MARK)
    assert first["path"] == "/x"
    assert (other["logger"], other["message"]) == ("somebody.else", f"calling with {MARK}")
    assert error["exception"].endswith(f"ValueError: {MARK}")
    assert error["level"] == "ERROR"


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ("services", Failed(f"RuntimeError: broken {PLACE}", "RuntimeError")),
        ("exit", Failed(f"SystemExit: 3 {PLACE}", "SystemExit")),
        ("interrupt", Failed(f"KeyboardInterrupt {PLACE}", "KeyboardInterrupt")),
        ("permanent", Failed("never", "Permanent", retryable=False)),
        ("transient", Failed("later", "Transient", retryable=True, delay_seconds=7.0)),
        ("defer", Released("not now", 60.0)),
        ("unavailable", Released("quota used up", 600.0)),
        ("unspeakable", Failed(f"Unspeakable: (it cannot be shown) {PLACE}", "Unspeakable")),
        ("group", Failed("busy", "Transient", retryable=True)),
    ],
)
def test_r17_what_a_handler_raises_means_the_same(place, what, outcome):
    assert place(capabilities=RELEASES).does("Raises", what=what) == outcome


@pytest.mark.parametrize("what", ["services", "exit"])
def test_an_unexpected_error_comes_with_the_frames_of_the_handler(place, what):
    here = place()
    here.does("Raises", what=what)

    (committed,) = here.of(OutcomeCommitted)
    lines = committed.trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{PROBES}", line {LINE}, in raises'
    assert lines[2:] == [
        "    raise error",
        {"services": "RuntimeError: broken", "exit": "SystemExit: 3"}[what],
    ]


@pytest.mark.parametrize("what", ["permanent", "transient", "defer", "unavailable"])
def test_what_is_raised_on_purpose_comes_without_a_traceback(place, what):
    here = place(capabilities=RELEASES)
    here.does("Raises", what=what)

    assert [event.trace for event in here.of(OutcomeCommitted)] == [""]


def test_the_traceback_shows_no_secret_and_is_bounded(place):
    here = place()
    here.does("Raises", what="long")

    (committed,) = here.of(OutcomeCommitted)
    assert SECRET not in committed.trace
    assert len(committed.trace) < 9_000
    assert "caused by ValueError: first" in here.outcomes()[0].error


def test_a_secret_in_the_text_of_a_frame_is_in_no_traceback(place):
    here = place(capabilities=Capabilities(max_log_lines=10, max_log_bytes=100_000))
    here.does("Raises", what="literal")

    (committed,) = here.of(OutcomeCommitted)
    assert f'raise KeyError("x") if "{MARK}"' in committed.trace
    assert "in raises\n" in committed.trace
    (report,) = here.waiting()
    assert report.log.lines[-1].text == committed.trace


def test_the_parts_of_a_group_come_with_their_frames(place):
    here = place()
    here.does("Raises", what="many")

    (committed,) = here.of(OutcomeCommitted)
    assert "ExceptionGroup: two (2 sub-exceptions)\n  | busy\n  | KeyError: 'x'" in committed.trace


def test_r18_unavailable_pauses_its_type(place):
    here = place()
    here.does("Raises", what="unavailable")

    (paused,) = here.of(TypePaused)
    assert (paused.task_type, paused.reason, paused.seconds) == ("Probe.Raises", "quota used up", 600.0)


@pytest.mark.parametrize(
    ("what", "text"), [("model", '{"folder":"x"}'), ("text", '"ü\u2028"'), ("nothing", "null")]
)
def test_what_a_handler_returns_is_the_same_text(place, what, text):
    assert place().does("Returns", what=what) == Completed(text)


@pytest.mark.parametrize("kind", ["Decorated", "Method", "Awaitable"])
def test_whatever_comes_back_that_can_be_awaited_is_awaited(place, kind):
    assert place().does(kind) == Completed('"awaited"')


def test_an_async_handler_that_has_returned_is_done_whatever_it_has_left_running(place):
    here = place()

    assert here.does("GivesUp", folder=str(here.folder)) == Completed('"gave up on 4"')
    assert not (here.folder / "go").exists()


def test_r15_an_async_handler_that_is_told_to_end_does_not_wait_for_its_thread(place):
    here = place(capabilities=RELEASES)
    attempt, _pid = here.begins("InThread")
    attempt.cancel(CancelReason.STOPPING)
    here.idle()

    assert here.ends() == [("t1", End.RELEASED)]
    assert not (here.folder / "go").exists()


@pytest.mark.parametrize("what", ["nan", "set", "large"])
def test_r14_a_result_that_cannot_go_is_refused_in_the_same_words(place, what):
    failed = place().does("Returns", what=what)

    assert (failed.error_type, failed.retryable) == ("unfit_result", False)
    assert {"nan": "result.x is nan", "set": "result.x is of type set", "large": "9000002 bytes"}[
        what
    ] in failed.error


def test_r17_params_that_do_not_fit_fail_without_a_run(place):
    failed = place().does("Checked", folder=5)

    assert (failed.error_type, failed.retryable) == ("invalid_params", False)
    assert "/folder" in failed.error


@pytest.mark.parametrize("kind", ["Checked", "Sleeps", "Awaits"])
@pytest.mark.parametrize(
    ("reason", "end"),
    [
        (CancelReason.LOST, End.LOST),
        (CancelReason.ASKED, End.FAILED),
        (CancelReason.STOPPING, End.RELEASED),
    ],
)
def test_r15_a_handler_that_is_told_to_end_ends_at_its_next_word_rest_or_await(place, kind, reason, end):
    here = place(capabilities=RELEASES)
    attempt, _pid = here.begins(kind)
    attempt.cancel(reason)
    here.idle()

    assert here.ends() == [("t1", end)]


def test_r15_a_handler_can_look_why_it_must_end_and_complete_all_the_same(place):
    here = place(capabilities=RELEASES)
    attempt, _pid = here.begins("Looks")
    attempt.cancel(CancelReason.ASKED)
    here.idle()

    assert here.outcomes() == [Completed('"asked"')]


def test_a_handler_sees_that_the_worker_stops(place):
    here = place()
    here.begins("Stops")
    here.stop()
    here.idle()

    assert here.outcomes() == [Completed('"saw it"')]
