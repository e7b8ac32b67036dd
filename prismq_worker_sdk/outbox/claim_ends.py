"""The ends of claims, as what the outbox stores of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from prismq_worker_sdk.model.claim import Claim, Identity
from prismq_worker_sdk.model.outcome import Child, Outcome, Released


@dataclass(frozen=True, slots=True)
class Commit:
    """A held claim ends with an outcome that is reported (R10).

    Attributes:
        maybe_seen: Whether the server may have it already, reported from memory (R12, R26).
        wait: Seconds before it is due for the first time.
    """

    identity: Identity
    outcome: Outcome
    children: tuple[Child, ...] = ()
    attempt: int | None = None
    maybe_seen: bool = False
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Drop:
    """A held claim ends with nothing to report."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class Lapse:
    """A held claim is given back by letting it lapse, and that is counted (R18)."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A claim that was never held goes back."""

    claim: Claim
    released: Released


ClaimEnd: TypeAlias = Commit | Drop | Lapse | GiveBack
