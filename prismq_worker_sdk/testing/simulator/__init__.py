"""The simulator: real loops, decisions and outbox on simulated time, against a model of the server."""

from __future__ import annotations

from prismq_worker_sdk.testing.simulator.plan import Plan, Work
from prismq_worker_sdk.testing.simulator.world import Simulated, simulate

__all__ = ["Plan", "Simulated", "Work", "simulate"]
