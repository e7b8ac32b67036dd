"""The two sums that must hold when a worker stops (R38)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Where every claim and every outcome went.

    `accepted` includes `unconfirmed`: reports whose repeat met a 409 after an unanswered try (R26).
    """

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    lapsed: int = 0
    lost_claims: int = 0

    committed: int = 0
    recovered: int = 0
    accepted: int = 0
    unconfirmed: int = 0
    superseded: int = 0
    lost_reports: int = 0
    parked: int = 0
    waiting: int = 0

    def faults(self) -> tuple[str, ...]:
        """The sums that are off, one sentence each; empty when both hold."""
        ends = self.completed + self.failed + self.released + self.lapsed + self.lost_claims
        reports = self.accepted + self.superseded + self.lost_reports + self.parked + self.waiting
        found = []
        if self.claimed != ends:
            found.append(f"claimed {self.claimed}, but {ends} claims ended")
        if self.committed + self.recovered != reports:
            found.append(
                f"committed {self.committed} and recovered {self.recovered}, but {reports} accounted for"
            )
        return tuple(found)
