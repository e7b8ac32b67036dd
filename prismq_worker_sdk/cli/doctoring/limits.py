"""Rate limits against what a worker asks, and the server's claim timeout against the handlers' time limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prismq_worker_sdk.cli.doctoring.asking import Seen
from prismq_worker_sdk.cli.doctoring.finding import Finding, ok, warn
from prismq_worker_sdk.decide.claims import longest_wait
from prismq_worker_sdk.decide.leases import time_limit
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.rate_limits import USUAL_WINDOW, count, window_left

__all__ = ["Limit", "announced", "claim_time", "rate_limit"]

MEAN_WAIT = 0.75
"""Of a poll interval: an idle worker waits a half of it to all of it (decide.claims)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests a server takes on one path from one address.

    Attributes:
        window: In so many seconds.
        hit: Whether it refused one of ours already.
    """

    requests: int
    window: float = USUAL_WINDOW
    hit: bool = False


def announced(seen: Iterable[Seen]) -> Limit | None:
    """The limit that the answers tell; None for none."""
    limits = [
        limit for one in seen if isinstance(one.reply, HttpReply) and (limit := _limit(one.reply)) is not None
    ]
    if not limits:
        return None
    windows = [limit.window for limit in limits]
    return Limit(limits[-1].requests, max(windows) or USUAL_WINDOW, any(limit.hit for limit in limits))


def rate_limit(limit: Limit | None, *, types: int, poll_interval: float, can: Capabilities) -> Finding:
    """Whether a worker keeps to the limit while it waits, and what the limit leaves for work.

    Args:
        types: Claims that one look for work takes: one for each type where a claim names one.
        poll_interval: The longest idle wait, seconds.
    """
    if limit is None:
        return ok("rate limit", "the server announces none")
    wait = longest_wait(can, poll_interval, 0.5) or MEAN_WAIT * poll_interval
    idle = max(1, types) * limit.window / wait
    each = f"{limit.requests} requests in {duration.text(limit.window)} on one path"
    text = f"{each}, shared by all workers of an address; idle this one sends {idle:.3g} claims in that time"
    fit = int(limit.requests / idle) if idle else limit.requests
    tasks = f"one task at most for each claim: {limit.requests} in {duration.text(limit.window)}"
    hit = "; it was just reached" if limit.hit else ""
    if fit < 2:  # noqa: PLR2004 - a second worker must fit
        remedy = "raise RATE_LIMIT_MAX_REQUESTS there, raise --poll-interval, or give each worker fewer types"
        return warn(
            "rate limit",
            f"{text}: {'not even it fits' if fit < 1 else 'a second one does not fit'}{hit}",
            remedy,
        )
    return (warn if limit.hit else ok)("rate limit", f"{text}, so {fit} fit; {tasks}{hit}")


def claim_time(handlers: Sequence[Handler], can: Capabilities, server_claim_timeout: float) -> Finding:
    """Which handlers are cut short by a claim that cannot be renewed."""
    if can.renews:
        return ok("claim time", "claims are renewed while a handler runs: its own time limit counts")
    cut = []
    for handler in handlers:
        gets = time_limit(handler.time_limit, server_claim_timeout, renews=False)
        if gets < handler.time_limit:
            wants = duration.text(handler.time_limit)
            cut.append(f"{handler.task_type} gets {duration.text(gets)} of {wants}")
    timeout = duration.text(server_claim_timeout)
    if not cut:
        return ok("claim time", f"every handler fits the claim timeout, taken to be {timeout}")
    text = f"claims end after {timeout} (--server-claim-timeout), whatever handlers ask for: {', '.join(cut)}"
    return warn(
        "claim time",
        text,
        "set the server's timeout and --server-claim-timeout alike and higher, or time_limit lower",
    )


def _limit(reply: HttpReply) -> Limit | None:
    most = count(reply, "x-ratelimit-limit")
    if most is None:
        return None
    return Limit(most, window_left(reply) or 0.0, reply.status == 429)  # noqa: PLR2004
