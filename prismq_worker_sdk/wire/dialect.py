"""A dialect as a value: all that the worker, producers and the doctor need to know of one kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from prismq_worker_sdk.model.capabilities import BASE, Capabilities
from prismq_worker_sdk.model.protocol import ExchangeReply, ExchangeRequest, Failure, ServerInfo
from prismq_worker_sdk.wire.messages import HttpReply, Steps

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.checks import CheckContext, CheckResult
    from prismq_worker_sdk.wire.producer_backend import ProducerBackend

Exchange: TypeAlias = Callable[[ExchangeRequest, Capabilities], Steps[ExchangeReply]]
"""The worker's side of a dialect: an exchange with a server that can do so much, as HTTP requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one kind of server is spoken to.

    Attributes:
        name: As `--dialect` takes it and claims are stored with it.
        read_health: What an answer with status 200 to GET /health tells of a server of this dialect, None for another.
        exchange: Makes the worker's side. What it remembers of the server is shared by all connections of a worker,
            so it may be used from any thread.
        producer: The producer's side; is given the api_url, which its errors name.
        finds_no_task: Whether an answer to a claim means that there is nothing to do.
        check_key: Asks whether the server takes the key, where its health does not prove it; why not, or None.
        limits_requests: Whether the server limits the requests on each path, and tells of it in its answers.
        claims_one_type: Whether a claim is for one task type, so that a look for work takes a request for each.
        capabilities: What such a server can do when its health announces nothing more.
        check: What the doctor looks at on such a server: its key, its task types, and what a probe shows.
    """

    name: str
    read_health: Callable[[HttpReply], ServerInfo | None]
    exchange: Callable[[], Exchange]
    producer: Callable[[str], ProducerBackend]
    finds_no_task: Callable[[HttpReply], bool]
    check: Callable[[CheckContext], Iterable[CheckResult]]
    check_key: Callable[[], Steps[Failure | None]] | None = None
    limits_requests: bool = False
    claims_one_type: bool = False
    capabilities: Capabilities = BASE
