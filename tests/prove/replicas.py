"""Kills of workers, replicas and the database itself, on MariaDB and MySQL."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from urllib.parse import urlsplit

from prismq_worker_sdk.testing import FaultProxy
from tests.prove import kill
from tests.prove.database_trees import DATABASES
from tests.prove.kill import Chaos, Size
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.servers import Replicas


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one part has; of each database there are five."""

    each: Size
    database_kills: int = 1


PART = Sizes(
    Size("", tasks=1000, kills=20, cuts=1, server_kills=4, children=True, with_parts=80, patience=600.0)
)


def parts():
    return [
        Part(f"{DATABASES[name].__name__}-{n}", partial(run, PART, name, 300 + 10 * place + n))
        for place, name in enumerate(DATABASES)
        for n in range(1, 6)
    ]


def run(sizes, name, seed):
    """One part: what happened, counted from outside."""
    return kill.run(replace(sizes.each, server=name), seed, partial(ReplicaChaos, sizes.database_kills))


class RoundRobin(FaultProxy):
    """Sends each request to the next replica, as a proxy in front of them does."""

    def __init__(self, urls, plan):
        self._next = cycle([(urlsplit(url).hostname, urlsplit(url).port) for url in urls])
        super().__init__(urls[0], plan)

    @property
    def _target(self):
        return next(self._next)

    @_target.setter
    def _target(self, _first):
        pass


class ReplicaChaos(Chaos):
    """The same chaos in front of two replicas; the database is killed as well."""

    def __init__(self, database_kills, *given):
        super().__init__(*given)
        self._database_kills = database_kills

    def _started(self):
        return Replicas(self._folder / "server", DATABASES[self._size.server](self._folder))

    def _proxied(self, plan):
        return RoundRobin([one.url for one in self._server.replicas], plan)

    def _plan(self):
        extra = [
            (self._rng.randint(1, int(self._size.runs * 0.9)), "database")
            for _ in range(self._database_kills)
        ]
        return sorted([*super()._plan(), *extra])

    def _happen(self, kind):
        if kind == "server":
            self._server.crash(self._rng)
        elif kind == "database":
            self._server.crash_database()
        else:
            super()._happen(kind)

    def _found(self, faults):
        return super()._found(faults) | {"database_kills": self._database_kills}


def figures(results):
    """As those of the kills, with the kills of the database."""
    found = kill.figures(results)
    for name, one in found.items():
        one["database_kills"] = sum(
            result["database_kills"] for result in results if result["server"] == name
        )
    return found


def table(found):
    killed = ("the database was killed and started again", *(one["database_kills"] for one in found.values()))
    return grid(("", *found), [killed]) + "\n\n" + kill.table(found)


PROOF = Proof(
    name="replicas",
    title="Two replicas on MariaDB and MySQL, killed at random moments",
    about="""\
Promise: as above, when the TaskManager is two replicas of two processes each, on one database of MariaDB 11.8 or
MySQL 9 (of Debian 13 and sid, each in a folder). Every request goes to the next replica, whichever answered before;
replicas get SIGKILL with all their processes, and so does the database server, in the middle of its commits. Triggers
in the database write down every end of a claim.""",
    parts=parts,
    figures=figures,
    table=table,
    failures=kill.failures,
)
