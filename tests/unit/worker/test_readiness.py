"""Whether handlers can work, asked again and again, and their setting up and tearing down."""

import sys
import threading
from types import SimpleNamespace

import pytest

from prismq_worker_sdk import TaskHandler
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.handlers.handler import Registry
from prismq_worker_sdk.model.events import Notice, TypePaused, TypeResumed
from prismq_worker_sdk.worker.availability import TypeAvailability
from prismq_worker_sdk.worker.shared import Wakeups
from prismq_worker_sdk.worker.supervision import readiness
from prismq_worker_sdk.worker.supervision.readiness import Readiness
from tests.support.processes import wait_until


class Resource(TaskHandler):
    task_type = "Test.Some"

    def __init__(self):
        self.unready = None
        self.calls = []

    def ready(self):
        self.calls.append("ready")
        if isinstance(self.unready, Exception):
            raise self.unready
        return self.unready

    def setup(self):
        self.calls.append("setup")

    def teardown(self):
        self.calls.append("teardown")

    def process(self, params, ctx):
        return None


class Asked:
    """Readiness over handlers, with what came of it."""

    def __init__(self, *resources):
        handlers = [resource.as_handler() for resource in resources]
        self.events = []
        self.life = SimpleNamespace(running=True)
        self.changed = threading.Semaphore(0)
        self.gate = TypeAvailability(
            (one.task_type for one in handlers), error_limit=5, emit=self.events.append
        )
        self.asking = Readiness(
            SimpleNamespace(
                registry=Registry(handlers),
                children=None,
                availability=self.gate,
                redactor=Redactor(["hunter2hunter2"]),
                emit=self.events.append,
                lifecycle=self.life,
                wakeups=Wakeups(claim=self.changed.release),
            )
        )

    def start(self):
        self.asking.start()
        assert self.changed.acquire(timeout=10)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def asked():
    made = []

    def make(*resources):
        made.append(Asked(*resources))
        return made[-1]

    yield make
    for one in made:
        one.asking.stop(10)


def test_no_type_is_claimed_before_its_handler_is_set_up(asked):
    resource = Resource()
    one = asked(resource)
    assert one.gate.open(0.0) == ()
    one.start()

    assert one.gate.open(0.0) == ("Test.Some",)
    assert resource.calls == ["ready", "setup"]
    assert one.events == []


def test_a_handler_that_is_not_ready_closes_its_type_and_is_asked_again(asked, monkeypatch):
    monkeypatch.setattr(readiness, "LOOK_EVERY", 0.01)
    resource = Resource()
    resource.unready = "the disk is not mounted"
    one = asked(resource)
    one.start()
    assert one.gate.closed(0.0) == {"Test.Some": "the disk is not mounted"}
    assert "setup" not in resource.calls
    resource.unready = None
    wait_until(lambda: one.gate.open(0.0), "the opening of the type", deadline=10)
    resource.unready = "gone again"
    wait_until(lambda: not one.gate.open(0.0), "the closing of the type", deadline=10)
    one.asking.stop(10)

    assert resource.calls.count("setup") == 1
    assert [event.reason for event in one.of(TypePaused)] == ["the disk is not mounted", "gone again"]
    assert len(one.of(TypeResumed)) == 1


def test_what_a_stop_has_broken_closes_no_type(asked):
    broken = threading.Event()

    class Killed(Resource):
        def setup(self):
            one.life.running = False
            broken.set()
            raise RuntimeError("no child process can be used: it ended by SIGKILL")

    one = asked(Killed())
    one.asking.start()
    assert broken.wait(10)
    one.asking.stop(10)
    wait_until(lambda: not any(t.name.startswith("prismq-ready") for t in threading.enumerate()), "the end")

    assert one.of(TypePaused) == []


def test_a_question_that_raises_closes_the_type_with_the_error_and_no_secret(asked):
    resource = Resource()
    resource.unready = RuntimeError("login with hunter2hunter2 failed")
    one = asked(resource)
    one.start()

    (reason,) = one.gate.closed(0.0).values()
    assert reason.startswith("ready() raised RuntimeError: login with")
    assert "hunter2hunter2" not in reason


def test_what_was_set_up_is_torn_down_and_nothing_else(asked):
    good, bad = Resource(), Resource()
    bad.unready = "never"
    one = asked(good)
    other = asked(bad)
    one.start()
    other.start()
    one.asking.stop(10)
    other.asking.stop(10)

    assert good.calls == ["ready", "setup", "teardown"]
    assert bad.calls == ["ready"]


def test_a_teardown_that_raises_is_told(asked):
    class Clumsy(Resource):
        def teardown(self):
            raise OSError("device busy")

    one = asked(Clumsy())
    one.start()
    one.asking.stop(10)

    (notice,) = one.of(Notice)
    assert notice.message.startswith("Test.Some: teardown() raised OSError: device busy (test_readiness.py:")


def test_a_teardown_that_does_not_end_is_not_waited_for(asked):
    gate = threading.Event()

    class Slow(Resource):
        def teardown(self):
            gate.wait()

    one = asked(Slow())
    one.start()
    one.asking.stop(0.01)
    gate.set()


def test_a_slow_handler_holds_up_its_own_type_only(asked):
    gate = threading.Event()

    class Slow(Resource):
        task_type = "Test.Slow"

        def setup(self):
            gate.wait()

    one = asked(Resource(), Slow())
    one.start()

    assert one.gate.open(0.0) == ("Test.Some",)
    gate.set()
    wait_until(lambda: len(one.gate.open(0.0)) == 2, "the slow one", deadline=10)


@pytest.mark.parametrize("error", [SystemExit("no licence"), KeyboardInterrupt("no licence")])
@pytest.mark.parametrize("call", ["ready", "setup"])
def test_a_handler_that_leaves_the_interpreter_closes_its_type_and_is_asked_again(
    asked, monkeypatch, call, error
):
    monkeypatch.setattr(readiness, "LOOK_EVERY", 0.01)

    class Leaving(Resource):
        left = False

        def leave(self, name):
            if name == call and not self.left:
                self.left = True
                raise error

        def ready(self):
            self.leave("ready")
            return super().ready()

        def setup(self):
            self.leave("setup")
            super().setup()

    one = asked(Leaving())
    one.start()

    wait_until(lambda: one.gate.open(0.0) == ("Test.Some",), "the type to be claimed")
    paused = one.of(TypePaused)[0]
    assert paused.reason.startswith(f"{call}() raised {type(error).__name__}: no licence (test_")
    assert f"in {call}\n" in paused.trace
    assert paused.trace.endswith(f"\n{type(error).__name__}: no licence")


def test_a_teardown_that_leaves_the_interpreter_stops_no_other_one(asked):
    class Leaving(Resource):
        task_type = "Test.Leaving"

        def teardown(self):
            sys.exit("no licence")

    first = Resource()
    one = asked(first, Leaving())
    one.start()
    wait_until(lambda: len(one.gate.open(0.0)) == 2, "both types to be claimed")
    one.asking.stop(10.0)

    assert first.calls[-1] == "teardown"
    assert any(
        event.message.startswith("Test.Leaving: teardown() raised SystemExit: no licence (")
        for event in one.of(Notice)
    )
