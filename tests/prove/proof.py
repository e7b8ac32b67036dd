"""What a proof is: parts that are run one by one, and what they add up to."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PROOFS = {
    "sim": "tests.prove.simulation",
    "rules": "tests.prove.rules",
    "client": "tests.prove.prismq_client",
    "kill": "tests.prove.kill",
    "replicas": "tests.prove.replicas",
    "stop": "tests.prove.stop",
    "systemd": "tests.prove.systemd",
    "soak": "tests.prove.soak",
    "hold": "tests.prove.hold",
    "wait": "tests.prove.wait",
    "limits": "tests.prove.limits",
    "secrets": "tests.prove.leaks",
    "api": "tests.prove.api",
    "databases": "tests.prove.databases",
    "image": "tests.prove.image",
    "pythons": "tests.prove.pythons",
    "lowest": "tests.prove.lowest",
}
"""Name → module, in the order of the page."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a proof that is run whole or not at all; the proof's module is imported anew for it.

    Attributes:
        key: Its name among the parts of the proof; a file name.
        run: Gives what was found, as JSON; runs in a process of its own, some minutes at most.
    """

    key: str
    run: Callable[[], dict]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is promised, and how it is proved.

    Attributes:
        about: What is promised and what is done to prove it, Markdown.
        parts: All the parts, the same at each call.
        figures: What the results of some parts add up to, as JSON; also of a few only.
        table: The figures, Markdown.
        failures: What did not hold, one sentence each; nothing when all of it held.
        jobs: How many parts may run at once.
    """

    name: str
    title: str
    about: str
    parts: Callable[[], Sequence[Part]]
    figures: Callable[[Sequence[dict]], dict]
    table: Callable[[dict], str]
    failures: Callable[[dict], Sequence[str]]
    jobs: int = 1


def load(name):
    """The proof with this name."""
    return importlib.import_module(PROOFS[name]).PROOF
