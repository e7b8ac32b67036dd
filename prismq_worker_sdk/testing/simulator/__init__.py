r"""The simulator: real loops, decisions and outbox on simulated time, against a model of the server.

found = next(plan for seed in count() if simulate(plan := random_plan(seed)).findings)
shrink(found).save(Path("found.json"))
print(*simulate(Plan.load(Path("found.json")), traced=True).trace, sep="\n")
"""

from __future__ import annotations

from prismq_worker_sdk.testing.simulator.chance import random_plan
from prismq_worker_sdk.testing.simulator.plan import Plan, Work
from prismq_worker_sdk.testing.simulator.shrink import shrink
from prismq_worker_sdk.testing.simulator.world import Simulated, simulate

__all__ = ["Plan", "Simulated", "Work", "random_plan", "shrink", "simulate"]
