"""Who calls: the keys that are known now, how often each may call, and when it did; without the database."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope, digest_of
from prismq_worker_sdk.taskmanager.http import Problem

START = 16
"""Characters of a digest by which a key is found; all of it is compared in a time that says nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked.

    Attributes:
        name: Of the key.
        types: The task types that it is bound to, None for every one.
        sees_payloads: Whether it sees params, and what became of them.
    """

    name: str
    scopes: frozenset[Scope]
    types: frozenset[str] | None = None
    sees_payloads: bool = True

    def may_use(self, task_type: str) -> bool:
        """Whether tasks of this type are for it."""
        return self.types is None or task_type in self.types

    def must_see_payloads(self, what: str) -> None:
        """Raises Problem 403 where it does not see them.

        Args:
            what: It asked for.
        """
        if not self.sees_payloads:
            raise Problem(403, f"this server hides payloads from keys of scope reader, and so {what}")

    def must_use(self, task_types: Iterable[str]) -> None:
        """Raises Problem 403 unless tasks of all these types are for it."""
        for one in task_types:
            if not self.may_use(one):
                bound = ", ".join(sorted(self.types or ()))
                raise Problem(403, f"this API key is bound to {bound[:500]}; {one[:255]} is not among them")


ANONYMOUS = Caller("anonymous", frozenset({Scope.ADMIN}))
"""Who calls a server without keys."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that holds now.

    Attributes:
        id: In the database, None for a key of the file.
        rate: Requests per minute, None for any number.
    """

    digest: str = field(repr=False)
    caller: Caller
    id: str | None = None
    rate: int | None = None


NO_KEY = KnownKey("", ANONYMOUS)


@dataclass(slots=True)
class Bucket:
    """A minute's requests, filled evenly.

    Attributes:
        at: Seconds, when it was looked at last.
    """

    rate: int
    tokens: float
    at: float

    def take(self, now: float) -> float:
        """Takes one; 0, or the seconds until there is one."""
        self.tokens = min(self.rate, self.tokens + max(0.0, now - self.at) * self.rate / 60)
        self.at = now
        if self.tokens < 1:
            return (1 - self.tokens) * 60 / self.rate
        self.tokens -= 1
        return 0.0


class KeyRing:
    """The keys that are known now; used on the event loop only.

    Args:
        of_file: Keys that always hold.
        hide_payloads: From keys that only look.
        time: Seconds that never run back.
    """

    def __init__(
        self, of_file: Sequence[ApiKey], time: Callable[[], float], *, hide_payloads: bool = False
    ) -> None:
        self._of_file, self._time, self._hide_payloads = _merged(of_file), time, hide_payloads
        self._keys: dict[str, KnownKey] = {}
        self._buckets: dict[str, Bucket] = {}
        self._used: dict[str, float] = {}
        self._noted: dict[str, float] = {}
        self.are_asked_for = False
        self.replace((), were_some=False)

    def replace(self, of_database: Iterable[KnownKey], *, were_some: bool) -> None:
        """Takes these keys in place of those that were known.

        Args:
            were_some: Whether there ever was one: the end of the last key opens the server to nobody.
        """
        self._keys = {one.digest[:START]: self._seeing(one) for one in (*of_database, *self._of_file)}
        self.are_asked_for = bool(self._of_file) or were_some
        ids = {one.id for one in self._keys.values()}
        for kept in (self._buckets, self._used, self._noted):
            for gone in kept.keys() - ids:
                del kept[gone]

    def knows(self, digest: str) -> bool:
        """Whether a key with this digest holds."""
        return hmac.compare_digest(self._keys.get(digest[:START], NO_KEY).digest, digest)

    def must_hold(self, key: str | None) -> KnownKey:
        """The key with this text.

        Raises:
            Problem: 401 it is none that is known.
        """
        digest = digest_of(key or "")
        found = self._keys.get(digest[:START], NO_KEY)
        if hmac.compare_digest(found.digest, digest) or not self.are_asked_for:
            return found
        raise Problem(
            401, "the API key is missing, wrong, revoked or expired; send one that holds as X-API-Key"
        )

    def caller(self, key: str | None) -> Caller:
        """Who calls with this key.

        Raises:
            Problem: 401 it is none that is known, 429 it calls too often.
        """
        if not self.are_asked_for:
            return ANONYMOUS
        found = self.must_hold(key)
        if found.id is not None:
            self._used[found.id] = now = self._time()
            if found.rate is not None:
                self._take(found.id, found.rate, now)
        return found.caller

    def uses(self, every: float) -> dict[str, float]:
        """Which keys are to be noted as used, each at most once in so many seconds: id → seconds since."""
        now = self._time()
        due = {
            key: now - at
            for key, at in self._used.items()
            if key not in self._noted or now - self._noted[key] >= every
        }
        for key in due:
            del self._used[key]
            self._noted[key] = now
        return due

    def _seeing(self, key: KnownKey) -> KnownKey:
        if not self._hide_payloads or key.caller.scopes != {Scope.READER}:
            return key
        return replace(key, caller=replace(key.caller, sees_payloads=False))

    def _take(self, key: str, rate: int, now: float) -> None:
        bucket = self._buckets.setdefault(key, Bucket(rate, rate, now))
        if wait := bucket.take(now):
            seconds = math.ceil(wait)
            text = f"this API key may call {rate} times a minute; try again in {seconds} s"
            raise Problem(429, text, headers={"Retry-After": str(seconds)})


def _merged(keys: Sequence[ApiKey]) -> list[KnownKey]:
    """A key that stands in the file several times has all its scopes."""
    found: dict[str, KnownKey] = {}
    for one in keys:
        first = found.get(one.digest)
        scopes = {one.scope} if first is None else {one.scope, *first.caller.scopes}
        name = one.name if first is None else first.caller.name
        found[one.digest] = KnownKey(one.digest, Caller(name, frozenset(scopes)))
    return list(found.values())
