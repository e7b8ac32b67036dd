"""What a proof came to, as the JSON that is kept with the code."""

import json
import os
import platform
import sqlite3
from datetime import datetime
from pathlib import Path

from prismq_worker_sdk.compat import UTC
from tests.support.processes import ROOT

FOLDER = ROOT / "docs" / "operations" / "proofs"


def document(proof, store, version):
    """The figures of all the parts that are done, with where they come from."""
    planned = [part.key for part in proof.parts()]
    done = store.results(proof.name)
    results = [done[key]["result"] for key in planned if key in done]
    figures = proof.figures(results)
    return {
        "proof": proof.name,
        "commit": version.commit,
        "tree": version.tree,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "machine": machine(),
        "parts": {"done": len(results), "planned": len(planned)},
        "minutes": round(sum(done[key]["seconds"] for key in planned if key in done) / 60, 1),
        "broken": store.broken(proof.name),
        "failures": list(proof.failures(figures)),
        "figures": figures,
    }


def write(found, folder=FOLDER):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found['proof']}.json"
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def written(folder=FOLDER):
    """The documents that are there: name → document."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def machine():
    """What the figures depend on; nothing that names the machine."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(_memory_kib() / 2**20),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _memory_kib():
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
