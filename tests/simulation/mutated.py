"""Runs fault plans on a source with one rule taken out: `python -m tests.simulation.mutated NUMBER FIRST PLANS`.

Prints one JSON line: after how many plans it was found, and by what.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import time
from itertools import chain, islice
from pathlib import Path

from tests.simulation.change import changed
from tests.simulation.mutants import ALL_MUTANTS, Mutant

KEPT = Path(__file__).parent / "plans"


class _Mutated(importlib.machinery.SourceFileLoader):
    """Loads a module with its change, never from a cache."""

    def __init__(self, name, path, mutant):
        super().__init__(name, path)
        self._mutant = mutant

    def path_stats(self, path):
        raise OSError("a changed source has no cache")

    def source_to_code(self, data, path, *_more, _optimize=-1):
        mutant = self._mutant
        tree = changed(importlib.util.decode_source(data), mutant.function, mutant.old, mutant.new)
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant):
        self._mutant = mutant

    def find_spec(self, fullname, path, target=None):
        if fullname != self._mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        loader = _Mutated(fullname, spec.origin, self._mutant)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def hunt(mutant: Mutant, first: int, plans: int) -> dict:
    """How many plans it took to find it, None when they did not."""
    sys.meta_path.insert(0, _Finder(mutant))
    from tests.simulator import random_plan, simulate
    from tests.simulator.plan import Plan

    begun = time.perf_counter()
    kept = [Plan.load(KEPT / f"{mutant.plan}.json")] if mutant.plan else []
    random = (random_plan(seed, mutant.dialect or None) for seed in range(first, first + plans))
    for tried, plan in enumerate(islice(chain(kept, random), plans), start=1):
        findings = simulate(plan).findings
        if findings:
            seconds = round(time.perf_counter() - begun, 2)
            return {"plans": tried, "seed": plan.seed, "finding": findings[0], "seconds": seconds}
    return {"plans": None, "tried": plans, "seconds": round(time.perf_counter() - begun, 2)}


if __name__ == "__main__":
    number, start, most = (int(word) for word in sys.argv[1:])
    print(json.dumps(hunt(ALL_MUTANTS[number], start, most)))
