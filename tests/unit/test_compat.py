"""What stands in for newer Pythons is the same on every Python."""

import ast
import re
from datetime import datetime, timedelta, timezone
from enum import Enum

import pytest

from prismq_worker_sdk.compat import UTC, StrEnum, datetime_from_iso
from tests.support.surroundings import ROOT

ATOMIC_OR_POSSESSIVE = re.compile(r"\(\?>|(?<![\[\\*+?])[*+?}]\+")


class Colour(StrEnum):
    RED = "red"


def test_a_member_is_shown_as_its_text():
    assert (str(Colour.RED), f"{Colour.RED}", f"{Colour.RED:>5}") == ("red", "red", "  red")
    assert Colour("red") is Colour.RED == "red"
    assert isinstance(Colour.RED, Enum)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04:05.5Z", datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567+00:00", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        (
            "2026-01-02T03:04:05,25+0130",
            datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=timezone(timedelta(minutes=90))),
        ),
        ("2026-01-02T03:04:05.000001", datetime(2026, 1, 2, 3, 4, 5, 1)),  # noqa: DTZ001 - a time without a zone
        ("2026-01-02", datetime(2026, 1, 2)),  # noqa: DTZ001 - a time without a zone
    ],
)
def test_a_moment_is_read_in_the_forms_that_servers_write(text, moment):
    found = datetime_from_iso(text)

    assert (found, found.utcoffset()) == (moment, moment.utcoffset())


@pytest.mark.parametrize(
    "text", ["", "Z", "now", "2026-13-01T00:00:00Z", "2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05+99:00"]
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        datetime_from_iso(text)


def test_no_pattern_is_one_that_python_3_10_cannot_read():
    files = [*(ROOT / "prismq_worker_sdk").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    assert [line for line in lines if ATOMIC_OR_POSSESSIVE.search(line)] == []


def test_no_property_is_made_by_a_call():
    """From Python 3.14 on a dataclass with slots takes none whose getter is not a function of Python."""
    made = [
        f"{path.name}: {ast.unparse(node)}"
        for path in (ROOT / "prismq_worker_sdk").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "property"
    ]

    assert made == []
