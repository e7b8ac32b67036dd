"""The quota ledger: what this machine has spent of a project's day, and which bucket YouTube said is empty.

Advisory before a call: other machines, people and Google's own client (it resends a request whose connection was
closed) spend as well. Authoritative is YouTube's error alone; it blocks the bucket until the day is over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime

from prismq_worker_sdk import Quota
from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.errors import DayQuotaUsedUp
from prismq_youtube_shorts.quota_day import Bucket, asked_again_at, next_reset, quota_day
from prismq_youtube_shorts.state.file import StateFile

__all__ = ["BUDGET_SETTINGS", "Ledger"]

DAYS_KEPT = "-8 days"
NAMES = {
    Bucket.SEARCH: "search calls",
    Bucket.UNITS: "units",
    Bucket.STATS: "batchGetStats calls",
}
BUDGET_SETTINGS = {
    Bucket.SEARCH: "YOUTUBE_DAILY_SEARCH_BUDGET",
    Bucket.UNITS: "YOUTUBE_DAILY_UNIT_BUDGET",
    Bucket.STATS: "YOUTUBE_DAILY_STATS_BUDGET",
}


class Ledger:
    """What is spent of a Google project's day; may be used from any thread and by several processes.

    Args:
        project: Which project: quota is the project's, not the key's.
        budgets: How many calls of each bucket may be made a day.
        now: Gives the instant now, with time zone.
    """

    def __init__(
        self, file: StateFile, project: str, budgets: Mapping[Bucket, int], now: Callable[[], datetime]
    ) -> None:
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
        blocked, used = self._file.run(lambda db: self._spent(db, bucket, now), ("", 0))
        if blocked:
            raise DayQuotaUsedUp(bucket, now=now, reason=blocked)
        if used > self._budgets[bucket]:
            raise DayQuotaUsedUp(bucket, now=now, reason=self._over(bucket))

    def give_back(self, bucket: Bucket) -> None:
        """Counts one call less: it was never sent."""
        row = (self._project, bucket.value, quota_day(self._now()).isoformat())
        self._file.run(
            lambda db: db.execute(
                "UPDATE usage SET used = used - 1 WHERE project = ? AND bucket = ? AND day = ? AND used > 0",
                row,
            ),
            None,
        )

    def block(self, bucket: Bucket) -> None:
        """YouTube said that nothing is left in this bucket: until the day is over no call of it is made."""
        reason = f"YouTube says that the day's {bucket} quota is used up"
        row = (self._project, bucket.value, asked_again_at(self._now()).timestamp(), reason)
        self._file.run(lambda db: db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)", row), None)

    def used_up(self, bucket: Bucket) -> str | None:
        """Why no call of this bucket may be made now, None when one may."""
        found = next(quota for quota in self.quotas() if quota.name == NAMES[bucket])
        if found.left:
            return None
        return str(DayQuotaUsedUp(bucket, now=self._now(), reason=found.blocked or self._over(bucket)))

    def used(self, bucket: Bucket) -> int:
        """How many calls of this bucket this machine made today."""
        return self._file.look(lambda db: self._count(db, bucket, self._now()), 0)

    def quotas(self) -> tuple[Quota, ...]:
        """What is left of each bucket, as far as this machine knows."""
        now = self._now()

        def read(db: sqlite3.Connection) -> dict[Bucket, tuple[int, str]]:
            return {
                bucket: (self._count(db, bucket, now), self._blocked(db, bucket, now)) for bucket in Bucket
            }

        found = self._file.look(read, {})
        return tuple(
            Quota(
                name=NAMES[bucket],
                used=found.get(bucket, (0, ""))[0],
                limit=self._budgets[bucket],
                resets_at=next_reset(now),
                blocked=found.get(bucket, (0, ""))[1],
            )
            for bucket in Bucket
        )

    def _over(self, bucket: Bucket) -> str:
        setting = f"{BUDGET_SETTINGS[bucket]}={self._budgets[bucket]}"
        return f"the day's budget of {NAMES[bucket]} is used up ({setting})"

    def _spent(self, db: sqlite3.Connection, bucket: Bucket, now: datetime) -> tuple[str, int]:
        """Why nothing may be spent, and the calls of the day, this one included where it may be made."""
        blocked = self._blocked(db, bucket, now)
        used = self._count(db, bucket, now) + 1
        if not blocked and used <= self._budgets[bucket]:
            day = quota_day(now).isoformat()
            row = (self._project, bucket.value, day, used)
            db.execute("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?)", row)
            db.execute("DELETE FROM usage WHERE day < date(?, ?)", (day, DAYS_KEPT))
        return blocked, used

    def _count(self, db: sqlite3.Connection, bucket: Bucket, now: datetime) -> int:
        row = (self._project, bucket.value, quota_day(now).isoformat())
        found = db.execute(
            "SELECT used FROM usage WHERE project = ? AND bucket = ? AND day = ?", row
        ).fetchone()
        return int(found[0]) if found else 0

    def _blocked(self, db: sqlite3.Connection, bucket: Bucket, now: datetime) -> str:
        row = (self._project, bucket.value, now.astimezone(UTC).timestamp())
        found = db.execute(
            "SELECT reason FROM blocks WHERE project = ? AND bucket = ? AND until > ?", row
        ).fetchone()
        return str(found[0]) if found else ""
