"""The quota ledger: advisory before the call, authoritative after YouTube's error, by days of Los Angeles."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.errors import DayQuotaUsedUp, YouTubeTrouble, uncharged
from prismq_youtube_shorts.ledger import Ledger
from prismq_youtube_shorts.quota import Bucket
from prismq_youtube_shorts.state_file import StateFile


@pytest.fixture
def make_ledger(tmp_path, clock):
    def make(project="one", **budgets):
        given = {bucket: budgets.get(bucket.value, 100) for bucket in Bucket}
        return Ledger(StateFile(tmp_path / "state"), project, given, clock)

    return make


def spend(ledger, bucket, times):
    for _ in range(times):
        ledger.spend(bucket)


def test_each_bucket_is_counted_by_itself(make_ledger):
    ledger = make_ledger()
    spend(ledger, Bucket.SEARCH, 3)
    spend(ledger, Bucket.UNITS, 2)

    assert [(one.name, one.used, one.left) for one in ledger.quotas()] == [
        ("search calls", 3, 97),
        ("units", 2, 98),
        ("batchGetStats calls", 0, 100),
    ]


def test_a_call_beyond_the_budget_is_refused_before_it_is_made_and_not_counted(make_ledger):
    ledger = make_ledger(search=2)
    spend(ledger, Bucket.SEARCH, 2)

    for _ in range(2):
        with pytest.raises(
            DayQuotaUsedUp, match=r"\(YOUTUBE_DAILY_SEARCH_BUDGET=2\); .* 2026-11-24 08:01 UTC"
        ):
            ledger.spend(Bucket.SEARCH)
    assert ledger.quota(Bucket.SEARCH).used == 2
    assert "YOUTUBE_DAILY_SEARCH_BUDGET=2" in ledger.used_up(Bucket.SEARCH)
    assert ledger.used_up(Bucket.UNITS) is None


def test_a_budget_of_nothing_allows_nothing(make_ledger):
    with pytest.raises(DayQuotaUsedUp):
        make_ledger(search=0).spend(Bucket.SEARCH)


def test_what_youtube_says_is_empty_stays_empty_until_midnight_in_los_angeles(make_ledger, clock):
    ledger = make_ledger()
    ledger.block(Bucket.SEARCH)

    with pytest.raises(
        DayQuotaUsedUp, match=r"YouTube says that the day's search quota is used up; .* 08:01 UTC"
    ) as caught:
        ledger.spend(Bucket.SEARCH)
    assert caught.value.retry_in == 12 * 3600 + 60
    ledger.spend(Bucket.UNITS)
    (search, *_) = ledger.quotas()
    assert (search.blocked, search.left, search.used) == (
        "YouTube says that the day's search quota is used up",
        0,
        0,
    )

    clock.turn(hours=12)
    assert ledger.used_up(Bucket.SEARCH) is not None
    clock.turn(minutes=1)
    assert ledger.used_up(Bucket.SEARCH) is None
    ledger.spend(Bucket.SEARCH)
    assert ledger.quotas()[0].left == 99


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-11-24T07:59:59", "2026-11-24T08:00:00"),  # winter
        ("2026-07-01T06:59:59", "2026-07-01T07:00:00"),  # summer
        ("2026-03-09T06:59:59", "2026-03-09T07:00:00"),  # the end of a day of 23 hours
        ("2026-11-02T07:59:59", "2026-11-02T08:00:00"),  # the end of a day of 25 hours
    ],
)
def test_a_new_day_begins_at_midnight_in_los_angeles(make_ledger, clock, before, after):
    ledger = make_ledger(search=1)
    clock.now = datetime.fromisoformat(before).replace(tzinfo=UTC)
    ledger.spend(Bucket.SEARCH)
    with pytest.raises(DayQuotaUsedUp):
        ledger.spend(Bucket.SEARCH)

    clock.now = datetime.fromisoformat(after).replace(tzinfo=UTC)
    ledger.spend(Bucket.SEARCH)
    assert ledger.quota(Bucket.SEARCH).used == 1


def test_a_project_that_is_named_is_shared_by_its_keys_and_another_is_not(make_ledger):
    spend(make_ledger("one"), Bucket.SEARCH, 2)
    spend(make_ledger("one"), Bucket.SEARCH, 1)

    assert make_ledger("one").quota(Bucket.SEARCH).used == 3
    assert make_ledger("two").quota(Bucket.SEARCH).used == 0


def test_no_call_is_lost_when_many_threads_and_files_count(make_ledger):
    ledgers = [make_ledger(default=1_000) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledgers[n % 4].spend(Bucket.UNITS), range(200)))

    assert make_ledger().quota(Bucket.UNITS).used == 200


def test_processes_share_the_budget_and_never_go_beyond_it(tmp_path):
    code = f"""
from pathlib import Path
from datetime import datetime, timezone
from prismq_youtube_shorts.errors import DayQuotaUsedUp
from prismq_youtube_shorts.quota import Bucket
from prismq_youtube_shorts.state_file import StateFile
from prismq_youtube_shorts.ledger import Ledger
now = datetime(2026, 11, 23, 20, tzinfo=timezone.utc)
ledger = Ledger(StateFile(Path({str(tmp_path)!r})), "p", dict.fromkeys(Bucket, 50), lambda: now)
spent = 0
for _ in range(40):
    try:
        ledger.spend(Bucket.SEARCH)
        spent += 1
    except DayQuotaUsedUp:
        pass
print(spent)
"""
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    spent = [int(process.communicate(timeout=60)[0]) for process in running]

    assert sum(spent) == 50


def test_days_long_gone_are_forgotten(make_ledger, clock):
    ledger = make_ledger()
    for _ in range(12):
        ledger.spend(Bucket.SEARCH)
        clock.turn(days=1)

    rows = ledger._file.run(lambda db: db.execute("SELECT count(*) FROM usage").fetchone()[0], 0)
    assert rows <= 9


def test_looking_at_what_is_left_makes_no_file(make_ledger, tmp_path):
    assert [one.used for one in make_ledger().quotas()] == [0, 0, 0]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("mark", "spent"), [(uncharged, 0), (lambda error: error, 1)])
def test_a_call_that_never_left_costs_its_task_nothing(sandbox, client, monkeypatch, mark, spent):
    def fails(*_query, **_options):
        raise mark(YouTubeTrouble("no usable answer"))

    monkeypatch.setattr(client.youtube, "call", fails)
    with pytest.raises(YouTubeTrouble):
        client.find()
    assert client.spent.total() == spent
