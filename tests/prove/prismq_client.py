"""The same on the dialect prismq-client: fault plans, and the rules of its steps taken out one by one."""

from functools import partial

from tests.prove import rules, simulation
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.simulation.mutants import MUTANTS, PRISMQ_CLIENT_MUTANTS
from tests.simulator import random_plan

PLANS = 20_000


def parts():
    chunks = range(0, PLANS, simulation.CHUNK)
    numbers = range(len(MUTANTS), len(MUTANTS) + len(PRISMQ_CLIENT_MUTANTS))
    return [
        *(Part(f"plans-{first:06}", partial(run, first, simulation.CHUNK)) for first in chunks),
        *(Part(f"rule-{number:02}", partial(rules.run, number)) for number in numbers),
    ]


def run(first, number):
    """What came of some plans."""
    plans = (random_plan(seed, "prismq-client") for seed in range(first, first + number))
    return simulation.summed("plans", plans)


def figures(results):
    plans = [one for one in results if one.get("sort") == "plans"]
    taken_out = [one for one in results if "rule" in one]
    return {"plans": simulation.figures(plans)["plans"], **rules.figures(taken_out)}


def failures(found):
    for finding in found["plans"]["findings"]:
        yield f"seed {finding['seed']}: {finding['finding']}"
    yield from rules.failures(found)


def table(found):
    plans = found["plans"]
    rows = [
        ("plans", f"{plans['plans']:,}"),
        ("tasks, beside their children", f"{plans['tasks']:,}"),
        ("handlers begun", f"{plans['starts']:,}"),
        ("HTTP requests", f"{plans['requests']:,}"),
        ("simulated time, days", f"{plans['seconds'] / 86400:,.0f}"),
        ("plans that broke a promise", plans["found"]),
    ]
    return "\n\n".join([grid(("", "all faults"), rows), rules.table(found)])


PROOF = Proof(
    name="client",
    title="Simulated on prismq-client",
    about="""
The same promises on the TaskManager that PrismQ runs today, as far as it can keep them: it renews and takes back
nothing, retries at once, and knows a claim by its worker id alone. The plans go through the real steps of the dialect,
request by request, against a model of that server (a test holds the model to the server of the testing kit). Below it,
the rules of those steps are taken out one by one.
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
    jobs=2,
)
