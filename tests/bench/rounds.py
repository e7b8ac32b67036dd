"""Rounds in which everything that is compared takes its turn; what was measured is kept, so a run can be cut."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tests.bench.peers.services import MissingError
from tests.prove.store import Store, version
from tests.support.processes import ROOT

KEPT = ROOT / ".bench" / "rounds"
JUDGES = ("tests/bench", "tests/support", "tests/__init__.py")
CORES = 2
SHOWN = 6
"""Figures of a cell that are told at once."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        tasks: In a backlog of tasks that do nothing.
        pickups: Tasks that come one by one to an idle worker.
        kills: Tasks of a run with a kill.
        patience: Seconds after a kill for which tasks that do not come back are waited for.
    """

    tasks: int = 2000
    pickups: int = 50
    kills: int = 600
    patience: float = 75.0

    def values(self):
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that is measured, once in a round.

    Attributes:
        name: Its name among all; a file name.
        run: Sizes → figures, by name.
        rounds: In how many rounds at most; 0 for all.
    """

    name: str
    run: Callable
    rounds: int = 0


class Rounds:
    """The figures of all cells, by round; those of other code or other sizes are others."""

    def __init__(self, sizes, code=None, folder=KEPT):
        self.sizes = sizes
        self.code = code or version(judges=JUDGES)
        self._store = Store(self.code.tree, folder)
        self._kind = f"{sizes.tasks}-{sizes.pickups}-{sizes.kills}"

    def measure(self, cells, rounds, *, say=print):
        """Measures what is missing, round by round; says what cannot be, and goes on.

        Gives what could not be measured: cell → why.
        """
        missing = {}
        for number in range(1, rounds + 1):
            for cell in cells:
                due = not cell.rounds or number <= cell.rounds
                if due and cell.name not in missing and self._key(cell.name, number) not in self._done():
                    self._measure(cell, number, missing, say)
        return missing

    def figures(self):
        """Cell → round → figures."""
        found = {}
        for key, document in self._done().items():
            name, _, number = key.rpartition("-r")
            found.setdefault(name, {})[int(number)] = document
        return found

    def forget(self):
        self._store.forget(self._kind)

    def _measure(self, cell, number, missing, say):
        begun = time.monotonic()
        try:
            found = cell.run(self.sizes)
        except MissingError as error:
            missing[cell.name] = str(error)
            say(f"{cell.name}: {error}")
        except Exception as error:
            missing[cell.name] = f"{type(error).__name__}: {error}"
            say(f"{cell.name} could not be measured: {missing[cell.name]}")
        else:
            self._store.keep(self._kind, self._key(cell.name, number), found)
            shown = ", ".join(f"{name} {value:,.4g}" for name, value in list(found.items())[:SHOWN])
            say(f"round {number}, {cell.name}: {shown} [{time.monotonic() - begun:.0f} s]")

    def _done(self):
        return self._store.results(self._kind)

    @staticmethod
    def _key(name, number):
        return f"{name}-r{number}"


def stay_on_two_cores():
    """This process and all that it starts: the peers, their brokers and ours share the same two."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
