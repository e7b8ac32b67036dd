from datetime import datetime, timedelta

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.testing import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_fake_clock_stands_until_it_is_turned():
    clock = FakeClock()
    readings = [(clock.monotonic(), clock.utc()), (clock.monotonic(), clock.utc())]
    clock.turn(1.5)

    assert readings == [(0.0, START), (0.0, START)]
    assert (clock.monotonic(), clock.utc()) == (1.5, START + timedelta(seconds=1.5))


def test_a_jump_of_the_wall_clock_is_not_noticed_by_the_monotonic_one():
    clock = FakeClock(datetime(2030, 5, 5, tzinfo=UTC))
    clock.turn(5)
    clock.jump(-3600)

    assert clock.monotonic() == 5.0
    assert clock.utc() == datetime(2030, 5, 4, 23, 0, 5, tzinfo=UTC)


def test_time_does_not_run_back():
    with pytest.raises(ValueError, match="does not run back"):
        FakeClock().turn(-0.1)
