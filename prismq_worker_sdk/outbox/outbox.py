"""The outbox: what the worker asks of it, each method one durable transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from prismq_worker_sdk.decide.crashes import orphaned
from prismq_worker_sdk.decide.delivery import Again, Judgement, Settle
from prismq_worker_sdk.model.claim import Claim, Identity, TaskKey
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.outcome import Outcome
from prismq_worker_sdk.model.report import Report
from prismq_worker_sdk.outbox import bounds, bulk, store
from prismq_worker_sdk.outbox import parked as shelf
from prismq_worker_sdk.outbox.claim_ends import ClaimEnd, Commit
from prismq_worker_sdk.outbox.line import Line
from prismq_worker_sdk.outbox.parked import Parked, Unreadable
from prismq_worker_sdk.outbox.schema import open_database
from prismq_worker_sdk.outbox.transactions import GroupCommit, Transactions

LOOK_LIMIT = 1.0
"""Seconds that who looks for claims to renew waits for it: a lease does not wait for a disk."""

PRUNE_EVERY = 3600.0
"""Seconds between two looks for what is past its time."""


class Outbox:
    """Holds claims, outcomes and what is known of tasks, durably.

    Every method is one transaction and returns once it is on disk; it raises OutboxError when it cannot be.
    All may be called from any thread.
    """

    def __init__(self, transactions: Transactions, clock: Clock, server: str | None = None) -> None:
        self._transactions = transactions
        self._clock = clock
        self._server = server
        self._line = Line()
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
        return Outbox(self._transactions, self._clock, server)

    def close(self) -> None:
        """Ends after what was begun; later calls raise OutboxError."""
        self._transactions.close()

    # claims

    def hold(self, claim: Claim) -> store.HoldResult:
        """Writes a claim down, or answers it with a completed outcome that is still here (R25)."""
        _, (found,) = self.settle_and_hold((), (claim,))
        return found

    def rehold(self, old: Identity, new: Claim) -> bool:
        """Binds a running attempt to its new claim; False when it has ended meanwhile (R9)."""
        now = self._now()
        return self._transactions.run(lambda db: store.rehold(db, old, new, now))

    def end(self, *ends: ClaimEnd) -> list[bool]:
        """Ends claims, in one transaction; for each whether this end was its first (R10)."""
        now = self._now()
        ended = self._transactions.run(
            lambda db: bulk.end_claims(db, ends, now), then=lambda found: self._lined_up(ends, found)
        )
        return [found is not False for found in ended]

    def _lined_up(self, ends: Sequence[ClaimEnd], found: Sequence[Report | bool]) -> None:
        now = self._clock.monotonic()
        for end, report in zip(ends, found, strict=True):
            if isinstance(report, Report):
                self._line.add((report,), now + (end.wait if isinstance(end, Commit) else 0.0))

    def commit(self, identity: Identity, outcome: Outcome, **more: Any) -> bool:
        """The commit point; False when the claim had another end before (R10).

        Args:
            more: Of `bulk.Commit`.
        """
        (first,) = self.end(Commit(identity, outcome, **more))
        return first

    # reports

    def due(self, limit: int) -> list[Report]:
        """The reports whose next try has come, oldest first."""
        if (known := self._line.due(self._clock.monotonic(), limit)) is not None:
            return list(known)
        now = self._now()

        def look(db: Connection) -> tuple[list[Report], bool]:
            found = store.due(db, self._server, now, limit)
            return found, not found and store.next_due(db, self._server) is None

        found, _ = self._transactions.run(look, then=lambda seen: self._line.begin() if seen[1] else None)
        return found

    def after(self, number: int, limit: int) -> list[Report]:
        """Waiting reports behind a place in the line, whatever their next try (R36)."""
        return self._transactions.run(lambda db: store.after(db, self._server, number, limit))

    def seconds_to_next(self) -> float | None:
        """Seconds until the next report is due, None when nothing waits."""
        if self._line.whole:
            earliest, now = self._line.next_due(), self._clock.monotonic()
        else:
            earliest = self._transactions.run(lambda db: store.next_due(db, self._server))
            now = self._now()
        return None if earliest is None else max(0.0, earliest - now)

    def apply(self, report: Report, judgement: Judgement, *, retry_in: float = 0.0) -> bool:
        """Stores what became of a report; False when it was not in the line any more.

        Args:
            report: A stored report, counted as sent.
            retry_in: Seconds until its next try, where the judgement is Again.
        """
        (done,), _ = self.settle_and_hold(((report, judgement, retry_in),), ())
        return done

    def settle_and_hold(
        self, judged: Sequence[tuple[Report, Judgement, float]], claims: Sequence[Claim]
    ) -> tuple[list[bool], list[store.HoldResult]]:
        """Stores the verdicts of an answer and then holds its tasks, all or nothing (R25).

        So a task that is handed out again is answered with the result whose verdict came with it.

        Args:
            judged: Reports that were sent, each with its judgement and the seconds to its next try.
            claims: To be held.
        """
        now = self._now()
        return self._transactions.run(
            lambda db: (
                bulk.settle_all(db, judged, now) if judged else [],
                bulk.hold_all(db, claims, now) if claims else [],
            ),
            then=lambda found: self._settled(judged, found[1]),
        )

    def _settled(
        self, judged: Sequence[tuple[Report, Judgement, float]], held: Sequence[store.HoldResult]
    ) -> None:
        now = self._clock.monotonic()
        if any(isinstance(one, store.Answered) or one.superseded for one in held):
            self._line.end()
        for report, judgement, retry_in in judged:
            match judgement:
                case Settle():
                    self._line.remove((report,))
                case Again(maybe_seen=maybe_seen):
                    seen = report.maybe_seen or maybe_seen
                    self._line.again(replace(report, maybe_seen=seen), now + retry_in)
                case _:
                    self._line.end()

    def count(self, state: str) -> int:
        """How many reports are `waiting` or `parked`."""
        return self._transactions.run(lambda db: store.count(db, self._server, state))

    def elsewhere(self) -> dict[str, int]:
        """Waiting reports that go to other servers: server → how many (R1)."""
        server = self._server
        return {} if server is None else self._transactions.run(lambda db: store.elsewhere(db, server))

    def parked(self) -> list[Parked]:
        """What is parked in this file, of every server: how many reports for each reason."""
        return self._transactions.run(shelf.reasons)

    def retry(self, number: int) -> bool:
        """Puts a parked report back into the line; whether the failure that stood in for it was withdrawn.

        Raises:
            UsageError: It is not parked, or its claim has another end already.
        """
        now = self._now()
        return self._transactions.run(lambda db: shelf.retry(db, number, now), then=self._forget)

    def delete(self, number: int) -> dict[str, Any]:
        """Deletes a report, waiting or parked; what it was, column by column.

        Raises:
            UsageError: There is none.
        """
        return self._transactions.run(lambda db: shelf.delete(db, number), then=self._forget)

    def claims_waiting(self, limit: int) -> list[Identity]:
        """The claims of waiting reports that a token proves: they are renewed until their verdict (R21)."""
        return self._transactions.run(
            lambda db: store.claims_waiting(db, self._server, limit), within=LOOK_LIMIT
        )

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

        return self._transactions.run(tidying)

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        return self._transactions.run(bounds.used_bytes)

    @property
    def trouble(self) -> str | None:
        """Why the last try to store something failed; None once one did not."""
        return self._transactions.trouble

    def look(self) -> None:
        """Does nothing, durably: finds out whether something can be stored again."""
        self._transactions.run(lambda _db: None)

    @property
    def damage(self) -> str | None:
        """What the file was found to suffer from since it was opened; nothing can be stored any more."""
        return self._transactions.damage

    # after a crash

    def park_unreadable(self) -> list[Unreadable]:
        """Parks the waiting reports whose rows cannot be read, before they are counted or sent."""
        now = self._now()
        return self._transactions.run(
            lambda db: shelf.park_unreadable(db, self._server, now), then=self._forget
        )

    def drop_unreadable_claims(self) -> int:
        """Deletes held claims that cannot be read: they lapse; how many that were."""
        return self._transactions.run(shelf.drop_unreadable_claims)

    def forget_parked(self) -> int:
        """Deletes parked reports beyond their 90 days or their number (10,000); how many that were."""
        now = self._now()
        return self._transactions.run(lambda db: shelf.forget(db, now))

    def recover(self) -> int:
        """Makes the stored reports of an earlier process due; how many there are."""
        now = self._now()

        def recovering(db: Connection) -> int:
            bounds.prune(db, now)
            return store.recover_waiting(db, self._server, now)

        return self._transactions.run(recovering, then=self._forget)

    def resolve_orphans(
        self, *, retried: Callable[[int | None], bool]
    ) -> list[tuple[Identity, Outcome | None]]:
        """Ends every claim that a crash left without an outcome: reported, or left to lapse (None) (R27).

        Args:
            retried: Whether the server tries a task again whose attempt of this number is reported as failed.
        """
        now = self._now()

        def resolving(db: Connection) -> list[tuple[Identity, Outcome | None]]:
            ended: list[tuple[Identity, Outcome | None]] = []
            for identity, attempt in store.holds(db, self._server):
                crashes = store.crashed(db, identity.task_key, now)
                outcome = orphaned(crashes=crashes, retried=retried(attempt))
                if outcome is None:
                    store.drop_hold(db, identity)
                else:
                    store.commit(db, Commit(identity, outcome, attempt=attempt), now)
                ended.append((identity, outcome))
            return ended

        return self._transactions.run(resolving, then=self._forget)

    # what is known of tasks and types

    def checkpoint(self, key: TaskKey, value: str) -> None:
        """Stores the last checkpoint of a task, JSON text (R30)."""
        now = self._now()
        self._transactions.run(
            lambda db: store.store_checkpoint(db, key, value, now),
            then=lambda _: self._line.checkpointed(key, value),
        )

    def pause(self, task_type: str, seconds: float, reason: str) -> None:
        """Stores that a type is not to be claimed for a while (R18)."""
        now = self._now()
        self._transactions.run(lambda db: store.pause(db, task_type, seconds, reason, now))

    def resume(self, task_type: str) -> None:
        """Ends a pause."""
        self._transactions.run(lambda db: store.resume(db, task_type))

    def pauses(self) -> dict[str, tuple[float, str]]:
        """Every pause that still lasts: type → (seconds left, reason)."""
        now = self._now()
        return self._transactions.run(lambda db: store.pauses(db, now))

    def _forget(self, _found: object) -> None:
        """What waits was changed as the line in memory does not follow."""
        self._line.end()

    def _now(self) -> float:
        return self._clock.utc().timestamp()
