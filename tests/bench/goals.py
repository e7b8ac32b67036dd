"""The goals of the product's speed and size, each with what it is now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median

from tests.bench import path, plain, startup
from tests.bench.figures import number
from tests.bench.peers import measure, ours
from tests.bench.peers.cells import cells_of
from tests.bench.peers.peer import PEERS, Peer
from tests.bench.rounds import Cell
from tests.ci.cycles import LOOKED_AT, cycles
from tests.support.processes import ROOT

HANDLER = 0.01
SLOTS = 16
ROUND_TRIP = 0.03
SLOW_LOOP = 60
"""Tasks of a loop that takes some 50 ms for each."""

FAR_TASKS = 600
SHIPPED = ("prismq_worker_sdk", "plugins/youtube_shorts/src")


def server(name, service):
    """Our worker on another server than its own."""
    return Peer(name, name, (), service, ours.worker, (SLOTS,))


BASE = server("base", ours.base)
PIECES = server("pieces", partial(ours.base, pieces=True))
FAR_BASE = server("far-base", ours.far(ours.base, ROUND_TRIP))
FAR_CLIENT = server("far-client", ours.far(ours.prismq_client, ROUND_TRIP))


def cells():
    """What the goals need, and the peers among it."""
    peers = {peer.name: peer for peer in PEERS}
    wanted = ("ours", "dramatiq", "celery", "celery-prefork")
    drains = [cell for name in wanted for cell in cells_of(peers[name]) if not cell.name.endswith("-killed")]
    return [
        *drains,
        Cell("handlers", lambda sizes: measure.drain(peers["ours"], SLOTS, sizes.tasks, pause=HANDLER)),
        Cell("base-loop", lambda sizes: plain.base(ours.base, sizes.tasks)),
        Cell("base-ours", lambda sizes: measure.drain(BASE, SLOTS, sizes.tasks)),
        Cell("pieces-loop", lambda _sizes: plain.base(PIECES.service, SLOW_LOOP)),
        Cell("pieces-ours", lambda sizes: measure.drain(PIECES, SLOTS, sizes.tasks)),
        Cell("far-base-loop", lambda _sizes: plain.base(FAR_BASE.service, SLOW_LOOP)),
        Cell("far-base-ours", lambda _sizes: measure.drain(FAR_BASE, SLOTS, FAR_TASKS)),
        Cell("far-client-loop", lambda _sizes: plain.prismq_client(FAR_CLIENT.service, SLOW_LOOP)),
        Cell("far-client-ours", lambda _sizes: measure.drain(FAR_CLIENT, SLOTS, FAR_TASKS)),
        Cell("start", lambda _sizes: {"first_claim": startup.first_claim(0.0)}),
        Cell("path", lambda _sizes: path.traced().figures(), 1),
        Cell("code", lambda _sizes: code(), 1),
    ]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted, and how it is read from the figures of one round.

    Attributes:
        read: Cell → its figures in this round → the value; a KeyError where one was not measured.
        least: Whether the value must reach the goal; else it must not be over it.
        was: What it was before the path was made anew.
    """

    text: str
    read: Callable[[Mapping], float]
    goal: float
    least: bool
    was: str = ""

    def met(self, value):
        return value >= self.goal if self.least else value <= self.goal

    def values(self, figures):
        """One value for each round in which all that it takes was measured."""
        found = []
        for turn in sorted({turn for rounds in figures.values() for turn in rounds}):
            of_round = {name: rounds[turn] for name, rounds in figures.items() if turn in rounds}
            try:
                found.append(self.read(of_round))
            except KeyError:
                continue
        return found


def rate(name):
    return lambda found: found[name]["rate"]


def ratio(ours_is, theirs):
    """How many times the rate of the best of the others ours is, in the same round."""
    return lambda found: found[ours_is]["rate"] / max(found[name]["rate"] for name in theirs)


def value(name, figure):
    return lambda found: found[name][figure]


GOALS = (
    Goal("no-op tasks/s, of Dramatiq's", ratio("ours-64", ["dramatiq-8", "dramatiq-64"]), 5.0, True, "0.47"),
    Goal(
        "no-op tasks/s, of Celery's",
        ratio("ours-64", ["celery-8", "celery-64", "celery-prefork-2"]),
        7.5,
        True,
        "0.7",
    ),
    Goal("worker CPU a task in that run, µs", value("ours-64", "cpu"), 100.0, False, "530-840"),
    Goal(
        "handlers of 10 ms, 16 slots: share of the ideal",
        lambda found: found["handlers"]["rate"] * HANDLER / SLOTS,
        0.95,
        True,
    ),
    Goal("base server, of a session loop's", ratio("base-ours", ["base-loop"]), 1.5, True, "0.43"),
    Goal("base server that answers in two pieces", ratio("pieces-ours", ["pieces-loop"]), 20.0, True, "1.0"),
    Goal("round trip 30 ms, base, 16 slots", ratio("far-base-ours", ["far-base-loop"]), 8.0, True, "1.8"),
    Goal(
        "round trip 30 ms, prismq-client, 16 slots",
        ratio("far-client-ours", ["far-client-loop"]),
        8.0,
        True,
        "1.8",
    ),
    Goal("tasks/s with 128 slots, of those with 16", ratio("ours-128", ["ours-16"]), 1.0, True),
    Goal("pickup on an idle worker, p50, ms", value("ours-idle", "p50"), 2.5, False),
    Goal("pickup on an idle worker, p99, ms", value("ours-idle", "p99"), 6.0, False),
    Goal("idle memory, 8 slots, MiB", value("ours-idle", "memory"), 40.0, False, "52.6"),
    Goal("start to first claim, ms", value("start", "first_claim"), 240.0, False, "293"),
    Goal("files of one task's path", value("path", "files"), path.GOALS["files"], False, "55"),
    Goal(
        "moves between files of one task's path",
        value("path", "moves between files"),
        path.GOALS["moves between files"],
        False,
        "354",
    ),
    Goal("lines that ship", value("code", "lines"), 25_000, False, "35,700"),
    Goal("files in circles of imports", value("code", "in_circles"), 0, False, "9"),
    Goal("lines of the longest file", value("code", "longest"), 350, False, "406"),
)


def code():
    """The size of what ships, and how many of its files are in circles of imports."""
    files = [file for folder in SHIPPED for file in sorted((ROOT / folder).rglob("*.py"))]
    lines = [len(file.read_text("utf-8").splitlines()) for file in files]
    circles = cycles(*(name for name in LOOKED_AT if not name.startswith("tests")))
    return {
        "lines": sum(lines),
        "files": len(files),
        "longest": max(lines),
        "in_circles": len({module for circle in circles for module in circle}),
    }


def rows(figures):
    """One row for each goal: what it is now, from round to round, and whether that is enough."""
    return [_row(goal, goal.values(figures)) for goal in GOALS]


def _row(goal, values):
    wanted = f"{'≥' if goal.least else '≤'} {goal.goal:,g}"
    if not values:
        return (goal.text, wanted, "-", "-", goal.was or "-", "not measured")
    middle = median(values)
    spread = f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else "-"
    return (
        goal.text,
        wanted,
        number(middle),
        spread,
        goal.was or "-",
        "met" if goal.met(middle) else "missed",
    )


HEAD = ("goal", "wanted", "median", "range", "before", "")
