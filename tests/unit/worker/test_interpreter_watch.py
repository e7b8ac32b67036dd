"""Who held the whole interpreter is named, with its stack where the worker owns the process."""

import faulthandler
import os
import subprocess
import threading

import pytest

from prismq_worker_sdk.decide.redaction import MARK
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.worker.supervision import interpreter_watch
from prismq_worker_sdk.worker.supervision.interpreter_watch import InterpreterWatch
from tests.support.children import SECRET, Probes, children
from tests.support.loops import grant
from tests.support.processes import wait_until

LET_GO = "exec 3<>pipe; until [ -e holding ]; do sleep 0.01; done; sleep 0.6; echo x >&3; sleep 5"
"""In a process of its own: whoever shares the interpreter with the handler cannot let it go."""


class Counted(InterpreterWatch):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.looked = []

    def _look(self):
        self.looked.append(None)
        super()._look()


@pytest.fixture
def watch(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(interpreter_watch, "EVERY", 0.05)
    monkeypatch.setattr(interpreter_watch, "HELD", 0.2)
    made = []

    def make(*, stacks, pool=None):
        place = Probes(tmp_path, pool, clock=clock)
        place.watch = Counted(place.services, stacks=stacks)
        place.watch.start()
        made.append(place)
        return place

    yield make
    for place in made:
        place.watch.stop()
        place.close()
        place.watch._thread.join(5) if place.watch._thread.ident else None


@pytest.fixture
def held(tmp_path):
    """Lets a handler go that holds the interpreter."""
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["bash", "-c", LET_GO], cwd=tmp_path) as process:
        yield
        process.kill()


def warnings(place):
    return [notice.message for notice in place.of(Notice) if "the interpreter was held" in notice.message]


def test_a_handler_that_keeps_the_interpreter_is_named_with_its_stack(watch, held):
    place = watch(stacks=True)
    place.give(grant("t1", "Probe.Holds", folder=str(place.folder)))
    place.idle()
    (warning,) = wait_until(lambda: warnings(place), "the warning")

    assert "by task t1 (Probe.Holds): nothing else" in warning
    assert "isolation='process'" in warning
    lines = warning.partition("it was here:\n")[2].splitlines()
    assert lines[0].endswith("in hold")
    assert lines[1].endswith("in holds")
    assert len(lines) == 2


def test_of_several_handlers_the_one_that_computed_is_named(watch, monkeypatch):
    monkeypatch.setattr(interpreter_watch, "LEAST_SHARE", 0.01)  # a busy machine gives it little time
    place = watch(stacks=True)
    place.give(grant("t1", "Probe.Obstinate", folder=str(place.folder)))
    place.wait_for("begun")
    place.give(grant("t2", "Probe.Computes", folder=str(place.folder)))
    named = "by task t2 (Probe.Computes): nothing else"
    (warning, *_) = wait_until(lambda: [one for one in warnings(place) if named in one], "the warning")

    assert "in computes" in warning
    assert "in obstinate" not in warning


def test_of_several_handlers_that_computed_little_all_are_named(watch, held):
    place = watch(stacks=True)
    place.give(grant("t1", "Probe.Sleeps", folder=str(place.folder)))
    place.wait_for("begun")
    place.give(grant("t2", "Probe.Holds", folder=str(place.folder)))
    (warning,) = wait_until(lambda: warnings(place), "the warning")

    assert "by task t1 (Probe.Sleeps) or task t2 (Probe.Holds): nothing" in warning
    for attempt in place.services.attempts.all():
        attempt.cancel(CancelReason.ASKED)


def test_handlers_that_ended_before_are_not_suspected(watch, held):
    place = watch(stacks=True)
    place.begins("Obstinate", "t1")
    place.does_meanwhile("Nothing", "t2")
    place.go()
    place.idle()
    looks = len(place.watch.looked)
    wait_until(lambda: len(place.watch.looked) > looks + 1, "a look")
    place.give(grant("t3", "Probe.Holds", folder=str(place.folder)))
    (warning,) = wait_until(lambda: warnings(place), "the warning")

    assert "by task t3 (Probe.Holds): nothing" in warning


def test_in_a_process_of_somebody_else_the_timer_of_faulthandler_is_left_alone(watch, held, monkeypatch):
    used = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: used.append("set"))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: used.append("cancelled"))
    place = watch(stacks=False)
    place.give(grant("t1", "Probe.Holds", folder=str(place.folder)))
    (warning,) = wait_until(lambda: warnings(place), "the warning")

    assert "by task t1 (Probe.Holds)" in warning
    assert "it was here" not in warning
    assert used == []


def test_a_process_that_stood_still_as_a_whole_blames_nobody(watch):
    place = watch(stacks=True)
    place.watch._stacks.write(b"Thread 0x0000000000000001 (most recent call first):\n  File x\n")

    assert place.watch._written() is None


def test_secrets_are_not_in_the_stack(watch):
    place = watch(stacks=True)
    attempt, _pid = place.begins("Obstinate")
    place.watch._written = lambda: {attempt.thread_id: f'  File "/{SECRET}.py", line 1 in run'}
    place.watch._tell([attempt], 5.0)

    (warning,) = warnings(place)
    assert SECRET not in warning
    assert MARK in warning


def test_a_handler_in_a_process_holds_nothing_up(watch, held):
    pool = children()
    pool.start()
    place = watch(stacks=True, pool=pool)
    try:
        place.begins("Holds")
        ticked = threading.Event()
        threading.Timer(0.3, ticked.set).start()
        assert ticked.wait(10)
        place.idle()
        assert warnings(place) == []
    finally:
        pool.close(5.0)


def test_the_watch_ends_with_the_worker_and_gives_the_timer_back(watch, monkeypatch):
    place = watch(stacks=True)
    place.watch.stop()
    place.watch._thread.join(5)

    assert not place.watch._thread.is_alive()
    assert place.watch._stacks.closed
