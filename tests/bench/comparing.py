"""`python -m tests.bench peers|goals|report`: our worker beside others, and what it is to reach."""

import argparse
import sys
from dataclasses import fields

from tests.bench import goals as aims
from tests.bench import page
from tests.bench.peers.cells import cells as cells_of_peers
from tests.bench.rounds import Cell, Rounds, Sizes, stay_on_two_cores
from tests.bench.sampling import profiled
from tests.prove.page import grid

FULL = Sizes(tasks=20_000, pickups=200, kills=2000)
FULL_ROUNDS = 5


def peers(arguments=None):
    """Our worker beside others, each in an environment of its own."""
    given = parser("peers", peers.__doc__).parse_args(arguments)
    rounds, missing = measured([*cells_of_peers(), Cell("profile", profiled, 2)], given)
    found = rounds.figures()
    for table in page.tables(found):
        say(f"\n{table}")
    return 1 if missing else 0


def goals(arguments=None):
    """What the worker is to reach, with what it is now."""
    given = parser("goals", goals.__doc__).parse_args(arguments)
    rounds, missing = measured(aims.cells(), given)
    say("\n" + grid(aims.HEAD, aims.rows(rounds.figures())))
    return 1 if missing else 0


def report(arguments=None):
    """Writes docs/reference/benchmarks.md from what was measured with these sizes."""
    rounds = Rounds(sizes(parser("report", report.__doc__).parse_args(arguments)))
    if rounds.code.dirty:
        say("not written: the code has changes that are not committed")
        return 1
    if not rounds.figures():
        say("not written: nothing was measured of this code with these sizes")
        return 1
    page.write(page.document(rounds))
    say(f"written: {page.PAGE.name}")
    return 0


def measured(cells, given):
    """The rounds with what was missing of these cells, and what could not be measured."""
    stay_on_two_cores()
    rounds = Rounds(sizes(given))
    if given.fresh:
        rounds.forget()
    chosen = [cell for cell in cells if not given.only or cell.name.startswith(tuple(given.only))]
    number = given.rounds or (FULL_ROUNDS if given.full else 1)
    try:
        return rounds, rounds.measure(chosen, number, say=say)
    except KeyboardInterrupt:
        say("cut; what was measured is kept, run it again to go on")
        sys.exit(130)


def sizes(given):
    """The sizes that were asked for."""
    usual = FULL if given.full else Sizes()
    asked = {one.name: getattr(given, one.name) for one in fields(Sizes)}
    return Sizes(**{name: getattr(usual, name) if size is None else size for name, size in asked.items()})


def say(text):
    print(text, flush=True)


def parser(name, about):
    made = argparse.ArgumentParser(
        prog=f"python -m tests.bench {name}",
        description=about,
        epilog="What was measured is kept in .bench, apart for each version of the code and each choice of sizes.",
    )
    made.add_argument(
        "--full", action="store_true", help=f"{FULL_ROUNDS} rounds of 20,000 tasks; about an hour"
    )
    made.add_argument("--rounds", type=int, help=f"how many [1, in full {FULL_ROUNDS}]")
    for one in fields(Sizes):
        small, large = getattr(Sizes(), one.name), getattr(FULL, one.name)
        made.add_argument(f"--{one.name}", type=type(small), help=f"[{small}, in full {large}]")
    made.add_argument(
        "--only", action="append", metavar="CELL", help="what begins with this; may be repeated"
    )
    made.add_argument(
        "--fresh", action="store_true", help="forget what was measured of this code with these sizes"
    )
    return made
