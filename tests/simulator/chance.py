"""Fault plans by chance: a number gives a plan, always the same one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.simulator.plan import (
    Cancelled,
    Crash,
    Cut,
    Dialect,
    Disturbed,
    End,
    Fate,
    Fault,
    FullDisk,
    HalfFailure,
    How,
    Jump,
    Outage,
    Place,
    Plan,
    Refusal,
    Sort,
    Steered,
    Stop,
    Suspend,
    Unready,
    Work,
)

HORIZON = 40.0
"""Seconds in which things go wrong."""

PAUSES = 15.0
"""Seconds in which a type pauses and resumes."""

WAVES = 6.0
"""Seconds in which the waves of short tasks come."""

EXACT = ("stops", "lost claims")
"""Themes in which no task may lose an attempt."""

LONG = 12.0
"""Seconds of a handler that may reach its time limit."""

MANY = 100
"""Attempts that are never used up."""

FEW = 3
"""Attempts of a task that always fails: a type full of tasks that fail pauses for longer than a plan takes."""

SOME, MOST = 0.3, 0.8
FATES: tuple[Fate, ...] = ("", "refused", "poison", "unreadable")
ENDS: tuple[End, ...] = ("complete", "flaky", "defer", "unavailable", "permanent", "error", "kill")
PLACES: tuple[Place, ...] = ("step", "before", "after")
SORTS: tuple[Sort, ...] = ("report", "claim", "renew")
DISTURBANCES: tuple[How, ...] = (
    "refused", "lost", "unanswered", "unanswered", "late", "twice", "slow", "500", "500 after", "busy", "html",
    "redirect", "key", "gone",
)  # fmt: skip
UNANSWERED: tuple[How, ...] = ("unanswered", "500 after", "lost")
DIALECTS: tuple[Dialect, ...] = ("exchange", "exchange", "base")
THEMES = (
    "anything",
    "anything",
    "anything",
    "network",
    "crashes",
    "stops",
    "partitions",
    "lost claims",
    "outages",
    "sleeps",
    "cancels",
    "stuck",
    "pauses",
    "broken",
)


def random_plan(seed: int, dialect: Dialect | None = None) -> Plan:
    """The plan of a number.

    Args:
        dialect: Left to the number unless given.
    """
    rng = Random(seed)
    found: Dialect = rng.choice(DIALECTS)
    chosen = dialect or found
    workers = rng.choice((1, 2, 2, 3, 3, 4, 5))
    theme = rng.choice(THEMES)
    works = tuple(_work(rng, chosen, theme) for _ in range(rng.randint(1, 8)))
    if theme == "stuck":  # one report that does not pass, among others that do
        works = (replace(works[0], seconds=0.3, end="complete", fate="poison", max_attempts=3), *works)
    if theme == "pauses":  # tasks come while the worker waits for them, and while what it waits for changes
        works = tuple(replace(work, at=PAUSES * rng.random(), gated=rng.random() < SOME) for work in works)
    if theme == "broken":  # a handler that fails whatever it is given, one task after the other
        works = tuple(_broken(rng) for _ in range(8))
    plan = Plan(
        seed=seed,
        dialect=chosen,
        workers=workers,
        slots=rng.randint(1, 4),
        works=works,
        faults=(*_faults(rng, theme, workers, len(works)), *_halves(rng, chosen, theme)),
        hasty=rng.random() < SOME,
    )
    if chosen != "exchange":
        return plan
    plan = _hurried(rng, plan) if rng.random() < SOME / 2 else plan
    return _fleet(Random(f"fleet {seed}"), plan)


def _fleet(rng: Random, plan: Plan) -> Plan:
    """Now and then tasks follow the children of others, and handlers pause a limit that all tasks use."""
    if rng.random() > SOME:
        return plan

    def more(work: Work) -> Work:
        pauses = rng.choice((0.5, 2.0, 5.0)) if rng.random() < SOME else 0.0
        return replace(work, follower=rng.random() < SOME, pauses=pauses)

    return replace(plan, works=tuple(more(work) for work in plan.works))


def _hurried(rng: Random, plan: Plan) -> Plan:
    """Many short tasks at once, so that some are prefetched, and things that go wrong while they wait for a slot."""
    exact = rng.random() < SOME
    waves = [WAVES * rng.random() for _ in range(3)]

    def work() -> Work:
        seconds = rng.choices((0.01, 0.04, 0.4, 4.0), (10, 10, 2, 1))[0] * (0.5 + rng.random())
        end: End = "complete" if exact else rng.choices(("complete", "error", "unavailable"), (60, 1, 1))[0]
        return Work(
            seconds=seconds,
            end=end,
            obeys=rng.random() < MOST,
            max_attempts=1 if exact else FEW if end == "error" else MANY,
            at=rng.choice(waves),
            gated=rng.random() < SOME,
        )

    def when() -> float:
        return rng.choice(waves) + SOME * rng.random()

    def who() -> int:
        return rng.randrange(workers)

    workers, works = rng.choice((1, 2)), tuple(work() for _ in range(rng.randint(30, 60)))
    calm: list[Callable[[], Fault]] = [
        lambda: Stop(who(), when(), rng.choice((10.0, 25.0)), rng.choice((0.5, 5.0))),
        lambda: Disturbed(rng.randint(5, 60), rng.choice(UNANSWERED)),
        lambda: Unready(who(), when(), rng.choice((0.2, 2.0))),
        lambda: Steered(when(), rng.choice((0.2, 2.0))),
    ]
    rough: list[Callable[[], Fault]] = [
        lambda: Stop(who(), when(), rng.choice((0.0, 2.0)), rng.choice((0.5, 5.0))),
        lambda: Crash(who(), rng.choice(PLACES), rng.randint(20, 300), rng.choice((0.5, 25.0))),
        lambda: Cut(who(), when(), rng.choice((0.2, 1.0, 30.0))),
        lambda: Suspend(who(), when(), 25.0),
        lambda: FullDisk(who(), when(), rng.choice((0.2, 2.0))),
        lambda: Cancelled(rng.randrange(len(works)), when()),
        lambda: Disturbed(rng.randint(5, 60), rng.choice(DISTURBANCES)),
    ]
    makers = calm if exact else [*calm, *rough]
    faults = tuple(rng.choice(makers)() for _ in range(rng.randint(0, 6)))
    return replace(plan, workers=workers, slots=rng.choice((1, 2, 4)), works=works, faults=faults)


def _halves(rng: Random, dialect: Dialect, theme: str) -> list[Fault]:
    if dialect != "prismq-client" or theme in EXACT:
        return []
    return [HalfFailure(number) for number in range(1, 4) if rng.random() < SOME]


def _broken(rng: Random) -> Work:
    return Work(
        seconds=0.3 * rng.random(), end="error", max_attempts=rng.randint(1, 3), at=5.0 * rng.random()
    )


def _work(rng: Random, dialect: Dialect, theme: str) -> Work:
    return _exact_work(rng, dialect) if theme in EXACT else _any_work(rng, dialect)


def _exact_work(rng: Random, dialect: Dialect) -> Work:
    """A task that must complete at its first attempt: nothing that goes wrong here may cost it one."""
    takes_back = dialect == "exchange"
    return Work(
        seconds=rng.choice((0.05, 0.3, 2.0, 8.0)) * (0.5 + rng.random()),
        end=rng.choice(("complete", "complete", "defer" if takes_back else "complete")),
        checkpoint=rng.random() < SOME,
        children=rng.choice((0, 0, 1)) if dialect != "base" else 0,
        max_attempts=1 if takes_back else MANY,
    )


def _any_work(rng: Random, dialect: Dialect) -> Work:
    fate = rng.choices(FATES, (100, 3, 2, 0 if dialect == "prismq-client" else 2))[0]
    end = rng.choices(ENDS, (60, 10, 10, 5, 5, 5, 5))[0] if not fate else "complete"
    length = rng.choice((0.05, 0.3, 1.0, 2.0, 8.0, 12.0, 20.0, 40.0))
    fails = bool(fate) or end in {"permanent", "error", "kill"} or length >= LONG
    return Work(
        seconds=length * (0.5 + rng.random()),
        end=end,
        obeys=rng.random() < MOST,
        checkpoint=rng.random() < SOME,
        children=rng.choice((0, 0, 0, 1, 2)) if dialect != "base" else 0,
        max_attempts=rng.randint(1, 3) if fails else MANY,
        fate=fate,
    )


def _faults(rng: Random, theme: str, workers: int, works: int) -> list[Fault]:
    def when() -> float:
        return rng.random() * HORIZON

    def who() -> int:
        return rng.randrange(workers)

    def disturbed() -> Fault:
        return Disturbed(rng.randint(1, 12 * works + 20), rng.choice(DISTURBANCES))

    def unanswered() -> Fault:
        return Disturbed(rng.randint(1, 6 * works + 6), rng.choice(UNANSWERED))

    def crash() -> Fault:
        return Crash(who(), rng.choice(PLACES), rng.randint(1, 20 * works + 10), rng.choice((0.5, 3.0, 25.0)))

    def stop() -> Fault:
        return Stop(who(), when(), rng.choice((0.0, 2.0, 10.0, 25.0)), rng.choice((0.5, 5.0, 30.0)))

    def calm_stop() -> Fault:
        return Stop(who(), when(), rng.choice((10.0, 25.0)), rng.choice((0.5, 5.0, 30.0)))

    makers: dict[str, list[Callable[[], Fault]]] = {
        "network": [disturbed],
        "crashes": [crash],
        "stops": [calm_stop],
        "lost claims": [unanswered],
        "partitions": [
            lambda: Cut(who(), when(), rng.choice((1.0, 10.0, 30.0, 90.0))),
            lambda: Outage(when(), rng.choice((1.0, 10.0, 60.0))),
            lambda: Refusal(rng.choice(("report", "claim", "renew")), when(), rng.choice((5.0, 30.0, 90.0))),
            lambda: Suspend(who(), when(), rng.choice((2.0, 15.0, 60.0))),
        ],
        "outages": [lambda: Outage(when(), rng.choice((5.0, 15.0, 20.0, 30.0)))],
        "sleeps": [lambda: Suspend(who(), when(), rng.choice((5.0, 20.0, 25.0, 60.0)))],
        "pauses": [lambda: Unready(who(), PAUSES * rng.random(), rng.choice((0.2, 0.5, 2.0)))],
        "stuck": [lambda: Outage(1.0 + when() / 10, rng.choice((20.0, 60.0, 90.0)))],
        "cancels": [lambda: Cancelled(rng.randrange(works), when() / 2), calm_stop, stop],
        "rare": [
            lambda: Jump(who(), when(), rng.choice((-86400.0, -60.0, 30.0, 3600.0, 7 * 86400.0))),
            lambda: FullDisk(who(), when(), rng.choice((1.0, 10.0, 40.0))),
            lambda: Cancelled(rng.randrange(works), when()),
            lambda: Steered(when(), rng.choice((2.0, 20.0))),
            lambda: Unready(who(), when(), rng.choice((1.0, 10.0))),
        ],
    }
    sorts = (
        [theme]
        if theme in makers
        else ["network", "network", "crashes", "stops", "partitions", "rare", "rare"]
    )
    many = rng.choice((0, 1, 2, 3, 5, 8)) * {"network": 3, "lost claims": 3, "pauses": 8}.get(theme, 1)
    return [rng.choice(makers[rng.choice(sorts)])() for _ in range(many)]
