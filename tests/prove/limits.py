"""One limit for eight workers: never more than it allows in any stretch of a period, and nearly all of it used."""

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import requests

from tests.prove.crew import HANDLERS
from tests.prove.fleet import most
from tests.prove.handlers import SQUARE
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.servers import Replicas, TaskManager
from tests.support.databases import MariaDb, mariadb_is_here
from tests.support.processes import Worker, wait_until

LIMIT = "prove"
LEAST_USED = 0.95


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one part has; times in seconds."""

    workers: int = 8
    units: int = 30
    period: float = 60.0
    seconds: float = 300.0


def parts():
    places = ["one server, SQLite", *(["two replicas, MariaDB"] if mariadb_is_here() else [])]
    return [Part(place.replace(", ", "-").replace(" ", "-"), partial(run, place)) for place in places]


def run(place, sizes=Sizes()):
    """When tasks were claimed and begun, as the database and the handlers have it."""
    with tempfile.TemporaryDirectory() as folder:
        server, urls = _started(Path(folder), place)
        try:
            _prepare(urls[0], sizes)
            crew = [
                Worker(Path(folder) / f"worker-{number}", url, plugin=HANDLERS)
                for number, url in enumerate(islice(cycle(urls), sizes.workers))
            ]
            try:
                claimed, begun = _watched(server, urls[0], crew, sizes)
            finally:
                for worker in crew:
                    worker.clean_up()
        finally:
            server.kill()
    return {"place": place, **_told(claimed, sizes), "begun_most": most(begun, sizes.period)}


def _started(folder, place):
    if place.startswith("one"):
        server = TaskManager(folder / "server", lease="60s")
        return server, [server.url]
    database = folder / "mariadb"
    database.mkdir()
    server = Replicas(folder / "server", MariaDb(database))
    return server, [one.url for one in server.replicas]


def _prepare(url, sizes):
    limit = {"units": sizes.units, "period": sizes.period}
    requests.put(f"{url}/limits/{LIMIT}", json=limit, timeout=60).raise_for_status()
    uses = {"limits": [{"key": LIMIT}]}
    requests.put(f"{url}/task-types/{SQUARE}/limits", json=uses, timeout=60).raise_for_status()


def _watched(server, url, crew, sizes):
    """Instants of claims and of begins, once all workers wait and then tasks came for longer than the time."""
    wait_until(lambda: all(one.events("worker_started") for one in crew), "the starts of all workers")
    number = int(sizes.units * (sizes.seconds / sizes.period + 3))
    new = [{"type": SQUARE, "params": {"n": n, "seconds": 0.01}} for n in range(number)]
    for start in range(0, number, 1000):
        batch = {"tasks": new[start : start + 1000]}
        requests.post(f"{url}/tasks/batch", json=batch, timeout=60).raise_for_status()
    wait_until(lambda: server.claims_at(), "the first claim")
    time.sleep(sizes.seconds)
    claimed = server.claims_at()
    begun = [
        float(line.split()[4])
        for one in crew
        if one.runs_file.exists()
        for line in one.runs_file.read_text().splitlines()
        if line.startswith("begin ")
    ]
    return claimed, sorted(begun)


def _told(claimed, sizes):
    within = sum(at < claimed[0] + sizes.seconds for at in claimed)
    return {
        "units": sizes.units,
        "period": sizes.period,
        "claims": within,
        "allowed": round(sizes.units * sizes.seconds / sizes.period),
        "most": most(claimed, sizes.period),
    }


def figures(results):
    return {result["place"]: {**result, "used": result["claims"] / result["allowed"]} for result in results}


def table(found):
    rows = [
        ("allowed in a period", *(f"{one['units']} in {one['period']:g} s" for one in found.values())),
        ("claimed at most in any stretch of a period", *(one["most"] for one in found.values())),
        ("begun at most, by the handlers' clocks", *(one["begun_most"] for one in found.values())),
        ("claimed of what was allowed", *(f"{one['claims']} of {one['allowed']}" for one in found.values())),
        ("used", *(f"{one['used']:.1%}" for one in found.values())),
    ]
    return grid(("", *found), rows)


def failures(found):
    for place, one in found.items():
        if one["most"] > one["units"]:
            yield f"{place}: {one['most']} were claimed within a period, {one['units']} are allowed"
        if one["used"] < LEAST_USED:
            yield f"{place}: {one['used']:.1%} of what was allowed was used, at least {LEAST_USED:.0%} should be"


PROOF = Proof(
    name="limits",
    title="A limit of the whole fleet, exact and used",
    about="""\
Promise: of a limit never more units are used in any stretch of its period than it has, whenever that begins, however
many workers and replicas there are; and at least 95 % of them are used. Eight worker processes wait for tasks that use
one limit of 30 a minute; then more tasks come than it allows, for five minutes: on one server with SQLite, and on two
replicas of two processes each with MariaDB. Counted are the instants of the claims in the database.
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
