"""Requests to the server in production: for each task under load, and of workers that have nothing to do."""

import tempfile
from itertools import count
from pathlib import Path

from tests.bench.busy_slots import busy_slots
from tests.bench.figures import ROUNDS, Row, Table
from tests.support.deployed import Embedded
from tests.support.fleet import Fleet
from tests.support.idle import Idle
from tests.support.processes import wait_until

TYPE = "Bench.Nothing"
WORKERS, SLOTS, TASKS = 8, 4, 500
DEADLOCKS = 0.01
LIMIT = 100
MINUTES = 10
MANY_SLOTS, HANDLER, FAR = 16, 0.2, (0.03, 0.1)
"""Slots, seconds of a handler, and round trips to the server, seconds."""

LEAST = "a claim and a report"
LOAD = {
    "all requests": lambda fleet: fleet.requests(),
    "claims": lambda fleet: fleet.of("claim"),
    "reports": lambda fleet: fleet.of("complete"),
    "looks at tasks and types, health": lambda fleet: (
        fleet.requests() - fleet.of("claim") - fleet.of("complete")
    ),
    "answered with a deadlock": lambda fleet: fleet.failed("http_500"),
    "answered with 429": lambda fleet: fleet.failed("http_429"),
}


def run(seconds):
    rounds = max(1, min(ROUNDS, round(seconds / 8)))
    with tempfile.TemporaryDirectory() as folder:
        numbers = count()
        fleets = [load(Path(folder) / f"load-{next(numbers)}") for _ in range(rounds)]
        yield Table(
            f"{WORKERS} workers of {SLOTS} slots, {TASKS} tasks, {DEADLOCKS:.0%} deadlocks",
            "requests/task",
            [Row(LEAST, [2.0])]
            + [Row(what, [read(fleet) / TASKS for fleet in fleets]) for what, read in LOAD.items()],
        )
        for round_trip in FAR:
            yield busy(Path(folder), round_trip, [next(numbers) for _ in range(rounds)])
        for limit in (0, LIMIT):
            yield Table(
                f"idle, {f'limit {limit}' if limit else 'no limit'}, poll interval 10 s",
                "requests/min",
                [
                    idle(Path(folder) / f"idle-{next(numbers)}", workers, types, limit)
                    for workers in (1, WORKERS)
                    for types in (1, 2, 5)
                ],
            )


def load(folder, *, workers=WORKERS, slots=SLOTS, tasks=TASKS, deadlocks=DEADLOCKS, **deployment):
    """A fleet that has worked off so many tasks, each once."""
    with Embedded(deadlocks=deadlocks, **deployment) as deployed:
        deployed.producer.register(TYPE)
        ids = deployed.producer.add(TYPE, *({"n": n} for n in range(tasks)))
        fleet = Fleet(folder, deployed.url, TYPE, size=workers, concurrency=slots)
        with fleet.running():
            wait_until(lambda: deployed.counts() == {"completed": tasks}, "the end of all tasks", 120)
        steps = {tuple(deployed.steps(task_id)) for task_id in ids}
    if steps != {("claimed", "completed")} or set(fleet.runs.values()) != {1}:
        raise RuntimeError(f"tasks were not claimed, run and completed once each: {steps}")
    return fleet


def busy(folder, round_trip, numbers, *, slots=MANY_SLOTS, tasks=TASKS):
    """How many slots work, where each claim and each report takes a round trip."""
    found = []
    for number in numbers:
        place = folder / f"busy-{number}"
        place.mkdir()
        found.append(busy_slots(place, round_trip=round_trip, slots=slots, handler=HANDLER, tasks=tasks))
    most = slots * HANDLER / (HANDLER + round_trip)
    return Table(
        f"{slots} slots, handlers of {HANDLER} s, round trip {round_trip * 1000:.0f} ms",
        "slots",
        [
            Row("most that can work at once, with a claim before each task", [most]),
            Row("a handler runs", [working for working, _taken in found]),
            Row("a handler runs, or its claim is under way", [taken for _working, taken in found]),
        ],
    )


def idle(folder, workers, types, limit):
    """What each minute costs; by the clock of the simulation, so that it takes none."""
    folder.mkdir()
    place = Idle(folder, workers=workers, types=types, rate_limit=limit)
    try:
        minutes = place.minutes(MINUTES)
    finally:
        place.close()
    refused = place.statuses.count(429)
    what = f"{workers} worker{'s' if workers > 1 else ''}, {types} type{'s' if types > 1 else ''}"
    return Row(what, [float(one) for one in minutes], f"{refused} refused" if refused else "")
