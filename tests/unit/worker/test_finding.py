"""Finding the server: tried until it answers, or until it is plain that it never will."""

import threading
from random import Random

import pytest

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import NotATaskManager, ServerUnreachable, Unauthorised
from prismq_worker_sdk.handlers.handler import Registry
from prismq_worker_sdk.model.capabilities import BASE
from prismq_worker_sdk.model.events import ServerLost, ServerRegained
from prismq_worker_sdk.model.protocol import (
    Probe,
    Rejected,
    ServerInfo,
    Throttled,
    Unreachable,
    UnrecognisedServer,
)
from prismq_worker_sdk.model.protocol import Unauthorised as Refused
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import Waker
from prismq_worker_sdk.worker.services import environment
from prismq_worker_sdk.worker.supervision import startup
from prismq_worker_sdk.worker.supervision.startup import find_server
from tests.support.loops import SERVER, Stepped
from tests.support.processes import wait_until

FOUND = ServerInfo("v1", BASE)


class Search:
    """The search for a server, stepped by hand."""

    def __init__(self, clock, folder, **config):
        self.events = []
        self.found = None
        self.clock = clock
        self.here = environment(
            WorkerConfig(**{"api_url": SERVER, "state_dir": folder, **config}),
            Registry([]),
            clock=clock,
            redactor=Redactor(),
            emit=lambda *events: self.events.extend(events),
            rng=Random(1),
        )
        self.life = self.here.lifecycle
        self.loop = Stepped(self._keep())

    def _keep(self):
        self.found = yield from self.again()

    def again(self):
        return find_server(self.here)

    def failed(self, failure):
        """One failed try and the rest after it."""
        self.loop.answer(failure)
        rest = self.loop.wait
        self.clock.turn(rest)
        self.loop.go_on()
        return rest


@pytest.fixture
def search(clock, tmp_path):
    return lambda *, clock=clock, **config: Search(clock, tmp_path, **config)


def test_the_server_is_found_at_its_first_good_answer(search):
    searching = search()

    assert isinstance(searching.loop.request, Probe)
    searching.loop.answer(FOUND)
    assert searching.found == FOUND
    assert searching.loop.ended


@pytest.mark.parametrize(
    "failure",
    [Unreachable("refused"), Throttled("busy"), Rejected(400, "odd")],
    ids=lambda value: type(value).__name__,
)
def test_r33_a_server_that_is_not_there_yet_is_asked_again_more_slowly_each_time(search, failure):
    searching = search(startup_timeout=300.0)
    rests = [searching.failed(failure) for _ in range(6)]

    assert rests[-1] > 4 * rests[0]
    searching.loop.answer(FOUND)
    assert searching.found == FOUND
    assert [type(event) for event in searching.events] == [ServerLost, ServerRegained]


def test_r34_a_server_that_asks_for_patience_while_it_is_looked_for_is_given_it(search):
    searching = search(startup_timeout=300.0)

    assert searching.failed(Throttled("busy", retry_after=20.0)) >= 20.0


@pytest.mark.parametrize("address", ["http://localhost:8000", "http://localhost:8000/"])
def test_r33_an_address_without_a_path_draws_the_one_that_was_probably_meant(search, address):
    searching = search(api_url=address)

    with pytest.raises(NotATaskManager, match=r"did you mean --api-url http://localhost:8000/api\?$"):
        searching.loop.answer(UnrecognisedServer("HTTP 404"))


def test_r33_something_else_at_the_address_ends_the_search_with_the_setting_to_look_at(search):
    searching = search()

    with pytest.raises(NotATaskManager, match="HTML of a proxy; check --api-url") as told:
        searching.loop.answer(UnrecognisedServer("HTML of a proxy"))
    assert SERVER in str(told.value)


def test_r34_a_refused_key_ends_the_search_with_the_settings_to_look_at(search):
    searching = search()

    with pytest.raises(Unauthorised, match="TASKMANAGER_API_KEY_FILE"):
        searching.loop.answer(Refused("HTTP 401"))


def test_the_search_ends_after_the_startup_timeout_with_the_last_reason(search):
    searching = search(startup_timeout=60.0)

    def search_on():
        for _ in range(100):
            searching.failed(Unreachable("the connection was refused"))

    with pytest.raises(ServerUnreachable, match=r"did not answer for 1m \(the connection was refused\)"):
        search_on()
    assert searching.clock.monotonic() == pytest.approx(60.0)


def test_no_try_takes_longer_than_what_is_left_of_the_startup_timeout(search):
    searching = search(startup_timeout=5.0)
    asked = []
    for _ in range(3):
        asked.append(searching.loop.request.within)
        searching.clock.turn(1.5)
        searching.failed(Unreachable("refused"))

    assert asked[0] == 5.0
    assert 1.0 <= asked[2] < asked[1] < 5.0


@pytest.mark.parametrize(("grace", "waiting"), [(0.0, False), (30.0, False), (0.1, True), (0.0, True)])
def test_r36_a_stop_does_not_wait_for_a_server_that_keeps_it_waiting(search, monkeypatch, grace, waiting):
    monkeypatch.setattr(startup, "LAST_ANSWER", 0.01)
    waker, asked, answers, clock = Waker(), threading.Event(), threading.Event(), SystemClock()
    searching = search(clock=clock)

    def hangs(_request):
        asked.set()
        answers.wait(10)
        return Unreachable("too late")

    def stop():
        asked.wait(10)
        searching.life.ask_stop("stop", grace=grace, now=clock.monotonic())
        waker.wake()

    threading.Thread(target=stop).start()
    found = startup.search(searching.here, searching.again(), hangs, waker=waker, waiting=waiting)
    answers.set()

    assert found is None
    wait_until(lambda: all(thread.name != "prismq-search" for thread in threading.enumerate()))
    assert searching.events == []


def test_r36_a_stop_waits_longer_for_the_server_where_results_wait_for_it(search, monkeypatch):
    monkeypatch.setattr(startup, "LAST_ANSWER", 0.0)
    clock = SystemClock()
    searching, waker = search(clock=clock), Waker()

    def answers(_request):
        searching.life.ask_stop("stop", grace=60.0, now=clock.monotonic())
        waker.wake()
        return FOUND

    assert startup.search(searching.here, searching.again(), answers, waker=waker, waiting=True) == FOUND


def test_a_failure_that_comes_right_at_the_stop_is_none(search, clock):
    searching, waker = search(), Waker()

    def answers(_request):
        searching.life.ask_stop("stop", grace=30.0, now=clock.monotonic())
        return UnrecognisedServer("HTML of a proxy")

    assert startup.search(searching.here, searching.again(), answers, waker=waker) is None


def test_an_answer_that_comes_right_at_the_stop_is_used(search, clock):
    searching, waker = search(), Waker()

    def answers(_request):
        searching.life.ask_stop("stop", grace=30.0, now=clock.monotonic())
        waker.wake()
        return FOUND

    assert startup.search(searching.here, searching.again(), answers, waker=waker) == FOUND


def test_the_wish_to_stop_ends_the_search_in_the_middle_of_a_rest(search):
    searching = search()
    searching.loop.answer(Unreachable("refused"))
    searching.life.ask_stop("stop", grace=1.0, now=0.0)
    searching.loop.go_on()

    assert searching.loop.ended
    assert searching.found is None
