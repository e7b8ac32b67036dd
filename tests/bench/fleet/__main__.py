"""`python -m tests.bench fleet`: ten thousand workers, simulated."""

import argparse
import sys

from tests.bench.fleet import page
from tests.bench.fleet.scenarios import measured


def main(arguments=None):
    """Ten thousand workers, simulated: what they ask of their server."""
    made = argparse.ArgumentParser(prog="python -m tests.bench fleet", description=main.__doc__)
    made.add_argument("--workers", type=int, default=10_000, help="how many [10000]")
    made.add_argument("--write", action="store_true", help="keep the figures, write docs/operations/scale.md")
    given = made.parse_args(arguments)
    found = measured(given.workers)
    if given.write:
        page.write(found)
        return 0
    for kind, scenarios in found["servers"].items():
        print(f"{page.TITLES[kind]}\n{page.table(scenarios)}\n{page.course(scenarios)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
