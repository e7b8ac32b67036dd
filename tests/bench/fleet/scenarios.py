"""What happens to ten thousand workers, and the figures of it."""

from dataclasses import replace

from tests.bench.fleet.model import Fleet, Scenario
from tests.bench.fleet.server import POLLING, WAITING, Deployment

SERVERS = {"polling": POLLING, "waiting": WAITING}
WARM = 60.0
"""Seconds over which workers start where the start itself is not looked at."""

SMALL = {"rate": 3000.0, "patience": 1.0, "retry_after": 5.0}
SCENARIOS = {
    "idle": (90.0, Scenario(180.0, start_within=WARM, arrivals=10.0)),
    "a third of the slots busy": (90.0, Scenario(180.0, start_within=WARM, arrivals=1300.0)),
    "all busy, then no task is left": (None, Scenario(180.0, start_within=20.0, backlog=240_000)),
    "all start within a second": (0.0, Scenario(120.0)),
    "the same, 3,000 requests/s are taken": (0.0, Scenario(120.0, deployment=Deployment(**SMALL))),
    "the server restarts in a second": (
        121.0,
        Scenario(240.0, start_within=WARM, deployment=Deployment(away=((120.0, 121.0),))),
    ),
    "the server was away for ten minutes": (
        720.0,
        Scenario(840.0, start_within=WARM, deployment=Deployment(away=((120.0, 720.0),))),
    ),
}
"""What happens → from when on it is looked at (None: when the backlog is empty), and the scenario."""


def measured(workers=10_000, names=SCENARIOS):
    """The figures of all scenarios on both kinds of servers."""
    return {
        "workers": workers,
        "poll_interval": Scenario(0.0).poll_interval,
        "slots": Scenario(0.0).slots,
        "servers": {kind: {name: one(kind, name, workers) for name in names} for kind in SERVERS},
    }


def one(kind, name, workers):
    """The figures of one scenario; its tasks grow with the fleet."""
    since, scenario = SCENARIOS[name]
    share = workers / scenario.workers
    there = scenario.deployment
    fleet = Fleet(
        replace(
            scenario,
            workers=workers,
            backlog=int(scenario.backlog * share),
            arrivals=scenario.arrivals * share,
            deployment=replace(there, can=SERVERS[kind], rate=there.rate * share),
        )
    ).run()
    return figures(fleet, fleet.dry_at if since is None else since)


def figures(fleet, since):
    """What is shown of a fleet that has run, from one moment on."""
    first, last = int(since), int(fleet.scenario.seconds)
    each = [sum(fleet.requests[10 * second + tenth] for tenth in range(10)) for second in range(last)]
    after = each[first:]
    since_start = since == 0.0 or any(since == end for _begin, end in fleet.scenario.deployment.away)
    return {
        "before": round(sum(each[first - 10 : first]) / 10) if first >= 10 else None,
        "each_second": after[:60],
        "highest": max(after),
        "highest_after": after.index(max(after)),
        "tenth": max(count for tenth, count in fleet.requests.items() if tenth >= 10 * first),
        "at_rest": round(sum(after[-30:]) / 30),
        "refused": fleet.refused,
        "all_answered": round(max(fleet.served_at.values()) - since, 1) if since_start else None,
        "pickup": spread(fleet.pickups, since),
        "own_pickup": spread(fleet.own, since),
    }


def spread(waits, since):
    """The median and the 99th of a hundred, seconds; None without any."""
    found = sorted(wait for came, wait in waits if came >= since)
    return [round(found[int(len(found) * part)], 4) for part in (0.5, 0.99)] if found else None
