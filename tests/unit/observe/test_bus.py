"""The bus tells every listener of every event."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from prismq_worker_sdk.decide.redaction import MARK, Redactor
from prismq_worker_sdk.model.events import Notice, TypeResumed
from prismq_worker_sdk.observe.bus import BatchListener, EventBus

NEWS = Notice("info", "news")


def test_every_listener_hears_every_event_in_order():
    first, second = [], []
    bus = EventBus([first.append])
    bus.emit(NEWS)
    bus.add(second.append)
    bus.emit(TypeResumed("PrismQ.Test.Echo"))

    assert first == [NEWS, TypeResumed("PrismQ.Test.Echo")]
    assert second == [TypeResumed("PrismQ.Test.Echo")]


def test_a_listener_of_batches_hears_what_concerns_it_in_one_call():
    class Batches(BatchListener):
        kinds = frozenset({Notice})

        def __init__(self):
            self.calls = []

        def __call__(self, *events):
            self.calls.append(events)

    batches, heard = Batches(), []
    bus = EventBus([batches, heard.append])
    bus.emit(NEWS, TypeResumed("T"), NEWS)
    bus.emit(TypeResumed("T"))

    assert batches.calls == [(NEWS, NEWS)]
    assert heard == [NEWS, TypeResumed("T"), NEWS, TypeResumed("T")]


@pytest.mark.parametrize("error", [RuntimeError("listener broke"), SystemExit(3), KeyboardInterrupt()])
def test_a_listener_that_raises_stops_no_other_and_goes_on_being_told(logs, error):
    logs.set_up()
    calls, heard = [], []

    def broken(event):
        calls.append(event)
        raise error

    bus = EventBus([broken, heard.append])
    with ThreadPoolExecutor(1) as loop:
        for _time in range(3):
            loop.submit(bus.emit, NEWS).result()

    assert calls == heard == [NEWS] * 3


def test_a_listener_that_raises_is_reported_once_for_each_kind_of_event(logs):
    logs.set_up()

    def broken(event):
        raise RuntimeError("listener broke")

    bus = EventBus([broken])
    for event in (NEWS, NEWS, TypeResumed("T"), NEWS, TypeResumed("T")):
        bus.emit(event)

    assert [line["message"].split(";")[0] for line in logs.lines] == [
        "an event listener failed at Notice",
        "an event listener failed at TypeResumed",
    ]
    assert all("RuntimeError: listener broke" in line["exception"] for line in logs.lines)


def test_two_broken_listeners_are_both_reported(logs):
    logs.set_up()

    def one(event):
        raise RuntimeError("the first broke")

    def two(event):
        raise RuntimeError("the second broke")

    EventBus([one, two]).emit(NEWS)

    assert [line["exception"].splitlines()[-1] for line in logs.lines] == [
        "RuntimeError: the first broke",
        "RuntimeError: the second broke",
    ]


def test_listeners_are_told_without_secrets():
    heard = []
    bus = EventBus([heard.append], Redactor(["canary-7"]))
    bus.emit(Notice("error", "the server says canary-7"))
    bus.emit(NEWS)

    assert heard == [Notice("error", f"the server says {MARK}"), NEWS]
