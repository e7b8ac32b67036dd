"""When a day's quota is given again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.quota import next_reset


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        ("2026-11-23T20:00:00+00:00", "2026-11-24T08:00:00+00:00"),
        ("2026-07-01T06:59:59+00:00", "2026-07-01T07:00:00+00:00"),
        ("2026-07-01T07:00:00+00:00", "2026-07-02T07:00:00+00:00"),
        ("2026-11-23T21:00:00+01:00", "2026-11-24T08:00:00+00:00"),
    ],
)
def test_quota_comes_back_at_midnight_in_los_angeles(now, reset):
    assert next_reset(datetime.fromisoformat(now)) == datetime.fromisoformat(reset)


@pytest.mark.parametrize(
    ("begin", "hours"), [((2026, 3, 8, 8), 23), ((2026, 11, 1, 7), 25), ((2026, 6, 1, 7), 24)]
)
def test_days_at_the_change_of_the_clock_have_23_and_25_hours(begin, hours):
    begins = datetime(*begin, tzinfo=UTC)

    assert next_reset(begins) - begins == timedelta(hours=hours)
