"""Holds a server to the protocol, check by check: for authors of servers, who need nothing of ours but this.

@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_my_server_keeps_its_promises(check):
    hold(Server("http://localhost:8000/api"), check)
"""

from __future__ import annotations

from prismq_worker_sdk.testing.conformance import (  # noqa: F401 - each adds its checks
    alerts,
    audit,
    base,
    batch,
    bulk,
    exchange,
    exchange_ends,
    fan_in,
    keys,
    limits,
    logs,
    manage,
    schedules,
    steering,
    trace_context,
    worker_status,
)
from prismq_worker_sdk.testing.conformance.checks import Check, found
from prismq_worker_sdk.testing.conformance.runner import Outcome, Result, examine, hold, run
from prismq_worker_sdk.testing.conformance.server import Server

__all__ = ["CHECKS", "Check", "Outcome", "Result", "Server", "examine", "hold", "run"]

CHECKS = found()
"""All checks, bundle by bundle; those of a bundle that a server does not announce are skipped."""
