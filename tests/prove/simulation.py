"""Fault plans by the hundred thousand: nothing lost, nothing accepted twice, every claim with one end, no hang."""

from collections import Counter
from functools import partial
from random import Random

from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.simulator import Plan, Work, random_plan, simulate
from tests.simulator.plan import Outage, Stop

PLANS = 100_000
CHUNK = 2_000
HOURS = 1_000
HOUR = 3600.0
SHOWN = 5
"""Findings that are kept of a part."""


def parts():
    chunks = [Part(f"plans-{first:06}", partial(run, first, CHUNK)) for first in range(0, PLANS, CHUNK)]
    hours = [Part(f"hour-{first:04}", partial(run_hours, first, HOURS // 2)) for first in (0, HOURS // 2)]
    return [*chunks, *hours]


def run(first, number):
    """What came of some plans."""
    return summed("plans", (random_plan(seed) for seed in range(first, first + number)))


def run_hours(first, number):
    """The server is away for an hour, and workers are restarted meanwhile."""
    found = summed("hour", (hour_plan(seed) for seed in range(first, first + number)))
    again = sum(_runs_again(hour_plan(seed)) for seed in range(first, first + number))
    return {**found, "again": again}


def hour_plan(seed):
    """Tasks that are under way or done when the server goes away for an hour."""
    rng = Random(seed)
    workers = rng.randint(1, 3)
    works = tuple(Work(seconds=rng.choice((0.05, 1.0, 4.0))) for _ in range(rng.randint(1, 8)))
    away = Outage(rng.choice((0.5, 2.0, 4.5)), HOUR)
    longest = max(work.seconds for work in works)
    begin = (
        away.at + longest + 5.0
    )  # every handler has ended by then: what is killed now is results, not work
    restarts = []
    for worker in range(workers):
        for _ in range(rng.randint(1, 4)):
            at = begin + rng.random() * (HOUR - 120.0)
            restarts.append(Stop(worker, at, rng.choice((0.0, 2.0, 25.0)), rng.choice((0.5, 30.0))))
    return Plan(seed=seed, workers=workers, slots=8, works=works, faults=(away, *restarts))


def _runs_again(plan):
    return max(0, simulate(plan).starts - len(plan.works))


def summed(sort, plans):
    """What came of plans of one sort."""
    found = Counter()
    faults = Counter()
    dialects = Counter()
    findings = []
    for plan in plans:
        result = simulate(plan)
        dialects[plan.dialect] += 1
        faults.update(fault.kind for fault in plan.faults)
        found.update(
            tasks=len(plan.works),
            requests=result.requests,
            starts=result.starts,
            seconds=round(result.seconds),
        )
        if result.findings:
            findings.append({"seed": plan.seed, "finding": result.findings[0]})
    return {
        "sort": sort,
        "plans": sum(dialects.values()),
        "dialects": dict(dialects),
        "faults": dict(faults),
        **found,
        "found": len(findings),
        "findings": findings[:SHOWN],
    }


def figures(results):
    return {sort: _figures([one for one in results if one["sort"] == sort]) for sort in ("plans", "hour")}


def _figures(results):
    names = ("plans", "tasks", "starts", "requests", "seconds", "found", "again")
    return {
        **{name: sum(one.get(name, 0) for one in results) for name in names},
        "dialects": dict(sum((Counter(one["dialects"]) for one in results), Counter())),
        "faults": dict(sum((Counter(one["faults"]) for one in results), Counter())),
        "findings": [finding for one in results for finding in one["findings"]][:SHOWN],
    }


def failures(found):
    for sort, one in found.items():
        for finding in one["findings"]:
            yield f"{sort}, seed {finding['seed']}: {finding['finding']}"
    if found["hour"]["again"]:
        yield f"hour: {found['hour']['again']} results were computed again"


def table(found):
    plans, hour = found["plans"], found["hour"]
    rows = [
        ("plans", f"{plans['plans']:,}", f"{hour['plans']:,}"),
        ("of these exchange / base", _dialects(plans), _dialects(hour)),
        ("tasks, beside their children", f"{plans['tasks']:,}", f"{hour['tasks']:,}"),
        ("handlers begun", f"{plans['starts']:,}", f"{hour['starts']:,}"),
        ("HTTP requests", f"{plans['requests']:,}", f"{hour['requests']:,}"),
        ("simulated time, days", f"{plans['seconds'] / 86400:,.0f}", f"{hour['seconds'] / 86400:,.0f}"),
        ("plans that broke a promise", plans["found"], hour["found"]),
        ("results computed again", "", hour["again"]),
    ]
    kinds = sorted(plans["faults"].items(), key=lambda item: -item[1])
    return "\n".join(
        [
            grid(("", "all faults", "an hour without a server"), rows),
            "",
            "Faults in the plans: " + ", ".join(f"{number:,} {kind}" for kind, number in kinds) + ".",
        ]
    )


def _dialects(one):
    return f"{one['dialects'].get('exchange', 0):,} / {one['dialects'].get('base', 0):,}"


PROOF = Proof(
    name="sim",
    title="Simulated",
    about="""
Promise: no task is lost, no outcome is accepted twice, every claim has exactly one end, nothing hangs. The real loops,
decisions and outbox of one to five workers run on simulated time against a model of the server (a test holds the model
to the embedded TaskManager). A plan says what goes wrong: crashes at any step or transaction, requests and answers that
are lost, late, doubled or refused, partitions, server restarts, machines that sleep, clocks that jump, full disks,
shutdowns, cancellations; every restart has a new worker id. In some plans tasks follow the children of others, and
handlers pause a limit of the whole fleet. `random_plan(seed)` gives the same plan again.
In the second column the server is away for an hour while workers stop and start again.
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
    jobs=2,
)
