"""What a loop asks of the world: it yields an effect and is sent the reply."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from prismq_worker_sdk.model.protocol import ExchangeReply, ExchangeRequest, Probe, ProbeReply


@dataclass(frozen=True, slots=True)
class Call:
    """Talk to the server; the reply is its answer or a Failure, never an exception."""

    request: ExchangeRequest | Probe


@dataclass(frozen=True, slots=True)
class Wait:
    """Rest until something changes, or until the seconds are over (None: only a change ends it)."""

    seconds: float | None


Effect: TypeAlias = Call | Wait
Reply: TypeAlias = ProbeReply | ExchangeReply | None
Loop: TypeAlias = Generator[Effect, Reply, Any]
