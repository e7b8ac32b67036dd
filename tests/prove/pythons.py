"""The README's two commands and the suite on other Pythons: newer ones each in a bare Debian, 3.10 where it is."""

import shutil
import time
from functools import partial

from tests.prove.proof import Part, Proof
from tests.prove.suite import clone, counted, folders, summed, table
from tests.prove.tree import Here, Tree, runs_here

USED = ("mariadb-server", "chromium")
"""Programs that tests run."""
DEBIAN_13 = Tree("trixie", ("python3", "python3-venv", *USED), name="trixie-pythons")
SID = Tree("sid", ("python3", "python3-venv", "python3.15", "python3.15-venv", *USED), name="sid-pythons")
OLDEST = "python3.10"
PYTHONS = {
    OLDEST: ("this machine", Here()),
    "python3.13": ("Debian 13", DEBIAN_13),
    "python3.14": ("sid", SID),
    "python3.15": ("sid", SID),
}
SHOWN = "import platform, sqlite3; print(platform.python_version(), sqlite3.sqlite_version)"
DEMO = "demo"


def parts():
    for python in PYTHONS:
        if python == OLDEST and not runs_here(OLDEST):
            continue
        key = python.replace(".", "-")
        yield Part(f"{key}-{DEMO}", partial(demo, python))
        for name, folder in folders().items():
            yield Part(f"{key}-{name}", partial(suite, python, folder))


def demo(python):
    """`make demo` in a fresh clone: nothing is installed yet."""
    tree, place = _tree(python)
    shutil.rmtree(tree.root / place.lstrip("/"), ignore_errors=True)
    return _made(python, "demo")


def suite(python, folder):
    """`make test`, of one folder."""
    return _made(python, "test", f"TESTS={folder}", "JOBS=2")


def _made(python, *words):
    tree, place = _tree(python)
    clone(tree.root / place.lstrip("/"))
    begun = time.monotonic()
    done = tree.does(["make", f"PYTHON={python}", *words], place, PRISMQ_REQUIRE_ALL="1")
    seconds = time.monotonic() - begun
    python_is, sqlite_is = tree.does([".venv/bin/python", "-c", SHOWN], place).stdout.split()
    about = {"python": python_is, "sqlite": sqlite_is, "debian": PYTHONS[python][0]}
    if words[0] == DEMO:
        if done.returncode:
            raise RuntimeError(f"make demo ended with {done.returncode}: {done.stdout[-3000:]}")
        return about | {"demo": round(seconds)}
    return about | counted(done.stdout, seconds)


def _tree(python):
    return PYTHONS[python][1].made(), f"/home/{python}"


def figures(results):
    found = {}
    for version in sorted({one["python"] for one in results}):
        of_it = [one for one in results if one["python"] == version]
        demos = [one["demo"] for one in of_it if DEMO in one]
        about = {name: of_it[0][name] for name in ("debian", "sqlite")}
        tests = summed([one for one in of_it if DEMO not in one])
        found[version] = about | {"demo": demos[0] if demos else None} | tests
    return found


def failures(found):
    for version, one in found.items():
        yield from (f"Python {version}: {test}" for test in one["wrong"])


def shown(found):
    head = ("Python", "on", "SQLite", "`make demo`, seconds")
    return table(
        head, [(version, one["debian"], one["sqlite"], one["demo"], one) for version, one in found.items()]
    )


PROOF = Proof(
    name="pythons",
    title="Newer Pythons",
    about="""
Promise: Python 3.10 to 3.15. Each newer Python stands in a bare Debian, made by debootstrap, that has git, make and
that Python: `make demo` and `make test` in a fresh clone, no test skipped, warnings as errors. The other proofs and
`make test` run on the Python named below them. No Debian of today has 3.10: it is tried where the machine of the proof
has a `python3.10`; types and names are checked for it everywhere (`make check`).
""",
    parts=lambda: list(parts()),
    figures=figures,
    table=shown,
    failures=lambda found: list(failures(found)),
)
