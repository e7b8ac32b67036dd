"""Everything a worker must know before it starts, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from prismq_worker_sdk.model.protocol import ClaimOrder


def no_key() -> str | None:
    """For servers that want no key."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Everything a worker must know before it starts; durations in seconds.

    Attributes:
        worker_id: "" for a generated one, which no other process has.
        poll_interval: The longest idle wait between two claims.
        max_runs: Tasks to end before the worker stops by itself, 0 for no limit.
        concurrency: Slots, that is tasks at the same time.
        isolation: Where handlers run that do not say it themselves.
        max_memory_per_child: Bytes; a child process that has more after a task is replaced, 0 for no limit.
        instance: The name of the part of the state folder, None for the lowest free number.
        grace_period: From the stop signal to the exit.
        startup_timeout: How long an unreachable server is tried at start.
        unreachable_timeout: How long it is tried later, 0 for ever.
        max_consecutive_errors: Unexpected handler errors in a row that pause a type, 0 for no limit.
        claim_order: Which task of a type comes first, where the server can be told; None for its own choice.
        server_claim_timeout: When a server without renewal takes a claimed task back.
        server_max_attempts: After how many attempts the server fails a task for good, where it counts each claim as
            one; 0 where nobody knows.
        max_attempts: Claims of one task after which it is failed without being run, where the server hands tasks out
            for ever; 0 for no limit.
        key: The API key now; asked again after the server refused it.
        secrets: Values that no sink may show.
    """

    api_url: str
    state_dir: Path
    worker_id: str = ""
    poll_interval: float = 10.0
    max_runs: int = 0
    concurrency: int = 4
    isolation: Literal["thread", "process"] = "thread"
    max_memory_per_child: int = 0
    instance: str | None = None
    grace_period: float = 25.0
    startup_timeout: float = 30.0
    unreachable_timeout: float = 0.0
    max_consecutive_errors: int = 5
    claim_order: ClaimOrder | None = None
    server_claim_timeout: float = 300.0
    server_max_attempts: int = 0
    max_attempts: int = 20
    health_port: int | None = None
    health_host: str = "127.0.0.1"
    log_format: Literal["json", "console"] = "console"
    log_level: str = "INFO"
    debug: bool = False
    dialect: str = "auto"
    key: Callable[[], str | None] = no_key
    secrets: tuple[str, ...] = field(default=(), repr=False)


class ProvidesConfig(Protocol):
    """Settings that can say what the worker must know."""

    def config(self) -> WorkerConfig:
        """The configuration."""
        ...
