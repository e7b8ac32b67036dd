"""Makes a fault plan small while what it finds stays found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulator.plan import Cancelled, Plan, Work
from tests.simulator.world import simulate


def shrink(plan: Plan, fails: Callable[[Plan], bool] | None = None, *, most: int = 2000) -> Plan:
    """A plan that fails as well, and from which nothing can be left out.

    Args:
        fails: Whether a plan fails; by default, whether it breaks the rule that this one breaks first.
        most: Simulations to spend.

    Raises:
        ValueError: The plan does not fail.
    """
    broken = fails or _same_rule(plan)
    if not broken(plan):
        raise ValueError("there is nothing to shrink: this plan keeps every promise")
    spent = 0
    while spent < most:
        for smaller in _smaller(plan):
            spent += 1
            if broken(smaller):
                plan = smaller
                break
            if spent >= most:
                break
        else:
            return plan
    return plan


def _same_rule(plan: Plan) -> Callable[[Plan], bool]:
    rules = {finding.split(":")[0] for finding in simulate(plan).findings[:1]}
    return lambda other: bool(rules & {finding.split(":")[0] for finding in simulate(other).findings[:1]})


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with a little less in them, the boldest first."""
    half = len(plan.faults) // 2
    if half > 1:
        yield replace(plan, faults=plan.faults[:half])
        yield replace(plan, faults=plan.faults[half:])
    for place in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:place] + plan.faults[place + 1 :])
    if plan.workers > 1 and not any(getattr(fault, "worker", 0) == plan.workers - 1 for fault in plan.faults):
        yield replace(plan, workers=plan.workers - 1)
    if plan.slots > 1:
        yield replace(plan, slots=plan.slots - 1)
    if len(plan.works) > 1 and not any(_of_task(fault, len(plan.works) - 1) for fault in plan.faults):
        yield replace(plan, works=plan.works[:-1])
    for place, work in enumerate(plan.works):
        for simpler in _simpler(work):
            yield replace(plan, works=(*plan.works[:place], simpler, *plan.works[place + 1 :]))


def _of_task(fault: object, number: int) -> bool:
    return isinstance(fault, Cancelled) and fault.task == number


def _simpler(work: Work) -> Iterator[Work]:
    usual = Work()
    for name in (
        "end",
        "obeys",
        "checkpoint",
        "children",
        "follower",
        "pauses",
        "fate",
        "max_attempts",
        "seconds",
    ):
        if getattr(work, name) != getattr(usual, name):
            yield replace(work, **{name: getattr(usual, name)})
