"""Wheels and sdists of every distribution, built twice, tried in a clean tree, with a list of what they bring (SBOM).

`python -m tests.ci.dist [FOLDER]`, `make dist`. Needs the extra `release`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from prismq_worker_sdk.compat import tomllib

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "examples" / "deploy" / "docker"
TOOLS = Path(sys.executable).parent
KEPT = {
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
}
"""Variables of this machine that a build may need to find its tools."""
SMOKE = (
    ("prismq-worker", "--version"),
    ("prismq-worker", "plugins"),
    ("prismq-worker", "taskmanager", "keys", "--help"),
    ("prismq-worker", "demo"),
)


def distributions():
    """The folders of all distributions of this repository, that of the package first."""
    others = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("examples/plugins/*/pyproject.toml")]
    return [ROOT, *sorted(found.parent for found in others)]


def name_of(source):
    return tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]


def build(source, folder, *, epoch):
    """An sdist, the wheel that it gives, and the wheel of the tree itself in a folder beside: all file names."""
    constraints = ("--build-constraints", LOCKS / "build.lock", "--require-hashes")
    uv = (TOOLS / "uv", "build", "--quiet", "--no-config", *constraints)
    run(*uv, "--out-dir", folder, source, SOURCE_DATE_EPOCH=epoch)
    run(*uv, "--wheel", "--out-dir", folder / "of-the-tree", source, SOURCE_DATE_EPOCH=epoch)


def differences(first, second):
    """Files that two builds do not have alike, and wheels that a tree and its sdist do not give alike."""
    for one in sorted(first.iterdir()):
        if one.suffix not in {".whl", ".gz"}:
            continue
        if one.read_bytes() != (second / one.name).read_bytes():
            yield f"{one.name} is another one when it is built again"
        of_tree = first / "of-the-tree" / one.name
        if one.suffix == ".whl" and one.read_bytes() != of_tree.read_bytes():
            yield f"{one.name} is another one when it is built from the tree and not from the sdist"


def install(folder, tree):
    """A virtual environment with the pinned libraries and these wheels, and nothing of the repository."""
    uv, python = TOOLS / "uv", tree / "bin" / "python"
    run(uv, "venv", "--quiet", "--no-config", "--python", sys.executable, tree)
    into = (uv, "pip", "install", "--quiet", "--no-config", "--python", python)
    run(*into, "--require-hashes", "-r", LOCKS / "requirements.lock")
    run(*into, "--no-deps", "--no-index", "--find-links", folder, *map(name_of, distributions()))
    run(uv, "pip", "check", "--quiet", "--no-config", "--python", python)
    return python


def try_out(tree, folder):
    """Does what a new user does, in an empty folder."""
    for program, *words in SMOKE:
        print(f"$ {program} {' '.join(words)}", flush=True)
        run(tree / "bin" / program, *words, cwd=folder)


def bill(python, file):
    """Writes what is installed there as CycloneDX; gives the number of components."""
    run(
        *(TOOLS / "cyclonedx-py", "environment", "--pyproject", ROOT / "pyproject.toml"),
        *("--output-reproducible", "--output-format", "JSON", "--output-file", file, python),
    )
    return len(json.loads(file.read_text(encoding="utf-8"))["components"])


def run(*words, cwd=None, **variables):
    """Runs a program without what this shell has set; its output is shown when it fails."""
    known = {name: value for name, value in os.environ.items() if name in KEPT}
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd or tempfile.gettempdir(),
        env=known | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").absolute()
    epoch = run("git", "-C", ROOT, "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory(prefix="prismq-dist-") as scratch:
        first, second = Path(scratch, "first"), Path(scratch, "second")
        for source in distributions():
            build(source, first, epoch=epoch)
            build(source, second, epoch=epoch)
        if found := list(differences(first, second)):
            raise SystemExit("\n".join(found))
        python = install(first, Path(scratch, "tree"))
        work = Path(scratch, "work")
        work.mkdir()
        try_out(Path(scratch, "tree"), work)
        folder.mkdir(parents=True, exist_ok=True)
        number = bill(python, folder / "sbom.cdx.json")
        for one in [*first.glob("*.whl"), *first.glob("*.tar.gz")]:
            (folder / one.name).write_bytes(one.read_bytes())
            print(f"{one.stat().st_size:>9,} {one.name}")
        print(f"{number:>9,} components in sbom.cdx.json")


if __name__ == "__main__":
    main()
