"""The page docs/reference/benchmarks.md, from the figures that are kept beside it."""

import json
from datetime import datetime
from statistics import median

from prismq_worker_sdk.compat import UTC
from tests.bench import goals
from tests.bench.peers import services
from tests.bench.peers.peer import PEERS
from tests.bench.sampling import EACH_SECOND, FILE, SLOTS, THREAD
from tests.prove.documents import machine
from tests.prove.page import grid
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
KEPT = PAGE.with_suffix(".json")
SHOWN = 20
"""Files of the profile."""

HEAD = """\
<!-- Written by `make bench-peers` from benchmarks.json; a test holds it to that. -->
# Benchmarks

What a task costs, beside other workers. Everything is measured from outside, the same way for everybody: the handler
does nothing but note its number and the time in memory, and the processes are looked at through the system. One worker
process; the same two cores for worker, broker and producer; each in an environment of its own, set up as it comes.
Ours has everything on: outbox with a sync of the disk, leases, log. Everything takes its turn in each round; a figure
is the median of the rounds, with the smallest and the largest.

Trust the ratios: the machine is shared, and its speed changes by a third. To repeat it (about an hour; it goes on where
it was cut; Redis and PostgreSQL must be installed):

```sh
make bench-peers
python -m tests.bench goals           # the goals alone, small
python -m tests.bench path            # the files of one task's path, by name
```
"""
NOT_YET = "\n**Not measured yet**: `make bench-peers`.\n"
GOALS = """\
## Goals

Each value is read from one round, where what is compared took turns; *before* is the worker of 2026-11-28.
"""
BACKLOG = """\
## A backlog of {tasks:,} tasks that do nothing

From the first task that begins to the last. *At work*: the most memory that all processes of the worker had, what they
share counted once. *Start*: from the start of the program to its first task.
"""
IDLE = """\
## A worker that waits

*Pickup*: from the call that puts a task there to the start of its handler, {pickups} tasks one by one. A base server
has no way to tell its workers of a task: they poll, and their [waits](../operations/scale.md) are the pickup.
"""
KILLED = """\
## Killed in the middle

{kills:,} tasks of 5 ms. With a third of them done the worker is killed (SIGKILL) with all its processes, and another
one is started. *Lost*: tasks whose handler never came to its end, as seen {patience:.0f} s after the last one that did.
*Twice*: ends too many; a handler that ended without its end being stored runs again, everywhere. Both are of all rounds
together.
"""
PROFILE = """\
## Where the time goes

Worker CPU of a task in our worker with {slots} slots on its TaskManager. py-spy looks {rate} times a second at the
thread that holds the interpreter; the look counts for this thread, and for the innermost file of ours on its stack,
with all that this file calls in Python and libraries. What threads do beside the interpreter (syncs of the disk,
sockets) is spread over all of it.
"""


def document(rounds):
    """What was measured, with where it comes from."""
    return {
        "commit": rounds.code.commit,
        "tree": rounds.code.tree,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "machine": machine(),
        "servers": services.versions(),
        "pins": {peer.title: list(peer.pins) for peer in PEERS if peer.pins},
        "sizes": rounds.sizes.values(),
        "figures": rounds.figures(),
    }


def write(found):
    KEPT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    PAGE.write_text(rendered(), "utf-8")


def kept():
    """The document that is kept; None before the first."""
    if not KEPT.exists():
        return None
    found = json.loads(KEPT.read_text("utf-8"))
    figures = {cell: {int(n): one for n, one in rounds.items()} for cell, rounds in found["figures"].items()}
    return found | {"figures": figures}


def rendered():
    """The page as the kept document has it."""
    return render(kept())


def render(found):
    """The whole page.

    Args:
        found: A document; None for none yet.
    """
    if found is None:
        return HEAD + NOT_YET
    figures, sizes = found["figures"], found["sizes"]
    parts = [HEAD, GOALS, grid(goals.HEAD, goals.rows(figures))]
    for text, table in zip((BACKLOG, IDLE, KILLED, PROFILE), sections(figures), strict=True):
        if table:
            parts += [text.format(**sizes, slots=SLOTS, rate=EACH_SECOND), table]
    return "\n".join([*(f"{part.strip()}\n" for part in parts), _origin(found), ""])


def tables(figures):
    """Every table for which there are figures."""
    return [table for table in sections(figures) if table]


def sections(figures):
    """The tables of the page, empty without figures."""
    return (backlog(figures), waiting(figures), kills(figures), profile(figures.get("profile", {})))


def backlog(figures):
    """The peers' rates, CPU, memory and starts."""
    rows = [
        (
            f"{peer.title}, {slots}",
            *(spread(figures[cell], figure) for figure in ("rate", "cpu", "memory", "start")),
        )
        for peer in PEERS
        for slots in peer.slots
        if (cell := f"{peer.name}-{slots}") in figures
    ]
    return rows and grid(
        ("worker, threads or slots", "tasks/s", "CPU µs a task", "MiB at work", "start, ms"), rows
    )


def waiting(figures):
    """What the peers do while there is nothing to do."""
    rows = [
        (peer.title, *(spread(figures[cell], figure) for figure in ("p50", "p99", "memory")))
        for peer in PEERS
        if (cell := f"{peer.name}-idle") in figures
    ]
    return rows and grid(("worker", "pickup p50, ms", "pickup p99, ms", "MiB idle"), rows)


def kills(figures):
    """What became of the tasks of killed workers."""
    rows = [
        (peer.title, *(sum(one[what] for one in figures[cell].values()) for what in ("lost", "twice")))
        for peer in PEERS
        if (cell := f"{peer.name}-killed") in figures
    ]
    return rows and grid(("worker", "lost", "twice"), rows)


def profile(rounds):
    """µs of a task by thread, and by file."""
    if not any(name.startswith(THREAD) for one in rounds.values() for name in one):
        return ""
    found = []
    for prefix, what in ((THREAD, "thread"), (FILE, "file")):
        names = {name for one in rounds.values() for name in one if name.startswith(prefix)}
        middle = {name: median(one.get(name, 0.0) for one in rounds.values()) for name in names}
        first = sorted(middle, key=lambda name: (-middle[name], name))[:SHOWN]
        found.append(grid((what, "µs a task"), [(name.removeprefix(prefix), middle[name]) for name in first]))
    return "\n\n".join(found)


def spread(rounds, figure):
    """The median, with the smallest and the largest."""
    values = [found[figure] for found in rounds.values()]
    return f"{_short(median(values))} ({_short(min(values))} to {_short(max(values))})"


def _short(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _origin(found):
    there = found["machine"]
    pins = "; ".join(f"{title}: {', '.join(pins)}" for title, pins in found["pins"].items())
    servers = ", ".join(f"{name} {version}" for name, version in found["servers"].items())
    rounds = max(len(one) for one in found["figures"].values())
    place = f"{there['cores']} cores, {there['memory_gib']} GiB, {there['system']}"
    return (
        f"<sub>Commit {found['commit'][:12]}, {found['date']}, {rounds} rounds on {place}, Python {there['python']}, "
        f"SQLite {there['sqlite']}, {servers}. {pins}.</sub>"
    )
