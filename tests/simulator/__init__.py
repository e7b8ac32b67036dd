r"""The simulator: real loops, decisions and outbox on simulated time, against a model of the server.

found = next(plan for seed in count() if simulate(plan := random_plan(seed)).findings)
shrink(found).save(Path("found.json"))
print(*simulate(Plan.load(Path("found.json")), traced=True).trace, sep="\n")
"""

from __future__ import annotations

from tests.simulator.chance import random_plan
from tests.simulator.plan import Plan, Work
from tests.simulator.shrink import shrink
from tests.simulator.world import Simulated, simulate

__all__ = ["Plan", "Simulated", "Work", "random_plan", "shrink", "simulate"]
