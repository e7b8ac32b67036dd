"""What every route needs: the database, the time, who waits, and the check of who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.taskmanager import audit, keys
from prismq_worker_sdk.taskmanager.callers import ANONYMOUS, Caller, KeyRing, KnownKey
from prismq_worker_sdk.taskmanager.checking import Decided, LongChecks, decide, knowing
from prismq_worker_sdk.taskmanager.claimants import Claimants
from prismq_worker_sdk.taskmanager.claims import expire_claims, some_are_over, types_to_have
from prismq_worker_sdk.taskmanager.config import Scope, TaskManagerConfig, is_address
from prismq_worker_sdk.taskmanager.db.database import Database
from prismq_worker_sdk.taskmanager.db.transactions import Operation, Reader, Writer
from prismq_worker_sdk.taskmanager.exchange import Answer, waits_over, workers_to_tell
from prismq_worker_sdk.taskmanager.http import Problem
from prismq_worker_sdk.taskmanager.new_keys import NewKeys
from prismq_worker_sdk.taskmanager.prometheus import Calls
from prismq_worker_sdk.taskmanager.stats import Recent
from prismq_worker_sdk.taskmanager.waiting import LOOK_EVERY, LOOK_EVERY_SHARED, News, Waiting

A = TypeVar("A")
T = TypeVar("T")
OTHER_SITES = ("cross-site", "same-site")
"""What browsers say of a call that the page of another address makes; it needs no answer to do harm."""
LOOKS = (Scope.READER, Scope.PRODUCER, Scope.WORKER)
"""Who may call what only shows."""
COOKIE, PAGE = "prismq_key", "X-PrismQ-Page"
"""Where the browser of a page keeps its key, and the header by which calls of the page are told from others: no other
site can send it."""
SEARCHES = 2
"""Of the looks that read, those that may take long."""
CHECKS = 2
"""Checks that may take seconds, at the same time."""


class _ClaimsAreOver(Exception):  # noqa: N818 - a look that must be taken again
    """What that makes of their tasks is not written yet."""


@dataclass(slots=True)
class AppState:
    """What every route needs.

    Attributes:
        reader: What only looks goes here; the writer itself where nobody else can read its database.
        instance: The id that was made with the database.
        waiting: Claims that wait for work.
        keys: The API keys that are known now.
        new_keys: Those that are not, and may have been made a moment ago.
        stats: The latest look at the numbers.
        calls: What was answered here.
        claimants: Who has claimed what, and is not written down yet.
    """

    config: TaskManagerConfig
    clock: Clock
    database: Database
    writer: Writer
    reader: Reader | Writer
    instance: str
    waiting: Waiting[Answer] = field(init=False)
    keys: KeyRing = field(init=False)
    new_keys: NewKeys = field(init=False)
    stats: Recent = field(default_factory=Recent)
    calls: Calls = field(default_factory=Calls)
    claimants: Claimants = field(default_factory=Claimants)
    _searches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SEARCHES))
    _key_reader: Reader | Writer = field(init=False)
    _checkers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(CHECKS, "taskmanager-check")
    )

    def __post_init__(self) -> None:
        every = LOOK_EVERY_SHARED if self.config.is_shared else LOOK_EVERY
        self.waiting = Waiting(self._news, every)
        self.keys = KeyRing(self.config.keys, self.clock.monotonic, hide_payloads=self.config.hide_payloads)
        self.new_keys = NewKeys(self.keys, self.look_at_keys)
        # a thread of its own: a key that was revoked must not wait behind long looks at tasks
        self._key_reader = Reader(self.database, 1) if isinstance(self.reader, Reader) else self.writer
        with self.database.writing.begin() as db:
            self._take_up(keys.known(db, self.database.now(db)))

    async def _news(self, types: list[str], wait_ids: list[str]) -> News:
        """What those who wait have not been told of."""
        try:
            return await self.reader.run(lambda db, now: _news(db, types, wait_ids, now))
        except SQLAlchemyError:  # the next look will tell; whoever claims meanwhile is told
            return News()

    def now(self) -> float:
        """Seconds since 1970, UTC, by the machine's clock: for what is shown only."""
        return self.clock.utc().timestamp()

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result, once it is durable; checks that take long hold nobody up."""
        decided: Decided = {}
        while True:
            try:
                return await self.writer.run(knowing(decided, operation))
            except LongChecks as long:
                for check in long.checks:
                    decided[check] = await self.apart(decide, check)

    async def apart(self, work: Callable[[A], T], argument: A) -> T:
        """What work gives that may take seconds; done beside everything else."""
        return await asyncio.get_running_loop().run_in_executor(self._checkers, work, argument)

    async def look_at_tasks(self, operation: Operation[T]) -> T:
        """What an operation reads that writes nothing; claims that are over by now are shown so."""

        def look(db: sa.Connection, now: float) -> T:
            if some_are_over(db, now):
                raise _ClaimsAreOver
            return operation(db, now)

        try:
            return await self.reader.run(look)
        except _ClaimsAreOver:
            self.waiting.notify(await self.writer.run(expire_claims))
            return await self.reader.run(operation)

    async def search(self, operation: Operation[T]) -> T:
        """The same for a look that may take long: no more than some of those that read do so."""
        async with self._searches:
            return await self.look_at_tasks(operation)

    async def find_key(self, key: str) -> None:
        """Takes up what the database knows of a key that is not known here yet."""
        if key.startswith(keys.PREFIX):
            await self.new_keys.find(key)

    async def look_at_keys(self) -> None:
        """Takes up which keys hold now."""
        self._take_up(await self._key_reader.run(keys.known))

    async def note_key_uses(self) -> None:
        """Writes down when keys were used last."""
        if ages := self.keys.uses(keys.USE_EVERY):
            await self.writer.run(lambda db, now: keys.note_uses(db, ages, now))

    def _take_up(self, found: tuple[list[KnownKey], bool]) -> None:
        of_database, were_some = found
        self.keys.replace(of_database, were_some=were_some)

    def close(self) -> None:
        """Ends after what was asked for; its engine is left to its maker."""
        self._checkers.shutdown(wait=False, cancel_futures=True)
        self._key_reader.close()
        self.reader.close()
        self.writer.close()


def _news(db: sa.Connection, types: list[str], wait_ids: list[str], now: float) -> News:
    found, opens_at = types_to_have(db, types, now)
    again_in = None if opens_at is None else opens_at - now
    return News(found, workers_to_tell(db), waits_over(db, wait_ids), again_in)


def state_of(request: Request) -> AppState:
    """The state of the application that was asked."""
    found: AppState = request.app.state.taskmanager
    return found


def caller_of(request: Request) -> Caller:
    """Who asks; to be called where the request was admitted."""
    found: Caller = request.scope["caller"]
    return found


async def noted(
    request: Request,
    operation: Operation[T],
    action: str,
    kind: str,
    target: str,
    detail: Mapping[str, Any] | None = None,
) -> T:
    """The result of an operation, for which it is written down that the caller did it."""
    who = caller_of(request).name
    return await state_of(request).run(audit.noted(operation, who, action, kind, target, detail))


def admitted(*scopes: Scope, by_type: bool = False) -> Callable[[Request], Awaitable[None]]:
    """A check that the caller's key has one of these scopes; `admin` always has.

    Args:
        by_type: Whether the route itself keeps a key to the task types that it is bound to; else it takes no such key.
    """

    async def check(request: Request) -> None:
        caller = state_of(request).keys.caller(await _key_of(request))
        if caller is ANONYMOUS:
            if request.headers.get("Sec-Fetch-Site") in OTHER_SITES:
                raise Problem(403, "pages of other sites may not call a server without API keys")
            must_name_this_machine(request)
        if Scope.ADMIN not in caller.scopes and caller.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes) or "admin"
            raise Problem(403, f"this API key is not for this; it takes one of scope {wanted}")
        if caller.types is not None and not by_type:
            raise Problem(403, "this API key is bound to task types; this takes one that is not")
        request.scope["caller"] = caller

    return check


def must_name_this_machine(request: Request) -> None:
    """Raises Problem 403 for a call of a server without API keys by a name that is not this machine's own.

    Somebody else's name may lead here for a browser that shows somebody else's page (DNS rebinding).
    """
    host = request.url.hostname or ""
    if host != "localhost" and not host.endswith(".localhost") and not is_address(host):
        text = f"a server without API keys is called by localhost or an IP address, not by {host[:100]!r}; make a key"
        raise Problem(403, text)


def still_admitted(request: Request) -> None:
    """A check that the key of a request that has waited still holds."""
    state_of(request).keys.must_hold(_sent_key(request))


async def no_wrong_key(request: Request) -> None:
    """A check that the caller sends no key at all, or one that holds."""
    if (given := await _key_of(request)) is not None:
        state_of(request).keys.must_hold(given)


async def _key_of(request: Request) -> str | None:
    """The key that was sent, once what the database knows of it is known here."""
    key = _sent_key(request)
    if key is not None:
        await state_of(request).find_key(key)
    return key


def _sent_key(request: Request) -> str | None:
    """The key of a call: in one of its headers, or in the cookie of a page."""
    if (key := request.headers.get("X-API-Key")) is not None:
        return key
    if PAGE in request.headers:
        return request.cookies.get(COOKIE)
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None
