"""Kits for testing handlers, and the parts that tests of the SDK share."""

from __future__ import annotations

from prismq_worker_sdk.testing.clock import FakeClock
from prismq_worker_sdk.testing.fault_proxy import Disturbance, FaultPlan, FaultProxy
from prismq_worker_sdk.testing.harness import HandlerHarness, HarnessResult
from prismq_worker_sdk.testing.prismq_client import PrismqClientDeployment, PrismqClientServer

__all__ = [
    "Disturbance",
    "FakeClock",
    "FaultPlan",
    "FaultProxy",
    "HandlerHarness",
    "HarnessResult",
    "PrismqClientDeployment",
    "PrismqClientServer",
]
