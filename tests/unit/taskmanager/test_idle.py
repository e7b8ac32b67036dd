"""Why a worker takes no task now: a table of cases."""

import pytest

from prismq_worker_sdk.taskmanager.idle import SILENT, Queue, Reason, Worker, why_idle

NOW = 10_000.0
A, B, C = "Test.A", "Test.B", "Test.C"
UNREADY = Reason("not ready: no licence")
OWN = Reason("paused by the worker (quota); ends", NOW + 60)
FLEET = Reason("paused for the whole fleet until it is resumed")
LIMIT = Reason("limit api is paused; ends", NOW + 30)


def said(reasons):
    return "; ".join(one.text if one.at is None else f"{one.text} {one.at - NOW:+.0f}" for one in reasons)


CASES = {
    "every slot runs a task": (
        {"slots": 2, "running": 2},
        Queue({A}),
        "",
    ),
    "it runs one, and its slots are not known": (
        {"running": 1},
        Queue(),
        "",
    ),
    "a slot is free and nothing waits": (
        {"slots": 2, "running": 1},
        Queue(),
        "no task of its types waits",
    ),
    "it has not called for long": (
        {"slots": 1, "running": 1, "last_seen": NOW - SILENT - 1},
        Queue({A}),
        "not heard of since -121",
    ),
    "it has not called since it was stopping": (
        {"state": "stopping", "last_seen": NOW - SILENT - 1},
        Queue(),
        "it stopped -121",
    ),
    "it is silent for less than that": (
        {"last_seen": NOW - SILENT},
        Queue(),
        "no task of its types waits",
    ),
    "it is stopping": (
        {"state": "stopping", "wanted": "terminate"},
        Queue({A}),
        "it is stopping",
    ),
    "it was told to end and has not heard it yet": (
        {"wanted": "terminate"},
        Queue({A}),
        "told to end",
    ),
    "it was told to be quiet, whatever it runs": (
        {"wanted": "quiet", "slots": 1, "running": 1},
        Queue({A}),
        "told to be quiet, until it is resumed",
    ),
    "its disk is full": (
        {"trouble": "the disk is full"},
        Queue({A}),
        "not ready: the disk is full",
    ),
    "it has never asked for a task": (
        {"types": ()},
        Queue(),
        "it has asked for no task yet",
    ),
    "its only type is not ready": (
        {"types": (A,), "closed": {A: UNREADY}},
        Queue({A}),
        "not ready: no licence",
    ),
    "all its types are not ready for the same reason": (
        {"types": (A, B), "closed": {A: UNREADY, B: UNREADY}},
        Queue(),
        "not ready: no licence",
    ),
    "its types are held up for different reasons": (
        {"types": (A, B), "closed": {A: OWN}},
        Queue({A, B}, {B: FLEET}),
        "Test.A: paused by the worker (quota); ends +60; Test.B: paused for the whole fleet until it is resumed",
    ),
    "its own reason comes before that of the fleet": (
        {"types": (A,), "closed": {A: UNREADY}},
        Queue({A}, {A: FLEET}),
        "not ready: no licence",
    ),
    "a limit holds up what waits": (
        {"types": (A,)},
        Queue({A}, {A: LIMIT}),
        "limit api is paused; ends +30",
    ),
    "what is held up is not what waits": (
        {"types": (A, B), "closed": {A: UNREADY}},
        Queue(),
        "no task of its types waits",
    ),
    "what waits is held up, and nothing else waits": (
        {"types": (A, B, C)},
        Queue({A, B}, {A: FLEET, B: FLEET}),
        "Test.A and 1 more: paused for the whole fleet until it is resumed; no task of its other types waits",
    ),
    "a task waits that it may have": (
        {"types": (A, B), "closed": {A: UNREADY}},
        Queue({A, B}),
        "a task of Test.B waits for its next call",
    ),
    "there are more reasons than can be told": (
        {
            "types": tuple(f"T.T{place}" for place in range(6)),
            "closed": {f"T.T{place}": Reason(f"why {place}") for place in range(6)},
        },
        Queue(),
        "T.T0: why 0; T.T1: why 1; T.T2: why 2; and 3 more types are held up",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_reason_is_said_when(case):
    known, queue, wanted = CASES[case]

    assert said(why_idle(Worker(**{"last_seen": NOW, "types": (A,), **known}), queue, NOW)) == wanted
