"""`python -m tests.prove [NAME…]`: runs the parts that are missing and writes down what they come to."""

import argparse
import sys

from tests.prove.documents import document, write
from tests.prove.page import write_page
from tests.prove.proof import PROOFS, load
from tests.prove.running import run_missing
from tests.prove.store import Store, version

REPORT = "report"


def main(arguments=None):
    given = parser().parse_args(arguments)
    names = [name for name in given.names or PROOFS if name != REPORT]
    try:
        codes = [prove(load(name), given) for name in names]
    except KeyboardInterrupt:
        print("cut; what was finished is kept, run it again to go on", file=sys.stderr)
        return 130
    if REPORT in given.names:
        say(f"written: {write_page().name}")
    return max(codes, default=0)


def prove(proof, given):
    """Runs what is missing of one proof; the exit code."""
    code = version()
    store = Store(code.tree)
    if given.fresh:
        store.forget(proof.name)
    try:
        run_missing(proof, store, jobs=given.jobs or proof.jobs, minutes=given.minutes, say=say)
    finally:
        wrong = conclude(proof, store, code)
    return 1 if wrong else 0


def conclude(proof, store, code):
    """Shows what the finished parts come to and writes it down; what did not hold."""
    found = document(proof, store, code)
    if found["parts"]["done"]:
        say(proof.table(found["figures"]))
    for failure in found["failures"]:
        say(f"{proof.name} did not hold: {failure}")
    if code.dirty:
        say("not written down: the code has changes that are not committed")
    elif version() != code:
        say("not written down: the code changed meanwhile")
    elif found["parts"]["done"]:
        say(f"written: proofs/{write(found).name}; `make prove-report` puts it on the page")
    return [*found["failures"], *found["broken"]]


def say(text):
    print(text, flush=True)


def parser():
    made = argparse.ArgumentParser(
        prog="python -m tests.prove",
        description="Long proofs with real processes; finished parts are kept in .prove, so a run can be cut.",
        epilog="`report` alone writes the page docs/operations/reliability.md from what was written down.",
    )
    made.add_argument("names", nargs="*", metavar="NAME", type=known, help=f"{', '.join(PROOFS)} [all]")
    made.add_argument("--minutes", type=float, help="begin no part of a proof later than this [no end]")
    made.add_argument("--jobs", type=int, help="parts at the same time [what the proof says]")
    made.add_argument("--fresh", action="store_true", help="forget the finished parts of this version first")
    return made


def known(name):
    if name not in PROOFS and name != REPORT:
        raise argparse.ArgumentTypeError(f"there is no proof {name!r}; there are {', '.join(PROOFS)}, report")
    return name


if __name__ == "__main__":
    sys.exit(main())
