"""The whole suite in another environment than this one, folder by folder, and what came out."""

import re
import subprocess

from tests.prove.page import grid
from tests.support.processes import ROOT

COUNTED = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")
SUMMARY = re.compile(r"^=*\s*\d+ (?:passed|failed|skipped|error).* in [\d.]+s.*$", re.MULTILINE)
WRONG = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
TAIL = 3000
"""Characters of what a command said last, for one that broke."""


def folders(root=ROOT):
    """Every folder with tests, by a name that a file can have."""
    tests = sorted(path for path in (root / "tests").iterdir() if any(path.rglob("test_*.py")))
    plugins = sorted((root / "plugins").glob("*/tests"))
    return {
        **{path.name: path.relative_to(root).as_posix() for path in tests},
        **{path.parent.name: path.relative_to(root).as_posix() for path in plugins},
    }


def clone(place, root=ROOT):
    """A clone of HEAD at this place, with nothing else in it that git does not ignore."""
    head = said(["git", "rev-parse", "HEAD"], root).strip()
    if not (place / ".git").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        said(["git", "clone", "--quiet", "--no-hardlinks", str(root), str(place)], root)
    said(["git", "fetch", "--quiet", str(root), head], place)
    said(["git", "checkout", "--quiet", "--force", "--detach", head], place)
    said(["git", "clean", "--quiet", "-ffd"], place)
    return head


def said(command, folder, **options):
    """What a command says.

    Raises:
        RuntimeError: It did not end well; with the end of what it said.
    """
    done = run(command, folder, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout[-TAIL:]}")
    return done.stdout


def run(command, folder, **options):
    merged = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, cwd=folder, text=True, check=False, **merged, **options)


def counted(text, seconds):
    """How the tests came out, from the last words of pytest.

    Raises:
        RuntimeError: It did not come to an end.
    """
    summaries = SUMMARY.findall(text)
    if not summaries:
        raise RuntimeError(f"the tests came to no end: {text[-TAIL:]}")
    found = {kind.rstrip("s"): int(number) for number, kind in COUNTED.findall(summaries[-1])}
    return {
        "passed": found.get("passed", 0),
        "failed": found.get("failed", 0) + found.get("error", 0),
        "skipped": found.get("skipped", 0),
        "seconds": round(seconds),
        "wrong": sorted(WRONG.findall(text)),
        **({"said": text[-10 * TAIL :]} if WRONG.search(text) else {}),
    }


def summed(results):
    """What the folders of one environment come to."""
    return {
        "folders": len(results),
        **{kind: sum(one[kind] for one in results) for kind in ("passed", "failed", "skipped", "seconds")},
        "wrong": [test for one in results for test in one["wrong"]],
    }


def table(head, rows):
    """Environments and their figures; each row is a name, more cells, and what `summed` gave."""
    figures = ("folders", "passed", "failed", "skipped", "seconds")
    return grid((*head, *figures), [(*cells, *(found[one] for one in figures)) for *cells, found in rows])
