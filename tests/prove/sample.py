"""A proof of nothing, for the tests of what runs proofs: its parts write down that they ran."""

import os
from pathlib import Path

from tests.prove.proof import Part, Proof


def parts():
    return [Part(key, lambda key=key: run(key)) for key in ("one", "two", "three")]


def run(key):
    with Path(os.environ["SAMPLE_RUNS"]).open("a", encoding="utf-8") as file:
        file.write(f"{key}\n")
    if key in os.environ.get("SAMPLE_BREAKS", ""):
        raise RuntimeError(f"{key} broke")
    return {"key": key}


def figures(results):
    return {"keys": [result["key"] for result in results]}


PROOF = Proof(
    name="sample",
    title="A sample",
    about="Nothing is promised.",
    parts=parts,
    figures=figures,
    table=lambda found: f"keys: {', '.join(found['keys'])}",
    failures=lambda found: ["two is not wanted"] if "two" in found["keys"] else [],
)
