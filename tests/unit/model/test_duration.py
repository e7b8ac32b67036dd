import math

import pytest

from prismq_worker_sdk.model import duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (30, 30.0),
        (0, 0.0),
        (0.25, 0.25),
        ("30", 30.0),
        ("30s", 30.0),
        (" 5 m ", 300.0),
        ("1.5m", 90.0),
        ("1h", 3600.0),
        ("2d", 172800.0),
        ("250ms", 0.25),
        ("0", 0.0),
        (10**9, 1e9),
    ],
)
def test_durations_are_read_as_people_write_them(written, seconds):
    found = duration.seconds(written)

    assert (found, type(found)) == (pytest.approx(seconds), float)


@pytest.mark.parametrize(
    "written",
    [
        -1,
        -0.5,
        math.nan,
        math.inf,
        10**400,
        True,
        None,
        [],
        "",
        "s",
        "-5s",
        "5 minutes",
        "1h30m",
        "1e3",
        "nan",
        "inf",
        "5S",
        ".5s",
        "5.s",
        "\u0663s",
        "9" * 400,
        "99999999d",
        b"5s",
    ],
    ids=repr,
)
def test_anything_else_is_refused_with_an_example(written):
    with pytest.raises(ValueError, match="is not a duration; write for example 30, 30s, 5m or 1h"):
        duration.seconds(written)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.007, "7ms"),
        (0.1, "0.1s"),
        (1.234, "1.23s"),
        (45, "45s"),
        (59.94, "59.9s"),
        (60, "1m"),
        (90, "1m 30s"),
        (3600, "1h"),
        (5400, "1h 30m"),
        (5401, "1h 30m"),
        (86399.9, "1d"),
        (90061, "1d 1h"),
        (1e9, "11574d 1h"),
    ],
)
def test_durations_are_told_in_two_units_at_most(seconds, text):
    assert duration.text(seconds) == text
