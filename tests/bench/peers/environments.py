"""The environment of each peer, made once and kept in `.bench`."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

KEPT = ROOT / ".bench" / "environments"


def environment(name, pins):
    """The folder of an environment that has exactly these packages; made when it is not there."""
    told = hashlib.sha256("\n".join((sys.version, *pins)).encode()).hexdigest()[:12]
    place = KEPT / f"{name}-{told}"
    done = place / ".done"
    if not done.exists():
        print(f"{name}: an environment with {', '.join(pins)} is made", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
        subprocess.run([place / "bin" / "python", *install], check=True)
        done.touch()
    return Path(place)


def ours():
    """The environment that the benches run in."""
    return Path(sys.prefix)
