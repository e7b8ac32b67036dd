"""The quota ledger: what this machine has spent of a project's day, and which bucket YouTube said is empty.

Advisory before a call: other machines and people spend as well. Authoritative is YouTube's error alone; it blocks the
bucket until the day is over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from prismq_worker_sdk import Quota
from prismq_youtube_shorts.errors import DayQuotaUsedUp
from prismq_youtube_shorts.quota import Bucket, Clock, asked_again_at, next_reset, quota_day
from prismq_youtube_shorts.state_file import StateFile

DAYS_KEPT = "-8 days"
NAMES = {Bucket.SEARCH: "search calls", Bucket.UNITS: "units", Bucket.STATS: "batchGetStats calls"}
BUDGET_SETTINGS = {
    Bucket.SEARCH: "YOUTUBE_DAILY_SEARCH_BUDGET",
    Bucket.UNITS: "YOUTUBE_DAILY_UNIT_BUDGET",
    Bucket.STATS: "YOUTUBE_DAILY_STATS_BUDGET",
}
STATE = """
SELECT (SELECT used FROM usage WHERE project = :project AND bucket = :bucket AND day = :day),
       (SELECT reason FROM blocks WHERE project = :project AND bucket = :bucket AND until > :now)
"""


class Ledger:
    """What is spent of a Google project's day; may be used from any thread and by several processes."""

    def __init__(self, file: StateFile, project: str, budgets: Mapping[Bucket, int], now: Clock) -> None:
        self._file = file
        self._project = project
        self._budgets = budgets
        self._now = now

    def spend(self, bucket: Bucket) -> None:
        """Counts one call, before it is made.

        Raises:
            DayQuotaUsedUp: YouTube said that the bucket is empty, or our budget of the day is used up.
        """
        now = self._now()

        def count(db: sqlite3.Connection) -> str | None:
            quota = self._quota(bucket, now, db)
            if reason := _refusal(bucket, quota):
                return reason
            day = quota_day(now).isoformat()
            row = (self._project, bucket.value, day, quota.used + 1)
            db.execute("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?)", row)
            db.execute("DELETE FROM usage WHERE day < date(?, ?)", (day, DAYS_KEPT))
            return None

        if reason := self._file.run(count, None):
            raise DayQuotaUsedUp(bucket, now=now, reason=reason)

    def give_back(self, bucket: Bucket) -> None:
        """Counts one call less: it was never sent."""
        self._file.write(
            "UPDATE usage SET used = used - 1 WHERE project = ? AND bucket = ? AND day = ? AND used > 0",
            (self._project, bucket.value, quota_day(self._now()).isoformat()),
        )

    def block(self, bucket: Bucket) -> None:
        """YouTube said that nothing is left in this bucket: until the day is over no call of it is made."""
        reason = f"YouTube says that the day's {bucket} quota is used up"
        row = (self._project, bucket.value, asked_again_at(self._now()).timestamp(), reason)
        self._file.write("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)", row)

    def used_up(self, bucket: Bucket) -> str | None:
        """Why no call of this bucket may be made now, None when one may."""
        reason = _refusal(bucket, self.quota(bucket))
        return reason and str(DayQuotaUsedUp(bucket, now=self._now(), reason=reason))

    def quota(self, bucket: Bucket) -> Quota:
        """What is left of a bucket, as far as this machine knows."""
        now, found = self._now(), None
        if self._file.exists():
            found = self._file.run(lambda db: self._quota(bucket, now, db), None)
        return found or self._quota(bucket, now)

    def quotas(self) -> tuple[Quota, ...]:
        """What is left of each bucket."""
        return tuple(map(self.quota, Bucket))

    def _quota(self, bucket: Bucket, now: datetime, db: sqlite3.Connection | None = None) -> Quota:
        place = {"project": self._project, "bucket": bucket.value, "day": quota_day(now).isoformat()}
        used, blocked = db.execute(STATE, {**place, "now": now.timestamp()}).fetchone() if db else (0, "")
        limit, resets_at = self._budgets[bucket], next_reset(now)
        return Quota(
            name=NAMES[bucket], used=used or 0, limit=limit, resets_at=resets_at, blocked=blocked or ""
        )


def _refusal(bucket: Bucket, quota: Quota) -> str | None:
    if quota.blocked or quota.used < quota.limit:
        return quota.blocked or None
    return f"the day's budget of {quota.name} is used up ({BUDGET_SETTINGS[bucket]}={quota.limit})"
