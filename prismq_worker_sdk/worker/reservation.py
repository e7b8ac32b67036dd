"""A claim that is sent, and the slots that are kept for its tasks until its answers are dealt with (R4, R6)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prismq_worker_sdk.model.protocol import BadGrant, ClaimWork, Grant


@dataclass(slots=True)
class Reservation:
    """Slots kept for one claim, and the tasks that came with its answers so far.

    A claim that waits on the server is ended by a repeat, from another loop: two answers, maybe with the same tasks.

    Attributes:
        left: Slots that no task took yet.
        open: Whether the claim's own answer is still to come.
        lock: Held while an answer is dealt with.
    """

    left: int
    open: bool = True
    lock: AbstractContextManager[object] = field(default_factory=threading.RLock)
    _tokens: set[str] = field(default_factory=set)

    def know(self, tasks: Iterable[Grant | BadGrant]) -> tuple[Grant | BadGrant, ...]:
        """These have come; those of them that no answer had before: a task's token tells, where there is one."""
        with self.lock:
            new = tuple(one for one in tasks if one.token is None or one.token not in self._tokens)
            self._tokens.update(one.token for one in new if one.token is not None)
        return new


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A claim that is sent, and sent again until its answer is known (R6).

    Attributes:
        sent_at: Clock reading at its first sending (R5).
        reservation: What is reserved for it, the same for its repeats.
        part: Whether it leaves out types that have less room; another claim asks for them next.
        maybe_seen: Whether it was sent before without an answer.
    """

    work: ClaimWork
    request_id: str
    sent_at: float
    reservation: Reservation
    part: bool = False
    maybe_seen: bool = False
