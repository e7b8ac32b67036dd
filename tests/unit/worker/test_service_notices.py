"""What a worker tells the service manager, by what its loops and its stop are at."""

from types import SimpleNamespace

import pytest

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.status import WorkerStatus
from prismq_worker_sdk.testing import FakeClock
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.shared import Lifecycle
from prismq_worker_sdk.worker.supervision.service_notices import MARGIN, ServiceNotices

UP = ("READY=1", "WATCHDOG=1")


class Heard(list):
    """A manager that wants to hear something at every look."""

    def due(self):
        return True

    def tell(self, *words, status, within=None):
        self.append((words, status, within))


@pytest.fixture
def told():
    """What the manager heard, the worker's life, and its health, which a test may change."""
    found = SimpleNamespace(heard=Heard(), health=Health(live=True, ready=True), clock=FakeClock())
    found.life = Lifecycle()
    here = SimpleNamespace(
        config=WorkerConfig(api_url="http://tasks.example/api", state_dir="/", startup_timeout=600.0),
        clock=found.clock,
        lifecycle=found.life,
        redactor=Redactor(["secret-key-123"]),
    )

    def status():
        return WorkerStatus(
            worker_id="w", version="1", server="", phase="running", health=found.health, slots=4, waiting=2
        )

    found.notices = ServiceNotices(found.heard, here, status)
    return found


def test_a_start_may_take_as_long_as_the_worker_tries_its_server(told):
    told.notices.searching()

    assert told.heard == [((), "looking for http://tasks.example/api", 600.0 + MARGIN)]


def test_a_worker_whose_loops_tick_is_up_though_it_is_not_ready(told):
    told.health = Health(live=True, ready=False, reasons=("no secret-key-123 here",))
    told.notices.look()

    (words, status, within) = told.heard[0]
    assert (words, within) == (UP, None)
    assert status.startswith("0 of 4 slots in use, 2 reports wait; not ready: no ")
    assert "secret-key-123" not in status


def test_a_worker_with_a_loop_that_hangs_gives_no_sign_of_life(told):
    told.health = Health(live=False, ready=False, reasons=("the claim loop hangs",))
    told.notices.look()

    assert told.heard == [((), "0 of 4 slots in use, 2 reports wait; not ready: the claim loop hangs", None)]


def test_a_stop_is_told_once_with_the_time_that_it_may_take(told):
    told.life.ask_stop("SIGTERM received", grace=300.0, now=told.clock.monotonic())
    told.notices.look()
    told.notices.look()

    assert told.heard == [(("STOPPING=1",), "stopping: SIGTERM received", 299.0 + MARGIN)]


def test_of_many_reasons_the_first_are_told(told):
    told.health = Health(live=True, ready=False, reasons=("a", "b", "c", "d", "e"))
    told.notices.look()

    assert told.heard[0][1].endswith("; not ready: a; b; c, and 2 more")
