"""Rules taken out: each change fits its function just once, whatever that looks like, and the simulator finds it."""

import ast
import json
import subprocess
import sys

import pytest

from tests.simulation.change import changed
from tests.simulation.mutants import ALL_MUTANTS
from tests.support.processes import ROOT

QUICK = [
    number
    for number, mutant in enumerate(ALL_MUTANTS)
    if mutant.what
    in {
        "no more is claimed than there are free slots",
        "a lease counts from the first sending of its request",
        "a task that runs here is not begun a second time here",
        "the first end of a claim wins",
        "children are committed with their result",
        "a task follows once all children have ended",
        "a pause that had no good answer is told again",
        "an unexpected error leaves the retry to the server",
        "children that are created again have the same key",
        "a claim that may have been seen is looked for",
        "a failure that the server did by half is told",
        "a task is given back only where that cannot be its last attempt",
    }
]


@pytest.mark.parametrize("number", QUICK, ids=lambda number: ALL_MUTANTS[number].rule)
def test_a_rule_that_is_taken_out_is_found(number):
    command = [sys.executable, "-m", "tests.simulation.mutated", str(number), "0", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["plans"] is not None


WITH_PLAN = [number for number, mutant in enumerate(ALL_MUTANTS) if mutant.plan]


@pytest.mark.parametrize("number", WITH_PLAN, ids=lambda number: ALL_MUTANTS[number].rule)
def test_a_rule_that_random_plans_hardly_meet_is_found_by_the_plan_that_was_kept_for_it(number):
    command = [sys.executable, "-m", "tests.simulation.mutated", str(number), "0", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["plans"] == 1


@pytest.mark.parametrize("mutant", ALL_MUTANTS, ids=lambda mutant: f"{mutant.rule}-{mutant.what}")
def test_every_change_still_fits_its_function(mutant):
    source = (ROOT / f"{mutant.module.replace('.', '/')}.py").read_text("utf-8")

    assert ast.dump(changed(source, mutant.function, mutant.old, mutant.new)) != ast.dump(ast.parse(source))


ROOM = """
class Room:
    def free(self):
        return [one for one in self.seats if one is None]

    def text(self):
        return "SELECT min(until - ?, seconds) " "FROM pauses"

    def take(self, who):
        match who:
            case None if self.open:
                return False
            case str():
                self.seats.append(who)
        return True
"""


@pytest.mark.parametrize(
    ("function", "old", "new", "line"),
    [
        ("free", "self . seats", "()", "return [one for one in () if one is None]"),
        ("free", "[one for one in self.seats  # comment\n if one is None]", "[]", "return []"),
        ("text", "'min(until - ?, seconds)'", "'until - ?'", "return 'SELECT until - ? FROM pauses'"),
        ("take", "self.open", "False", "case None if False:"),
        ("take", "self.seats.append(who)", "None", "None"),
        ("take", "return True", "pass", "pass"),
        ("take", "case str():\n  self.seats.append(who)", "case int():\n  pass", "case int():"),
    ],
)
def test_a_change_is_of_the_tree_and_not_of_the_text(function, old, new, line):
    text = ast.unparse(changed(ROOM, f"Room.{function}", old, new))

    assert line in [one.strip() for one in text.splitlines()]


@pytest.mark.parametrize(
    ("function", "old", "reason"),
    [
        ("Room.free", "one", "stands 2 times"),
        ("Room.free", "self.open", "stands 0 times"),
        ("Room.close", "self.open", "is defined 0 times"),
        ("free", "self.open", "is defined 0 times"),
    ],
)
def test_a_change_that_does_not_fit_just_once_is_refused(function, old, reason):
    with pytest.raises(ValueError, match=reason):
        changed(ROOM, function, old, "False")
