"""When to claim, and how much (R4, R34)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prismq_worker_sdk.decide.backoff import after_failure
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import (
    Conflict,
    Failure,
    Throttled,
)

MOST_LANES = 8
"""Claims, and reports, that one worker has under way at once: a small server has a score of processes for everybody."""

QUICK_CONFLICTS = 3
"""Quick repeats after "somebody was faster", before the poll interval applies (R34)."""

FRESH_SHARE = 0.8
"""The part of a lease that a request may be old and still be repeated."""

WAIT_SHARE = 1 / 3
"""The part of a lease that a claim may wait on the server: two thirds are left when its task comes."""

SHORTEST_IDLE = 0.1
"""The longest wait after the first empty answer that follows work, seconds."""

IDLE_GROWTH = 3.0
"""By how much each empty answer lets the next wait grow, up to the poll interval."""

SHORT = 0.25
"""Seconds of a handler for which tasks are prefetched: a longer one hardly notices a round trip."""

LONG = 1.0
"""Seconds that count of a handler at most; handlers are taken to last so long until they are seen to be short."""

RECENT = 0.25
"""The part of a mean that its latest value makes."""

HANDLING = 0.005
"""Seconds that an exchange takes beside its round trip: until it is sent, and until its tasks are held."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Claim up to so many tasks of these types now.

    Attributes:
        part: Whether types were left out that have less room; they are asked for next.
    """

    max_tasks: int
    types: tuple[str, ...]
    part: bool = False


def next_claim(
    *,
    free: int,
    rooms: Mapping[str, int | None],
    max_tasks: int,
    claimed: int,
    max_runs: int,
    whole: bool = True,
    ahead: int = 0,
) -> Ask | None:
    """What to claim now, and how many at most: `min(free + ahead, max_runs - claimed)`; None for nothing (R4).

    The server chooses among the types, so a claim asks for no more than each of them has room for. Lest one narrow
    type slows the others down, a claim of those with room enough may come before the claim of all. Nothing is
    prefetched while a type with a limit may be claimed: it would never find a slot free.

    Args:
        free: Slots that are neither busy nor reserved, less the tasks that wait for one.
        rooms: Which types may be claimed now, and how many of each may start: None for as many as come.
        max_tasks: What one answer of the server may hold.
        claimed: Claims taken since the start.
        max_runs: The limit on them, 0 for none.
        whole: Whether this claim must ask for every type.
        ahead: Tasks that may wait for a slot.
    """
    if not rooms:
        return None
    limits = [limit for limit in rooms.values() if limit is not None]
    places = free if limits else free + ahead
    room = places if max_runs == 0 else min(places, max_runs - claimed)
    if room <= 0:
        return None
    most = min(room, max_tasks)
    wide = tuple(name for name, limit in rooms.items() if limit is None or limit >= most)
    if wide and not whole and len(wide) < len(rooms):
        return Ask(most, wide, part=True)
    return Ask(min([most, *limits]), tuple(rooms))


def prefetch(slots: int, *, handler_seconds: float, exchange_seconds: float) -> int:
    """How many tasks may wait for a slot, so that none is empty for a round trip after each short task (R4).

    What slots end during two exchanges: the first is on its way with room for what had ended before it.

    Args:
        handler_seconds: What handlers took of late.
        exchange_seconds: What a claim took of late, from its sending to its tasks.
    """
    if handler_seconds > SHORT:
        return 0
    ended = slots * 2 * (exchange_seconds + HANDLING) / max(handler_seconds, HANDLING / 10)
    return min(slots, math.ceil(ended))


def recent(mean: float, seconds: float) -> float:
    """A mean that follows the latest values, after one more of them."""
    return mean + RECENT * (min(seconds, LONG) - mean)


def worth_repeating(age: float, lease_seconds: float) -> bool:
    """Whether to repeat an unanswered claim, or to ask afresh and let what it was given run out unconfirmed.

    A lease counts from the first sending of its request (R5): what an old request brings has hardly begun before
    it is over.

    Args:
        age: Seconds since the first sending.
        lease_seconds: What the server announced.
    """
    return age < FRESH_SHARE * lease_seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How the last claims went; decides the wait before the next one.

    Attributes:
        idle: The longest wait after the next empty answer, seconds, as far as the poll interval allows. A worker begins
            as an idle one: only work is a reason to expect more of it soon.
        conflicts: 409 answers in a row.
        failures: Answers in a row that were no answer.
        wait: Seconds until the next claim.
    """

    idle: float = math.inf
    conflicts: int = 0
    failures: int = 0
    wait: float = 0.0


def lanes(can: Capabilities, slots: int) -> int:
    """How many loops claim, and how many report, each over a connection of its own.

    Where an answer holds many tasks, one loop is enough; else a round trip for each task would leave slots empty.
    """
    return 1 if can.max_tasks > 1 else min(slots, MOST_LANES)


def window_after(window: int, answer: int | Failure, most: int) -> int:
    """How many claims may be under way at once after one more answer.

    Each that brings work lets one more go along; the first without leaves one, so that an idle worker asks as seldom as
    with a single loop, and a server in trouble is asked by one.

    Args:
        most: How many loops there are.
    """
    match answer:
        case int() if answer:
            return min(most, window + 1)
        case Conflict():
            return window
        case _:
            return 1


def longest_wait(can: Capabilities, poll_interval: float, jitter: float) -> float:
    """How long a claim may wait on the server, seconds.

    Its lease counts from its sending (R5): a wait as long as the lease would hand out claims that have run out.
    Waits are spread, so that workers which started together do not ask together for ever.

    Args:
        jitter: Evenly spread over 0 to 1.
    """
    within_lease = can.lease_seconds * WAIT_SHARE or math.inf
    return spread(min(can.max_wait_seconds, poll_interval, within_lease), jitter)


def pace_after(pace: Pace, answer: int | Failure, *, poll_interval: float, jitter: float) -> Pace:
    """The pace after one more answer.

    Args:
        answer: How many tasks came, or the failure.
        poll_interval: The longest idle wait, seconds.
        jitter: Evenly spread over 0 to 1.
    """
    idle = spread(min(poll_interval, pace.idle), jitter)
    match answer:
        case int():
            if answer:
                return Pace(idle=SHORTEST_IDLE)
            return Pace(idle=pace.idle * IDLE_GROWTH, wait=idle)
        case Conflict():
            quick = pace.conflicts < QUICK_CONFLICTS
            wait = min(poll_interval, 0.2) * jitter if quick else spread(poll_interval, jitter)
            return Pace(conflicts=pace.conflicts + 1, wait=wait)
        case failure:
            failures = pace.failures + 1
            wait = after_failure(failure, failures, jitter)
            limited = isinstance(failure, Throttled) and failure.limited
            return Pace(pace.idle, failures=failures, wait=wait if limited else max(wait, idle))


def spread(longest: float, jitter: float) -> float:
    """A half of it to all of it."""
    return longest * (0.5 + 0.5 * jitter)
