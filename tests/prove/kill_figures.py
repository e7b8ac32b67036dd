"""What the parts of a proof with kills add up to, what of that did not hold, and its tables."""

from collections import Counter

from tests.prove.page import grid
from tests.prove.reruns import REASONS, UNEXPLAINED

SUMS = (
    "tasks",
    "right",
    "failed",
    "wrong",
    "unfinished",
    "completed_twice",
    "children",
    "children_lost",
    "children_twice",
    "with_parts",
    "followers_lost",
    "followers_twice",
    "followers_wrong",
    "limited_claims",
    "at_the_limit",
    "too_many_at_once",
    "too_many_in_a_period",
    "ends_changed",
    "claims",
    "claims_open",
    "runs",
    "tasks_again",
    "twice_under_one_claim",
    "at_once_in_one_worker",
    "kills",
    "kills_left",
    "kills_starting",
    "cuts",
    "server_kills",
    "workers",
    "books_off",
)
COUNTS = ("ends", "worker_ends", "left", "faults")


def figures(results):
    """One entry for each server."""
    found = {}
    for server in dict.fromkeys(result["server"] for result in results):
        mine = [result for result in results if result["server"] == server]
        again = Counter()
        for result in mine:
            again.update({(reason, learned): number for reason, learned, number in result["again"]})
        found[server] = {
            "parts": len(mine),
            **{name: sum(result[name] for result in mine) for name in SUMS},
            **{name: dict(sum((Counter(result[name]) for result in mine), Counter())) for name in COUNTS},
            "again": [[*key, number] for key, number in sorted(again.items())],
        }
    return found


def failures(found):
    return [sentence for server, one in found.items() for sentence in _failures(server, one)]


def _failures(server, one):
    wrong = {
        "unfinished": "tasks were lost: they never ended",
        "wrong": "tasks completed with a wrong result",
        "failed": "tasks failed, though none had used up its attempts",
        "completed_twice": "tasks had two accepted results",
        "children_lost": "tasks completed without the child that they submitted",
        "children_twice": "tasks completed with a child too many",
        "followers_lost": "tasks with parts have none that follows them",
        "followers_twice": "tasks with parts have more than one that follows them",
        "followers_wrong": "tasks that follow parts were told wrong counts of them",
        "too_many_at_once": "claims were beyond what a limit allows at once",
        "too_many_in_a_period": "claims were beyond what a limit allows in a period",
        "ends_changed": "ends of claims or tasks were changed afterwards",
        "claims_open": "claims have no end on the server",
        "twice_under_one_claim": "runs were not under a claim of their own",
        "at_once_in_one_worker": "handlers ran twice at once in one worker",
        "kills_left": "kills were not carried out",
        "books_off": "workers had sums that are off",
    }
    for name, text in wrong.items():
        if one[name]:
            yield f"{server}: {one[name]} {text}"
    for name, number in one["left"].items():
        if number:
            yield f"{server}: {number} {name} were left in the state folder"
    for reason, learned, number in one["again"]:
        if reason == UNEXPLAINED:
            yield f"{server}: {number} handlers ran again for no known reason (the claim ended as {learned})"
    for end, number in one["worker_ends"].items():
        if end not in {"0", "75", "1, a disturbed answer at its start"}:
            yield f"{server}: {number} workers ended with {end}"


def table(found):
    servers = list(found)
    return "\n\n".join([_counts(found, servers), _reruns(found, servers), _ends(found, servers)])


def _counts(found, servers):
    rows = [
        ("tasks", "tasks"),
        ("… completed with the right result", "right"),
        ("… failed", "failed"),
        ("… lost (no end)", "unfinished"),
        ("… with two accepted results", "completed_twice"),
        ("child tasks created by completions", "children"),
        ("… missing", "children_lost"),
        ("… created twice", "children_twice"),
        ("tasks with two parts and one that follows them", "with_parts"),
        ("… that does not", "followers_lost"),
        ("… that does so twice", "followers_twice"),
        ("… with wrong counts", "followers_wrong"),
        ("claims under a limit of the fleet", "limited_claims"),
        ("… that took the last place at once", "at_the_limit"),
        ("… beyond it", "too_many_at_once"),
        ("… beyond what it has in a period", "too_many_in_a_period"),
        ("workers killed", "kills"),
        ("… while they started", "kills_starting"),
        ("the network was away for 6.5 s", "cuts"),
        ("servers killed and started again", "server_kills"),
        ("worker processes in all", "workers"),
        ("claims on the server", "claims"),
        ("… without exactly one end", "claims_open"),
        ("ends changed afterwards", "ends_changed"),
        ("handler runs", "runs"),
        ("… beyond one for each claim", "twice_under_one_claim"),
        ("workers whose sums were off", "books_off"),
    ]
    lines = [(text, *(found[server].get(name) for server in servers)) for text, name in rows]
    disturbed = [
        sum(number for kind, number in found[server]["faults"].items() if kind != "passed")
        for server in servers
    ]
    return grid(("", *servers), [*lines, ("requests disturbed", *disturbed)])


def _reruns(found, servers):
    keys = {(reason, learned) for server in servers for reason, learned, _ in found[server]["again"]}
    rows = [
        (reason, LEARNED[learned], *(_number(found[server]["again"], reason, learned) for server in servers))
        for reason, learned in sorted(keys, key=_place)
    ]
    rows.append(
        ("the tasks that ran more than once", "", *(found[server]["tasks_again"] for server in servers))
    )
    return grid(("A handler ran again because", "and the server learned by", *servers), rows)


def _place(key):
    reason, learned = key
    return (REASONS.index(reason) if reason in REASONS else len(REASONS), reason, learned)


LEARNED = {
    "failed": "the next start's report of the crash",
    "expired": "the end of the claim's time",
    "released": "the worker, which gave it back",
    "completed": "the report",
    "None": "nothing",
    "no claim": "nothing: no claim",
}


def _number(again, reason, learned):
    return next((number for why, how, number in again if (why, how) == (reason, learned)), 0)


def _ends(found, servers):
    ends = dict.fromkeys(end for server in servers for end in found[server]["worker_ends"])
    rows = [(end, *(found[server]["worker_ends"].get(end, 0) for server in servers)) for end in sorted(ends)]
    return grid(("Exit code of the workers that were not killed", *servers), rows)
