"""The page docs/operations/scale.md, from the figures that are kept beside it."""

import json

from tests.bench.fleet.scenarios import SCENARIOS
from tests.prove.page import grid
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "operations" / "scale.md"
KEPT = PAGE.with_suffix(".json")
SECONDS = (0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 45, 59)
TITLES = {
    "polling": "Servers that answer an empty claim at once (base, prismq-client)",
    "waiting": "Servers that hold an empty claim open (the embedded TaskManager)",
}
HEAD = """\
<!-- Written by `python -m tests.bench fleet --write` from scale.json; a test holds it to that. -->
# Scale: what a fleet asks of its server

Workers that poll cost their server requests, whether or not there is work. How many, and how soon a task is found all
the same, is decided by a few rules (`prismq_worker_sdk/decide/claims.py` and `backoff.py`):

- **After work**, a worker without a task asks again within 0.1 s, then after three times as long with each empty
  answer, up to `--poll-interval` (10 s), the longest idle wait. One that has just started waits like an idle one: only
  work is a reason to expect more of it soon.
- **Every wait is spread** by chance over its second half, waits on the server too: workers that started together do not
  ask together for ever.
- **A failure makes nobody ask sooner.** A server that is away is tried after 0.2 s, doubling up to 30 s, a quarter of
  it certain; an idle worker waits at least as long as it would have anyway.
- **`Retry-After` is the least wait**: for claims, for the whole line of reports, and while the server is looked for at
  the start. The fleet comes back spread over as long again, but no more than 10 s or a tenth of what was asked for,
  whichever is longer. A server that asks for no wait at all (`Retry-After: 0`) is tried less and less often.
- **One request for many tasks** where the server can: reports, renewals and the next claim go in one call.

To size a server: idle workers send `workers / (0.75 * poll interval)` requests a second to either kind. Where one
request carries one task, each task costs two more (a claim and a report), and a worker that runs out of tasks up to
five empty claims before it is idle again; where one carries many, one or less. If that is too much, raise
`--poll-interval`: on a server that holds claims open it delays no task; on one that does not, it is the longest wait
for a task.

## How far a TaskManager goes, and what comes after

- **One process on SQLite**: its one writer and the syncs of its disk decide. `python -m tests.bench replicas` says how
  many tasks a second that is on your machine, beside two replicas on MariaDB. Take it until you want to lose a machine
  without losing the service, or until its processor is busy all day.
- **Replicas on one MariaDB or MySQL**: each brings processors for HTTP and JSON, all share the writes of the database.
  Add one while replicas are busy and the database is not; they agree by the database alone.
- **After that**: TaskManagers of their own for task types of their own. Workers, keys, limits and schedules belong to
  one.
"""
SIMULATED = """\
## {workers:,} workers, simulated

{slots} slots each, poll interval {poll_interval:.0f} s, tasks of up to 20 s, 2.5 ms to the server and 2.5 ms back. The
simulation runs the product's own rules for every worker and every request, on a clock of its own; sockets, machines
and the server's own time are not in it.

*Highest*: the busiest second from the moment that is looked at; in brackets, how many seconds after it that was, and
the busiest tenth of a second, times ten. *Refused*: requests that met a 503. *Pickup*: from the moment that a task is
there until it is handed out, median / 99 of 100; for one that *any* worker may take, and for one that *one* alone may.
"""


def write(found):
    """Keeps the figures, and writes the page."""
    KEPT.write_text(json.dumps(found) + "\n", "utf-8")
    PAGE.write_text(rendered(), "utf-8")


def rendered():
    """The page as the kept figures have it."""
    found = json.loads(KEPT.read_text("utf-8"))
    parts = [HEAD, SIMULATED.format(**found)]
    for kind, scenarios in found["servers"].items():
        parts += [
            f"### {TITLES[kind]}\n",
            table(scenarios) + "\n",
            "Requests in each second:\n",
            course(scenarios) + "\n",
        ]
    return "\n".join(parts)


def table(scenarios):
    """One line for each scenario."""
    head = (
        "",
        "before, requests/s",
        "highest",
        "at rest again",
        "refused",
        "all answered after",
        "pickup: any",
        "one",
    )
    return grid(head, [_line(name, scenarios[name]) for name in SCENARIOS if name in scenarios])


def _line(name, found):
    highest = f"{found['highest']:,} ({found['highest_after']} s; {found['tenth'] * 10:,})"
    answered = found["all_answered"]
    return (
        name,
        found["before"],
        highest,
        found["at_rest"],
        found["refused"],
        "-" if answered is None else f"{answered:.1f} s",
        _waits(found["pickup"]),
        _waits(found["own_pickup"]),
    )


def _waits(pair):
    return (
        "-"
        if pair is None
        else " / ".join(f"{wait:.1f} s" if wait >= 0.1 else f"{wait * 1000:.1f} ms" for wait in pair)
    )


def course(scenarios):
    """How the requests of a second go on after the moment that is looked at."""
    rows = [
        (name, *(found["each_second"][second] for second in SECONDS))
        for name, found in scenarios.items()
        if len(found["each_second"]) > SECONDS[-1]
    ]
    return grid(("second", *map(str, SECONDS)), rows)
