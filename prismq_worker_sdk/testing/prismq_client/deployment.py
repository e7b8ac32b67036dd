"""How a deployment of the server in production is set up, and which of its faults it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PrismqClientDeployment:
    """How a deployment is set up; durations in seconds, shares from 0 to 1.

    Attributes:
        database: A SQLite file, which a killed server finds again; ":memory:" for one that is forgotten.
        key: What `X-API-Key` must hold; None: every request passes.
        claim_timeout: When a claim may be handed out again, in whole seconds of the clock.
        max_attempts: The attempt whose failure is final.
        rate_limit: Requests in a window, for each client address and path; 0 is off.
        max_request_bytes: The largest `Content-Length`; 0 is off.
        blocked: Client addresses that are turned away.
        switched_off: Routes without a place-holder that are switched off, as "POST /tasks/claim".
        deadlocks: The share of claims and completes that end in a deadlock and change nothing.
        half_failures: The share of failures with attempts left that a deadlock stops half-way: the task is failed for
            good. Measured: 0.05 to 0.23 where tables have 16,000 rows, next to none up to 5,000.
        duplicate_races: The share of repeated creates that meet the first one half-way, and answer 500.
        seed: Makes the shares fall the same way in each run.
        repaired_empty: An empty queue is told with 404 "No available tasks", as documented.
        repaired_items: One task and one type are given as the object itself; 404 when there is none.
        apache: Apache with php-fpm stands before it, as in production: answers come in chunks on connections that stay
            open but after a 500, blanks around a key are passed over, and `%2F` in a path is Apache's own 404.
        utf8mb4: The connection to the database takes characters of four bytes.
        strict: What does not fit is refused; else the database cuts it, and writes ? for what it cannot write.
        display_errors: PHP's warnings and fatal errors stand in the body, and the status stays 200.
        database_zone_hours: How far the clock of the database session is ahead of PHP's.
    """

    database: Path | str = ":memory:"
    key: str | None = None
    claim_timeout: float = 300.0
    max_attempts: int = 3
    rate_limit: int = 0
    rate_window: float = 60.0
    max_request_bytes: int = 0
    blocked: frozenset[str] = frozenset()
    switched_off: frozenset[str] = frozenset()
    deadlocks: float = 0.0
    half_failures: float = 0.0
    duplicate_races: float = 0.0
    seed: int = 0
    repaired_empty: bool = False
    repaired_items: bool = False
    apache: bool = False
    utf8mb4: bool = True
    strict: bool = True
    display_errors: bool = False
    database_zone_hours: int = 0

    @property
    def guarded(self) -> bool:
        """Whether any part of its middleware is configured."""
        return bool(self.key is not None or self.rate_limit or self.max_request_bytes or self.blocked)
