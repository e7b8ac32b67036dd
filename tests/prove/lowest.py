"""The whole suite with the lowest version of every library that the metadata allows."""

import re
import shutil
import sys
import time
from functools import partial

from prismq_worker_sdk.compat import tomllib
from tests.prove.proof import Part, Proof
from tests.prove.suite import clone, counted, folders, run, said, summed, table
from tests.support.processes import ROOT

PLACE = ROOT / ".prove" / "lowest"
SOURCE, TOOL, ENVIRONMENT = PLACE / "source", PLACE / "uv", PLACE / "venv"
PYTHON = ENVIRONMENT / "bin" / "python"
PLUGIN = "plugins/youtube_shorts"
MADE = PLACE / "made"
"""Says for which commit the environment was made."""

NAME = re.compile(r"^[A-Za-z0-9_.-]+")


def parts():
    return [Part(name, partial(suite, folder)) for name, folder in folders().items()]


def suite(folder):
    """The tests of one folder."""
    libraries = _environment()
    begun = time.monotonic()
    command = [str(PYTHON), "-m", "pytest", "-q", "-n", "2", folder]
    done = run(["nice", *command], SOURCE)
    return {"libraries": libraries} | counted(done.stdout, time.monotonic() - begun)


def _environment():
    """Makes it once for a commit; what is in it: library → version.

    The lowest versions are those of direct requirements; what these bring along, and what only tests need, is as new
    as it may be.
    """
    head = clone(SOURCE)
    uv, lowest = TOOL / "bin" / "uv", PLACE / "lowest.txt"
    if not MADE.exists() or MADE.read_text("ascii") != head:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        said([sys.executable, "-m", "venv", str(TOOL)], PLACE)
        said([str(TOOL / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"], PLACE)
        said([str(uv), "venv", "--quiet", "--seed", "--python", sys.executable, str(ENVIRONMENT)], PLACE)
        install = [str(uv), "pip", "install", "--quiet", "--python", str(PYTHON), "-e", PLUGIN, "-e"]
        said([*install, f".[{','.join(extras())}]", "--resolution", "lowest-direct"], SOURCE)
        frozen = [str(uv), "pip", "freeze", "--quiet", "--exclude-editable", "--python", str(PYTHON)]
        lowest.write_text(said(frozen, SOURCE), "utf-8")
        said([*install, ".[dev]", "--constraint", str(lowest)], SOURCE)
        MADE.write_text(head, "ascii")
    return dict(line.split("==") for line in lowest.read_text("utf-8").split())


def extras():
    """What a user can install with the SDK: all extras but the tools of those who work on it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted(project["optional-dependencies"].keys() - {"dev", "release"})


def figures(results):
    return {"libraries": results[0]["libraries"] if results else {}, **summed(results)}


def _direct():
    """The libraries that the metadata of the SDK and of the plugin names."""
    texts = [(ROOT / file).read_text("utf-8") for file in ("pyproject.toml", f"{PLUGIN}/pyproject.toml")]
    return {found.casefold() for text in texts for found in re.findall(r'"([A-Za-z0-9_.-]+)>=', text)}


def shown(found):
    direct = _direct()
    versions = ", ".join(f"{name} {is_}" for name, is_ in found["libraries"].items() if name in direct)
    return f"{table((), [(found,)])}\n\n{versions}."


PROOF = Proof(
    name="lowest",
    title="The oldest libraries",
    about="""
Promise: the lower bounds in the metadata are true. Everything that the SDK, its extras and the plugin ask for directly
is installed in the lowest version that they allow, and the whole suite runs on it.
""",
    parts=parts,
    figures=figures,
    table=shown,
    failures=lambda found: found["wrong"],
)
