"""What a whole fleet has in common, counted: tasks that follow the parts of others, and a limit that parts use."""

import json
from collections import defaultdict
from dataclasses import dataclass, field

import requests

from tests.prove.handlers import LAST, PART

LIMIT = "prove-parts"
UNITS, PERIOD, AT_ONCE = 10, 2.0, 2

ENDED = f"""
SELECT count(*) FROM tasks WHERE status IN ('completed', 'failed') AND parent_id IS NULL AND type <> '{LAST}'
AND NOT EXISTS (SELECT 1 FROM tasks AS part WHERE part.parent_id = tasks.id AND part.type = '{PART}'
AND part.status IN ('pending', 'processing'))"""
"""How many tasks have ended, with all their parts."""

_LAST = f"SELECT params FROM tasks WHERE type = '{LAST}'"
_CLAIMS = f"""
SELECT claims.id, claims.task_id, claims.claimed_at FROM claims JOIN tasks ON tasks.id = claims.task_id
WHERE tasks.type = '{PART}' ORDER BY claims.claimed_at"""
_STEPS = """
SELECT what, ref FROM prove_audit WHERE what = 'claimed' OR (what = 'claim' AND old IS NULL) ORDER BY number"""
"""Claims that were made and that ended, in the order in which the database did so."""


@dataclass(frozen=True, slots=True)
class FleetRecords:
    """What a server has of it on record.

    Attributes:
        followers: Task → for each one that follows its parts: how many of these completed, how many failed.
        claimed: Instants of the claims of parts, seconds since 1970, sorted.
        running: How many parts were claimed at the same time, at each claim of one.
    """

    followers: dict = field(default_factory=dict)
    claimed: list = field(default_factory=list)
    running: list = field(default_factory=list)


def announce(url):
    """Makes the limit, and says that parts use it."""
    limit = {"units": UNITS, "period": PERIOD, "at_once": AT_ONCE}
    requests.put(f"{url}/limits/{LIMIT}", json=limit, timeout=60).raise_for_status()
    uses = {"limits": [{"key": LIMIT}]}
    requests.put(f"{url}/task-types/{PART}/limits", json=uses, timeout=60).raise_for_status()


def parts_of(n, rng):
    """The params of the parts of a task; one of every other task fails."""
    return [{"seconds": rng.uniform(0.0, 0.2), "fails": bool(n % 2 and k)} for k in range(2)]


def ends_of(parts):
    """How many of them complete, how many fail."""
    failed = sum(one["fails"] for one in parts)
    return len(parts) - failed, failed


def read(rows):
    """What is on record.

    Args:
        rows: Gives the rows of a query.
    """
    followers = defaultdict(list)
    for (params,) in rows(_LAST):
        counts = json.loads(params)["children"]
        followers[counts["parent_id"]].append((counts["completed"], counts["failed"]))
    claims = rows(_CLAIMS)
    steps = [(what, int(ref)) for what, ref in rows(_STEPS)]
    running = running_at_each({claim: task for claim, task, _at in claims}, steps)
    return FleetRecords(dict(followers), [at for _claim, _task, at in claims], running)


def running_at_each(tasks, steps):
    """How many tasks had an open claim, at each claim of one.

    Args:
        tasks: Claim → its task; other claims do not count.
        steps: Whether it was `claimed`, and the claim; one that ran out ends right after the next of its task is made.
    """
    found, open_claims = [], {}
    for what, claim in steps:
        task = tasks.get(claim)
        if task is None:
            continue
        if what == "claimed":
            open_claims[task] = claim
            found.append(len(open_claims))
        elif open_claims.get(task) == claim:
            del open_claims[task]
    return found


def most(instants, period):
    """How many of these sorted instants lie in one stretch of a period, where they are most."""
    found = first = 0
    for last, at in enumerate(instants):
        while at - instants[first] >= period:
            first += 1
        found = max(found, last - first + 1)
    return found


def found(expected, records):
    """What went right and wrong.

    Args:
        expected: Task that completed with parts → how many of these complete, how many fail.
    """
    following = [(ends, records.followers.get(task, [])) for task, ends in expected.items()]
    return {
        "with_parts": len(expected),
        "followers_lost": sum(not ones for _ends, ones in following),
        "followers_twice": sum(len(ones) > 1 for _ends, ones in following),
        "followers_wrong": sum(any(one != ends for one in ones) for ends, ones in following),
        "limited_claims": len(records.claimed),
        "at_the_limit": sum(number == AT_ONCE for number in records.running),
        "too_many_at_once": sum(number > AT_ONCE for number in records.running),
        "too_many_in_a_period": max(0, most(records.claimed, PERIOD) - UNITS),
    }
