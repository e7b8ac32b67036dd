"""The outbox: what the worker asks of it, each method one durable transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from prismq_worker_sdk.decide.delivery import Again, Settle
from prismq_worker_sdk.model.claim import Claim, Identity, TaskKey
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.outcome import Outcome
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.outbox import bounds, left_behind, rows, store
from prismq_worker_sdk.outbox import parked as shelf
from prismq_worker_sdk.outbox.left_behind import Unreadable
from prismq_worker_sdk.outbox.parked import Parked
from prismq_worker_sdk.outbox.schema import IDENTITY_COLUMNS, open_database
from prismq_worker_sdk.outbox.store import Answered, ClaimEnd, Commit, HoldResult, Judged
from prismq_worker_sdk.outbox.transactions import GroupCommit, Transactions

LONGEST = 1_024
LARGEST = 8 * 1024 * 1024
"""What is kept in memory at most, in reports and in characters of their results; beyond that the disk is asked."""

FOREVER = 3600.0
"""A next try further away than this comes from a clock that was set back: it is due."""

LOOK_LIMIT = 1.0
"""Seconds that who looks for claims to renew waits for it: a lease does not wait for a disk."""
PRUNE_EVERY = 3600.0

_WAITS = f"state = 'waiting' AND {store.OF_SERVER}"


class Outbox:
    """Holds claims, outcomes and what is known of tasks, durably.

    Every method is one transaction and returns once it is on disk; it raises OutboxError when it cannot be.
    All may be called from any thread.

    Attributes:
        transactions: Tells what was found of the file and its disk.

    The line of waiting reports is kept in memory as long as it is short, so that what is due costs no look at the
    disk: whole, oldest first, each with the clock reading at which it is due, so that a clock that is set back makes
    no report wait longer. It is changed between transactions, in their order; whatever it does not follow exactly
    ends it, and the disk is asked until nothing waits.
    """

    def __init__(self, transactions: Transactions, clock: Clock, server: str | None = None) -> None:
        self.transactions = transactions
        self._clock = clock
        self._server = server
        self._line: dict[int, tuple[Report, float]] | None = None
        self._line_size = 0
        self._line_lock = threading.Lock()
        self._pruned_at = self._now()

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Outbox:
        """The outbox in a file, made when it is new, with one writer thread.

        Raises:
            StateFolderError: The file cannot be used.
        """
        return cls(GroupCommit(open_database(path)), clock)

    def of(self, server: str) -> Outbox:
        """The same outbox, seen by a worker of this server: reports and claims of others stay as they are (R1)."""
        return Outbox(self.transactions, self._clock, server)

    def close(self) -> None:
        """Ends after what was begun; later calls raise OutboxError."""
        self.transactions.close()

    # claims

    def hold(self, claim: Claim) -> HoldResult:
        """Writes a claim down, or answers it with a completed outcome that is still here (R25)."""
        _, (found,) = self.settle_and_hold((), (claim,))
        return found

    def settle_and_hold(
        self, judged: Sequence[Judged], claims: Sequence[Claim]
    ) -> tuple[list[bool], list[HoldResult]]:
        """Stores the verdicts of an answer and then holds its tasks, all or nothing (R25).

        So a task that is handed out again is answered with the result whose verdict came with it.

        Returns:
            For each report whether it was in the line still; for each claim whether its task is to be run.
        """
        stored: tuple[list[bool], list[HoldResult]] = self.transactions.run(
            partial(store.settle_and_hold, judged=judged, claims=claims, now=self._now()),
            then=partial(self._follow, judged),
            here=True,
        )
        return stored

    def rehold(self, old: Identity, new: Claim) -> bool:
        """Binds a running attempt to its new claim; False when it has ended meanwhile (R9)."""
        now = self._now()
        return self.transactions.run(lambda db: store.rehold(db, old, new, now))

    def end(self, *ends: ClaimEnd) -> list[bool]:
        """Ends claims, in one transaction; for each whether this end was its first (R10)."""
        ended = self.transactions.run(
            partial(store.end_claims, ends=ends, now=self._now()),
            then=partial(self._line_up, ends),
            here=True,
        )
        return [found is not False for found in ended]

    # reports

    def due(self, limit: int) -> list[Report]:
        """The reports whose next try has come, oldest first."""
        with self._line_lock:
            if self._line is not None:
                now = self._clock.monotonic()
                found = []
                for report, due_at in self._line.values():
                    if due_at <= now:
                        found.append(report)
                        if len(found) >= limit:
                            break
                return found
        now = self._now()
        come = f"{_WAITS} AND (next_try <= ?2 OR next_try > ?2 + {FOREVER})"

        def look(db: Connection) -> tuple[list[Report], bool]:
            found = self._reports(db, come, now, limit)
            return found, not found and self._earliest(db) is None

        return self.transactions.run(look, then=lambda seen: self._forget(empty=seen[1]))[0]

    def after(self, number: int, limit: int) -> list[Report]:
        """Waiting reports behind a place in the line, whatever their next try (R36)."""
        return self.transactions.run(lambda db: self._reports(db, f"{_WAITS} AND number > ?2", number, limit))

    def _reports(self, db: Connection, which: str, value: float, limit: int) -> list[Report]:
        found = db.execute(
            f"SELECT {rows.REPORT_COLUMNS} FROM outcomes WHERE {which} ORDER BY number LIMIT ?3",
            (self._server, value, limit),
        )
        return [store.with_checkpoint(db, rows.report_of(row)) for row in found]

    def seconds_to_next(self) -> float | None:
        """Seconds until the next report is due, None when nothing waits."""
        with self._line_lock:
            if (line := self._line) is not None:
                now = self._clock.monotonic()
                earliest = min([due_at for _, due_at in line.values()]) if line else None
        if line is None:
            earliest, now = self.transactions.run(self._earliest), self._now()
        return None if earliest is None else max(0.0, earliest - now)

    def _earliest(self, db: Connection) -> float | None:
        found: float | None = db.execute(
            f"SELECT min(next_try) FROM outcomes WHERE {_WAITS}", (self._server,)
        ).fetchone()[0]
        return found

    def count(self, state: str) -> int:
        """How many reports are `waiting` or `parked`."""
        counted = f"SELECT count(*) FROM outcomes WHERE {store.OF_SERVER} AND state = ?2"
        return self.transactions.run(lambda db: int(db.execute(counted, (self._server, state)).fetchone()[0]))

    def backlog(self) -> tuple[int, float]:
        """How many reports wait, and for how many seconds the oldest has; a disk that hangs is not waited for."""
        first = f"SELECT committed_at FROM outcomes WHERE +{_WAITS} ORDER BY number LIMIT 1"
        asked = f"SELECT count(*), ({first}) FROM outcomes WHERE {_WAITS}"
        number, since = self.transactions.run(
            lambda db: db.execute(asked, (self._server,)).fetchone(), within=LOOK_LIMIT
        )
        return int(number), 0.0 if since is None else max(0.0, self._now() - since)

    def elsewhere(self) -> dict[str, int]:
        """Waiting reports that go to other servers: server → how many (R1)."""
        counted = (
            "SELECT server, count(*) FROM outcomes WHERE state = 'waiting' AND server <> ? GROUP BY server"
        )
        return self.transactions.run(lambda db: dict(db.execute(counted, (self._server,)).fetchall()))

    def claims_waiting(self, limit: int) -> list[Identity]:
        """The claims of waiting reports that a token proves: they are renewed until their verdict (R21)."""
        proven = f"{_WAITS} AND token <> '' ORDER BY number LIMIT ?2"
        asked = f"SELECT {IDENTITY_COLUMNS} FROM outcomes WHERE {proven}"
        return self.transactions.run(
            lambda db: [rows.identity_of(row) for row in db.execute(asked, (self._server, limit))],
            within=LOOK_LIMIT,
        )

    def parked(self) -> list[Parked]:
        """What is parked in this file, of every server: how many reports for each reason."""
        return self.transactions.run(shelf.reasons)

    def retry(self, number: int) -> bool:
        """Puts a parked report back into the line; whether the failure that stood in for it was withdrawn.

        Raises:
            UsageError: It is not parked, or its claim has another end already.
        """
        now = self._now()
        return self.transactions.run(lambda db: shelf.retry(db, number, now), then=self._forget)

    def delete(self, number: int) -> dict[str, Any]:
        """Deletes a report, waiting or parked; what it was, column by column.

        Raises:
            UsageError: There is none.
        """
        return self.transactions.run(lambda db: shelf.delete(db, number), then=self._forget)

    # the line in memory

    def _forget(self, _found: object = None, *, empty: bool = False) -> None:
        """Ends what is known of the line, or begins it where nothing waits."""
        with self._line_lock:
            self._line, self._line_size = {} if empty else None, 0

    def _line_up(self, ends: Sequence[ClaimEnd], found: Sequence[Report | bool]) -> None:
        """What was committed waits behind all others."""
        now = self._clock.monotonic()
        with self._line_lock:
            for end, report in zip(ends, found, strict=True):
                if self._line is None:
                    return
                if isinstance(end, Commit) and isinstance(report, Report) and report.number is not None:
                    self._line[report.number] = report, now + end.wait
                    self._line_size += report.size
                    if len(self._line) > LONGEST or self._line_size > LARGEST:
                        self._line = None

    def _follow(self, judged: Sequence[Judged], found: tuple[object, Sequence[HoldResult]]) -> None:
        """Verdicts take reports out of the line, or make them wait; what takes their places it does not know."""
        for held in found[1]:
            if isinstance(held, Answered) or held.superseded:
                self._forget()
        now = self._clock.monotonic()
        with self._line_lock:
            for report, judgement, retry_in in judged:
                if self._line is None or (number := report.number) not in self._line or number is None:
                    continue
                match judgement:
                    case Settle():
                        self._line_size -= self._line.pop(number)[0].size
                    case Again(maybe_seen=maybe_seen):
                        seen = report.maybe_seen or maybe_seen
                        self._line[number] = replace(report, maybe_seen=seen), now + retry_in
                    case _:
                        self._line = None

    # room

    def tidy(self) -> bool:
        """Forgets what is past its time once an hour, and gives free pages back; whether more are left to give."""
        now = self._now()
        due = abs(now - self._pruned_at) > PRUNE_EVERY
        self._pruned_at = now if due else self._pruned_at

        def tidying(db: Connection) -> bool:
            if due:
                bounds.prune(db, now)
            return bounds.shrink(db)

        return self.transactions.run(tidying)

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        return self.transactions.run(bounds.used_bytes)

    def look(self) -> None:
        """Does nothing, durably: finds out whether something can be stored again."""
        self.transactions.run(lambda _db: None)

    # after a crash

    def park_unreadable(self) -> list[Unreadable]:
        """Parks the waiting reports whose rows cannot be read, before they are counted or sent."""
        return self.transactions.run(
            partial(left_behind.park_unreadable, server=self._server, now=self._now()), then=self._forget
        )

    def drop_unreadable_claims(self) -> int:
        """Deletes held claims that cannot be read: they lapse; how many that were."""
        return self.transactions.run(left_behind.drop_unreadable_claims)

    def forget_parked(self) -> int:
        """Deletes parked reports beyond their 90 days or their number (10,000); how many that were."""
        return self.transactions.run(partial(shelf.forget, now=self._now()))

    def recover(self) -> int:
        """Makes the stored reports of an earlier process due; how many there are."""
        return self.transactions.run(
            partial(left_behind.make_due, server=self._server, now=self._now()), then=self._forget
        )

    def resolve_orphans(
        self, *, retried: Callable[[int | None], bool]
    ) -> list[tuple[Identity, Outcome | None]]:
        """Ends every claim that a crash left without an outcome: reported, or left to lapse (None) (R27).

        Args:
            retried: Whether the server tries a task again whose attempt of this number is reported as failed.
        """
        resolving = partial(
            left_behind.resolve_orphans, server=self._server, retried=retried, now=self._now()
        )
        return self.transactions.run(resolving, then=self._forget)

    # what is known of tasks and types

    def checkpoint(self, key: TaskKey, value: str) -> None:
        """Stores the last checkpoint of a task, JSON text, which a report of it takes along (R30)."""
        now = self._now()

        def follow(_: None) -> None:
            with self._line_lock:
                line = self._line or {}
                for number, (report, due_at) in line.items():
                    if report.checkpoint is not None and report.identity.task_key == key:
                        line[number] = replace(report, checkpoint=value), due_at

        self.transactions.run(lambda db: store.store_checkpoint(db, key, value, now), then=follow)

    def pause(self, task_type: str, seconds: float, reason: str) -> None:
        """Stores that a type is not to be claimed for a while (R18)."""
        row = (task_type, self._now() + seconds, reason, seconds)
        self.transactions.run(lambda db: db.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?)", row))

    def pauses(self) -> dict[str, tuple[float, str]]:
        """Every pause that still lasts: type → (seconds left, reason)."""
        now = self._now()
        lasting = "SELECT task_type, min(until - ?1, seconds), reason FROM pauses WHERE until > ?1"
        found = self.transactions.run(lambda db: db.execute(lasting, (now,)).fetchall())
        return {name: (left, reason) for name, left, reason in found}

    def _now(self) -> float:
        return self._clock.utc().timestamp()
