"""Claims that a report overtakes on a server that knows claims by worker id only: such a claim is over as it comes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from math import inf
from typing import TypeVar

from prismq_worker_sdk.model.claim import Claim, Identity, TaskKey
from prismq_worker_sdk.model.report import Report

K = TypeVar("K")
V = TypeVar("V")

MOST = 16_384


class StaleClaimGuard:
    """When reports last ended a task's claim, whichever of its claims that was; may be used from any thread (R9).

    A base server knows claims by worker id only. A worker that slept past the claim timeout may be handed the very
    task that it is about to report: the report counts for the new claim, and the answer to the claim comes after it.
    A result that was accepted is never computed again; a failure counts here only when its own claim had run out,
    because a task that failed in time may well be handed out again at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expiries: OrderedDict[Identity, float] = OrderedDict()
        self._on_the_way: dict[TaskKey, float] = {}
        self._times: OrderedDict[TaskKey, float] = OrderedDict()

    def committed(self, claim: Claim) -> None:
        """A claim has ended here and is about to be reported."""
        if claim.identity.token is None:
            with self._lock:
                _put(self._expiries, claim.identity, claim.expires_at)

    def sending(self, reports: Iterable[Report]) -> None:
        """Reports go out now."""
        if not self._expiries:
            return
        with self._lock:
            for report in reports:
                if (expires_at := self._expiries.get(report.identity)) is not None:
                    self._on_the_way[report.identity.task_key] = expires_at

    def answered(self, reports: Iterable[Report], now: float) -> None:
        """That sending is over, whatever came of it."""
        if not self._on_the_way:
            return
        with self._lock:
            for report in reports:
                key = report.identity.task_key
                if now >= self._on_the_way.pop(key, inf):
                    _put(self._times, key, now)

    def accepted(self, identity: Identity, now: float) -> None:
        """The result of a task was accepted."""
        if identity.token is None:
            with self._lock:
                _put(self._times, identity.task_key, now)

    def since(self, key: TaskKey, sent_at: float, now: float) -> bool:
        """Whether a report may have ended the claim of a task that was sent then.

        Args:
            sent_at: Clock reading, as `now`.
        """
        with self._lock:
            return self._times.get(key, -1.0) >= sent_at or now >= self._on_the_way.get(key, inf)


def _put(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MOST:
        known.popitem(last=False)
