"""What finished parts gave, one file each, apart for each version of the code."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from tests.support.processes import ROOT

DIRTY = "-dirty"
JUDGED = ("prismq_worker_sdk", "tests/simulator")
"""What is proved, and the world around it: their trees tell one version from another."""

JUDGES = ("tests/prove", "tests/simulation", "tests/support", "tests/__init__.py")
"""What a proof is made of: with changes here that are not committed nobody can repeat it."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which code was proved: one hash of its trees, which ends in `-dirty` when it is not all committed."""

    commit: str
    tree: str

    @property
    def dirty(self):
        return self.tree.endswith(DIRTY)


def version(root=ROOT, judges=JUDGES):
    """Which code there is.

    Args:
        judges: What must be committed beside it.
    """
    changed = git(root, "status", "--porcelain", "--", *JUDGED, *judges)
    tree = sha1(git(root, "ls-tree", "HEAD", *JUDGED).encode()).hexdigest()
    return Version(git(root, "rev-parse", "HEAD"), tree + (DIRTY if changed else ""))


def git(root, *words):
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Store:
    """The results of one version: `.prove/<tree>/<proof>/<key>.json`, and `.broken` for a part that broke."""

    def __init__(self, tree, root=ROOT / ".prove"):
        self._root = Path(root) / tree

    def results(self, proof):
        """What finished parts gave: key → document."""
        return {path.stem: json.loads(path.read_text("utf-8")) for path in self._files(proof, ".json")}

    def broken(self, proof):
        """Why the last try of a part gave nothing: key → error."""
        return {path.stem: path.read_text("utf-8") for path in self._files(proof, ".broken")}

    def keep(self, proof, key, document):
        self._write(proof, f"{key}.json", json.dumps(document, indent=1))
        (self._root / proof / f"{key}.broken").unlink(missing_ok=True)

    def keep_broken(self, proof, key, error):
        self._write(proof, f"{key}.broken", error)

    def forget(self, proof):
        shutil.rmtree(self._root / proof, ignore_errors=True)

    def _files(self, proof, ending):
        return sorted((self._root / proof).glob(f"*{ending}"))

    def _write(self, proof, name, text):
        """Whole or not at all, whenever it is cut."""
        path = self._root / proof / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{name}")
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
