"""Each rule taken out by a small change of the source: the simulator must find every one."""

import json
import subprocess
import sys
from functools import partial

from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.simulation.mutants import ALL_MUTANTS, MUTANTS
from tests.support.processes import ROOT

MOST = 30_000
"""Plans that are tried before a rule counts as not found."""


def parts():
    return [Part(f"{number:02}", partial(run, number)) for number in range(len(MUTANTS))]


def run(number, most=MOST):
    """After how many plans one change was found."""
    mutant = ALL_MUTANTS[number]
    command = [sys.executable, "-m", "tests.simulation.mutated", str(number), "0", str(most)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return {"number": number, "rule": mutant.rule, "what": mutant.what, **json.loads(done.stdout)}


def figures(results):
    return {"rules": sorted(results, key=lambda result: result["number"])}


def failures(found):
    for one in found["rules"]:
        if one["plans"] is None:
            yield f"{one['rule']}, {one['what']}: not found by {one['tried']:,} plans"


def table(found):
    rows = [(one["rule"], one["what"], one["plans"] or "not found", _by(one)) for one in found["rules"]]
    return grid(("rule", "what is no longer done", "plans until found", "found as"), rows)


def _by(one):
    return one.get("finding", "").split(":")[0]


PROOF = Proof(
    name="rules",
    title="Every rule is needed",
    about="""
Promise: the simulation is not blind. Each rule that it can reach is taken out by one small change of one function
(tests/simulation/mutants.py has them all), and the same plans run until one breaks a promise. Rules of
the server are taken out of the model. Not reached by simulation, and held by tests of their own: R11 (syncs of the
disk), R13 and R14 (tries inside a claim, encoding), R20 (child processes), R31 to R33 and R35 (sockets, redirects,
wrong addresses, probing), R39 (locks).
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
    jobs=2,
)
