import socket

import pytest

from prismq_worker_sdk.testing import FakeClock
from tests.support.loops import Workplace


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def workplace(tmp_path, clock):
    """Makes workplaces, one after the other on the same outbox, as processes that follow each other."""
    made = []

    def make(*works, **options):
        if made:
            made[-1].close()
        made.append(Workplace(tmp_path, *works, clock=clock, **options))
        return made[-1]

    yield make
    if made:
        made[-1].close()


@pytest.fixture
def unused_port():
    """A port that nobody listens on, and that nobody else gets while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
