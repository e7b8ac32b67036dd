"""The rules of `prismq-worker doctor` on limits and on the state folder, without a server."""

from datetime import datetime
from pathlib import Path

import pytest

from prismq_worker_sdk.cli.doctor.here import check_folder, stored
from prismq_worker_sdk.cli.doctor.server import RateLimit, announced, rate_limit
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.outbox.looking import Entry
from prismq_worker_sdk.wire.checks import LISTING, Level, Record
from tests.support.dialect import reply

URL = "http://tm.example/api"
NOW = 1_795_444_737


# ---- limits


def limited(left, *, limit="100", date=True):
    headers = {"x_ratelimit_limit": limit, "x_ratelimit_reset": str(NOW + left)}
    headers |= {"date": httpdate(NOW)} if date else {}
    return Record(LISTING, reply(200, {}, **headers), 0.0)


def httpdate(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_the_window_is_the_longest_that_an_answer_shows():
    assert announced([limited(12), limited(60), limited(59)]) == RateLimit(100, 60.0)


def test_without_a_date_the_window_is_the_usual_one():
    assert announced([limited(12, date=False)]) == RateLimit(100, 60.0)


@pytest.mark.parametrize("limit", ["", "many", "-1", "1" * 20])
def test_what_is_no_number_announces_no_limit(limit):
    assert announced([limited(12, limit=limit)]) is None


@pytest.mark.parametrize(
    ("types", "poll", "level"),
    [(1, 10.0, Level.OK), (6, 10.0, Level.OK), (7, 10.0, Level.WARN), (1, 0.5, Level.WARN)],
)
def test_a_second_worker_must_fit_into_the_limit(types, poll, level):
    assert rate_limit(RateLimit(100), types=types, poll_interval=poll, can=BASE).level is level


@pytest.mark.parametrize(("longest", "claims"), [(30.0, "4"), (4.0, "20")])
def test_a_worker_that_waits_on_the_server_asks_again_when_the_wait_is_over(longest, claims):
    waiting = Capabilities(max_wait_seconds=longest, renews=True)
    found = rate_limit(RateLimit(100), types=1, poll_interval=20.0, can=waiting)

    assert found.level is Level.OK
    assert f"idle this one sends {claims} claims" in found.text


def test_a_limit_that_was_hit_is_a_warning():
    assert rate_limit(RateLimit(100, hit=True), types=1, poll_interval=10.0, can=BASE).level is Level.WARN


# ---- the state folder


def entry(state, server=URL):
    return Entry("instance-0", 1, state, "completed", server, "v1", "t", "T", "w", "", 1, 0.0, 0, 0.0, "")


def test_what_waits_is_parked_or_belongs_to_another_server_is_told():
    entries = [entry("waiting"), entry("waiting", "http://old.example/api"), entry("parked"), entry("held")]
    first, parked, foreign = stored(Path("state"), entries, server=URL)

    assert (first.level, parked.level, foreign.level) == (Level.OK, Level.WARN, Level.WARN)
    assert "reports waiting: 2, claims without an outcome: 1" in first.text
    assert parked.remedy == "see prismq-worker outbox list --state parked"
    assert "http://old.example/api" in foreign.text
    assert [one.level for one in stored(Path("state"), [entry("waiting", "x")], server=None)] == [Level.OK]


def test_a_disk_without_room_for_the_results_of_every_slot_is_a_failure(tmp_path):
    found = list(check_folder(tmp_path / "not" / "there", None, server=None, needed=2**62))

    assert [one.level for one in found] == [Level.FAIL, Level.OK]
    assert "MiB are needed before claiming" in found[0].text


def test_an_instance_that_cannot_be_read_is_a_warning(tmp_path):
    (tmp_path / "instance-0").mkdir()
    (tmp_path / "instance-0" / "outbox.db").write_bytes(b"no database" * 100)
    found = list(check_folder(tmp_path, None, server=None, needed=0))

    assert [one.level for one in found] == [Level.WARN, Level.OK]
    assert "cannot be read" in found[0].text
