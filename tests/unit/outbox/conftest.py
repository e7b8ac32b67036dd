from types import SimpleNamespace

import pytest

from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Completed
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.outbox.store import Commit
from prismq_worker_sdk.testing import FakeClock

SERVER = "http://s/api"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def line(clock):
    """Writes reports and claims into an outbox file."""

    def claim(task_id="t1", *, server=SERVER, worker="w1", token=None):
        identity = Identity(server, "v1", task_id, "T", "d", worker, token)
        return Claim(identity, Task(id=task_id, type="T", attempt=2), 0.0, 300.0)

    def commit(path, *outcomes, held=(), **identity):
        """One report for each outcome, of the tasks t0, t1, …, and claims that are held."""
        outbox = Outbox.open(path, clock)
        for number, outcome in enumerate(outcomes):
            one = claim(f"t{number}", **identity)
            outbox.hold(one)
            assert outbox.end(Commit(one.identity, outcome, attempt=2)) == [True]
        for task_id in held:
            outbox.hold(claim(task_id, **identity))
        outbox.close()
        return path

    def results(number, size=1):
        return [Completed(f'"{"x" * size}{place}"') for place in range(number)]

    return SimpleNamespace(claim=claim, commit=commit, results=results)
