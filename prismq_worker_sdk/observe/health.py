"""How a worker does, as it is told over HTTP and to embedders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker does.

    Attributes:
        live: Whether its loops run; where they do not, only a restart helps.
        ready: Whether it can claim and report now.
        reasons: Why it cannot.
        parked: Reports that are kept and not sent; an operator should look, the worker goes on.
    """

    live: bool
    ready: bool
    reasons: tuple[str, ...] = ()
    parked: int = 0
