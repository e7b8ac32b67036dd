"""Why a worker takes no task now, in words; decided by what is known of it and of what waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

SILENT = 120.0
"""Seconds without a call after which a worker counts as gone."""
MOST_REASONS = 3
"""That are told of types; the others are counted."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in words.

    Attributes:
        at: The time that the text ends with, seconds since 1970; None where it speaks of none.
    """

    text: str
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What is known of a worker.

    Attributes:
        last_seen: Seconds since 1970.
        wanted: What it was told: run, quiet or terminate.
        state: What it says that it does: running, quiet or stopping; "" where it says nothing of itself.
        slots: Tasks that it runs at the same time, None where that is not known.
        running: How many it runs.
        trouble: What keeps it from claiming anything, "" where nothing does.
        closed: Why it claims nothing of a type, by type.
    """

    last_seen: float
    wanted: str = "run"
    state: str = ""
    slots: int | None = None
    running: int = 0
    types: Sequence[str] = ()
    trouble: str = ""
    closed: Mapping[str, Reason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """What is known of task types.

    Attributes:
        waiting: Those of which a task waits.
        held: Why nobody is handed a task of a type, by type.
    """

    waiting: Collection[str] = ()
    held: Mapping[str, Reason] = field(default_factory=dict)


def why_idle(worker: Worker, queue: Queue, now: float) -> tuple[Reason, ...]:
    """The reasons, which make one sentence; none for a worker that has no slot free."""
    if (stopped := _no_more(worker, now)) is not None:
        return (stopped,)
    if worker.running >= (worker.slots or 1):
        return ()
    if worker.trouble:
        return (Reason(f"not ready: {worker.trouble}"),)
    if not worker.types:
        return (Reason("it has asked for no task yet"),)
    held = {
        name: reason
        for name in worker.types
        if (reason := worker.closed.get(name) or queue.held.get(name)) is not None
    }
    free = [name for name in worker.types if name not in held]
    if asked := [name for name in free if name in queue.waiting]:
        return (Reason(f"a task of {_named(asked)} waits for its next call"),)
    if not free:
        return _told(held, of_all=True)
    kept = {name: reason for name, reason in held.items() if name in queue.waiting}
    if not kept:
        return (Reason("no task of its types waits"),)
    return (*_told(kept, of_all=False), Reason("no task of its other types waits"))


def _no_more(worker: Worker, now: float) -> Reason | None:
    """Why it takes none, whatever waits."""
    if now - worker.last_seen > SILENT:
        said = "it stopped" if worker.state == "stopping" else "not heard of since"
        return Reason(said, worker.last_seen)
    if worker.state == "stopping":
        return Reason("it is stopping")
    return {
        "terminate": Reason("told to end"),
        "quiet": Reason("told to be quiet, until it is resumed"),
    }.get(worker.wanted)


def _told(held: Mapping[str, Reason], *, of_all: bool) -> tuple[Reason, ...]:
    """The reasons, each with the types that it is for, unless it is for all that the worker has."""
    types: dict[Reason, list[str]] = {}
    for name, reason in held.items():
        types.setdefault(reason, []).append(name)
    if of_all and len(types) == 1:
        return tuple(types)
    told = [
        Reason(f"{_named(names)}: {reason.text}", reason.at)
        for reason, names in list(types.items())[:MOST_REASONS]
    ]
    if left := sum(map(len, list(types.values())[MOST_REASONS:])):
        told.append(Reason(f"and {left} more types are held up"))
    return tuple(told)


def _named(types: Sequence[str]) -> str:
    return types[0] if len(types) == 1 else f"{types[0]} and {len(types) - 1} more"
