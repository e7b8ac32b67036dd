"""The line between a worker and its child: whole values, and errors that keep their meaning."""

import socket
import threading
from datetime import datetime

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.decide.ends import outcome_of_error
from prismq_worker_sdk.errors import (
    Defer,
    Fault,
    InvalidParams,
    NotSupported,
    Permanent,
    TaskCancelled,
    Transient,
    Unavailable,
    UnfitResult,
)
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.worker.isolation.child_main import ChildBackend
from prismq_worker_sdk.worker.isolation.child_output import plain
from prismq_worker_sdk.worker.isolation.protocol import (
    HEAD,
    Cancel,
    Channel,
    Progressed,
    Run,
    StateUpdate,
    error_of,
    failure_of,
)


@pytest.fixture
def line():
    mine, its = socket.socketpair()
    channels = Channel(mine), Channel(its)
    yield channels
    for channel in channels:
        channel.close()


def test_values_arrive_whole_and_in_order(line):
    mine, its = line
    large = "x" * 3_000_000
    sender = threading.Thread(target=lambda: [mine.send(value) for value in (1, large, None, {"a": (2,)})])
    sender.start()

    assert [its.receive(10) for _ in range(4)] == [1, large, None, {"a": (2,)}]
    sender.join()


def test_what_has_come_in_part_is_kept_until_the_rest_is_there():
    mine, its = socket.socketpair()
    channel = Channel(its)
    whole = Channel(mine)
    whole.send("value")
    data = its.recv(1000)
    for byte in data[:-1]:
        mine.send(bytes([byte]))
        with pytest.raises(TimeoutError):
            channel.receive(0.01)
    mine.send(data[-1:])

    assert channel.receive(10) == "value"
    channel.close()
    whole.close()


def test_the_end_of_the_line_is_told(line):
    mine, its = line
    mine.close()

    with pytest.raises(EOFError):
        its.receive()
    with pytest.raises(OSError):
        its.send("value")


def test_a_value_that_was_cut_is_the_end(line):
    mine, its = line
    mine._socket.sendall(HEAD.pack(100) + b"part")
    mine.close()

    with pytest.raises(EOFError):
        its.receive()


def test_what_cannot_be_a_value_is_not_waited_for(line):
    mine, its = line
    mine._socket.sendall(b"x" * HEAD.size)

    with pytest.raises(ValueError, match="no value of ours"):
        its.receive(10)


@pytest.mark.parametrize(("number", "reason"), [(1, None), (2, CancelReason.ASKED)])
def test_what_is_said_late_about_an_earlier_task_does_not_reach_the_next_one(line, clock, number, reason):
    run = Run(2, Task(id="t2", type="T"), None, 60.0, False, BASE, False)
    backing = ChildBackend(line[0], run, None, clock)
    backing.hear(StateUpdate(number, 30.0, stopping=True))
    backing.hear(Cancel(number, CancelReason.ASKED))

    assert backing.token.cancelled is reason
    assert backing.stopping is (reason is not None)
    assert backing.time_left == (60.0 if reason is None else 30.0)


def test_of_many_words_about_progress_the_last_one_is_said(line, clock):
    run = Run(1, Task(id="t1", type="T"), None, 60.0, False, BASE, False)
    backing = ChildBackend(line[0], run, None, clock)
    for percent in range(1000):
        backing.progressed(float(percent), "")
    backing.close()
    said = [line[1].receive(10)]
    while said[-1].percent < 999:
        said.append(line[1].receive(10))

    assert said[0] == Progressed(0.0, "")
    assert len(said) < 100


class QuotaError(Transient):
    pass


ERRORS = [
    RuntimeError("broken"),
    KeyError("x"),
    ValueError(),
    QuotaError("too many", retry_in=3),
    Transient("later"),
    Permanent("never"),
    Defer("not now", until=datetime(2030, 1, 1, tzinfo=UTC)),
    Unavailable("closed", retry_in=9),
    UnfitResult("too large"),
    InvalidParams((Fault("/q", "is missing"),)),
    NotSupported("cannot"),
    SystemExit(3),
    TaskCancelled("asked"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_means_the_same_at_the_other_end(line, error):
    mine, its = line
    mine.send(failure_of(error))
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert outcome_of_error(error_of(its.receive(10)), redact=str, now=now) == outcome_of_error(
        error, redact=str, now=now
    )


def test_a_defer_that_asks_for_a_pause_still_does_at_the_other_end(line):
    mine, its = line
    mine.send(failure_of(Defer("not now", retry_in=9, or_pause=True)))

    assert error_of(its.receive(10)).or_pause is True


def test_the_traceback_comes_along():
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        found = error_of(failure_of(error))

    assert 'raise RuntimeError("broken")' in str(found.__cause__)


def test_a_lack_of_memory_is_told_without_a_need_for_any():
    found = error_of(failure_of(MemoryError()))

    assert (str(found), found.kind) == ("out of memory", "out_of_memory")


class Odd:
    def __str__(self):
        raise ValueError


def test_fields_of_a_log_line_become_values_that_every_process_knows():
    endless = []
    endless.append(endless)
    given = {"n": 1, 2: (3.5, None), "set": {1}, "odd": Odd(), "error": ValueError("x")}

    assert plain(given) == {"n": 1, "2": [3.5, None], "set": [1], "odd": "<Odd>", "error": "x"}
    assert "…" in str(plain(endless))
