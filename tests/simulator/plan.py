"""Fault plans: what there is to do and what goes wrong, as data that can be stored, shrunk and replayed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, get_args

End: TypeAlias = Literal["complete", "flaky", "permanent", "error", "defer", "unavailable", "kill"]
Dialect: TypeAlias = Literal["base", "exchange", "prismq-client"]
Fate: TypeAlias = Literal["", "refused", "poison", "unreadable"]
Place: TypeAlias = Literal["step", "before", "after"]
Sort: TypeAlias = Literal["report", "claim", "renew"]
How: TypeAlias = Literal[
    "refused", "lost", "unanswered", "late", "twice", "slow", "500", "500 after", "busy", "html", "redirect", "key",
    "gone",
]  # fmt: skip
"""What can happen to one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One task, and how its handler goes.

    Attributes:
        seconds: How long the handler takes.
        end: `complete`; `flaky` fails at first and then completes; `defer` gives the task back once;
            `unavailable` does so too, and pauses its type; `permanent` and `error` fail; `kill` takes its worker down.
        obeys: Whether the handler ends when it is told to.
        checkpoint: Whether it stores one half-way.
        children: Tasks it submits; only where the server takes them.
        max_attempts: What the server allows it.
        at: When it is submitted, seconds.
        gated: Whether it is of the type whose handler is not always ready.
        follower: Whether a task is to follow its children.
        pauses: How long it pauses the limit that all tasks of a plan use, at its first begin, seconds.
        fate: `refused`: the server does not take its content; `poison`: every call with its result fails.
            `unreadable`: its params are none.
    """

    seconds: float = 0.1
    end: End = "complete"
    obeys: bool = True
    checkpoint: bool = False
    children: int = 0
    max_attempts: int = 100
    at: float = 0.0
    gated: bool = False
    follower: bool = False
    pauses: float = 0.0
    fate: Fate = ""


@dataclass(frozen=True, slots=True)
class Disturbed:
    """One request, the n-th of all, goes wrong."""

    kind: ClassVar[str] = "disturbed"
    request: int
    how: How


@dataclass(frozen=True, slots=True)
class Crash:
    """A worker's process ends at one point of its host's history: no more code of it runs.

    Attributes:
        place: The n-th step of a loop, or just before or after the n-th transaction.
        away: Seconds until it is started again, with a new id.
    """

    kind: ClassVar[str] = "crash"
    worker: int
    place: Place
    number: int
    away: float


@dataclass(frozen=True, slots=True)
class Cut:
    """No packet passes between a worker and the server."""

    kind: ClassVar[str] = "cut"
    worker: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Outage:
    """The server is down, and starts again."""

    kind: ClassVar[str] = "outage"
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server answers 500 to every call of one sort, as with a table that is locked."""

    kind: ClassVar[str] = "refusal"
    sort: Sort
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Suspend:
    """A worker's machine sleeps: its clock goes on, its code does not."""

    kind: ClassVar[str] = "suspend"
    worker: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Unready:
    """The handler of a worker's gated type says that it is not ready."""

    kind: ClassVar[str] = "unready"
    worker: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Jump:
    """A worker's wall clock is set forwards or back."""

    kind: ClassVar[str] = "jump"
    worker: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """A worker is told to stop, and started again later, with a new id."""

    kind: ClassVar[str] = "stop"
    worker: int
    at: float
    grace: float
    away: float


@dataclass(frozen=True, slots=True)
class FullDisk:
    """A worker's disk takes nothing for a while."""

    kind: ClassVar[str] = "full disk"
    worker: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody cancels a task."""

    kind: ClassVar[str] = "cancelled"
    task: int
    at: float


@dataclass(frozen=True, slots=True)
class Steered:
    """Every worker is told to be quiet, and later to go on."""

    kind: ClassVar[str] = "steered"
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class HalfFailure:
    """The n-th failure with attempts left is stopped half-way on the server: its task is failed for good."""

    kind: ClassVar[str] = "half failure"
    number: int


Fault: TypeAlias = (
    Disturbed
    | Crash
    | Cut
    | Outage
    | Refusal
    | Suspend
    | Unready
    | Jump
    | Stop
    | FullDisk
    | Cancelled
    | Steered
    | HalfFailure
)
FAULTS: dict[str, type[Fault]] = {cls.kind: cls for cls in get_args(Fault)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of the simulator, whole; the same plan always goes the same way.

    Attributes:
        seed: Of everything that is left to chance: latencies, the order of what happens at once.
        workers: Hosts, each with one worker process at a time.
        slots: Of each worker.
        works: The tasks.
        faults: What goes wrong.
        hasty: Whether the server takes a repeat that has ended a wait without work for a claim of its own.
        talks: Whether handlers log, and the server takes their lines.
    """

    seed: int
    dialect: Dialect = "exchange"
    workers: int = 2
    slots: int = 2
    works: tuple[Work, ...] = (Work(),)
    faults: tuple[Fault, ...] = ()
    hasty: bool = False
    talks: bool = False

    @property
    def fleet(self) -> bool:
        """Whether handlers use what a whole fleet has: tasks that follow others, and limits."""
        return any(work.follower or work.pauses for work in self.works)

    def task_id(self, number: int) -> str:
        """The id of a task of the plan; one dialect knows numbers only."""
        return str(number + 1) if self.dialect == "prismq-client" else f"task-{number}"

    @property
    def healed_at(self) -> float:
        """When the last task has come and the last fault that has a time is over, seconds."""
        ends = [
            getattr(fault, "at", 0.0) + (0.0 if isinstance(fault, Jump) else getattr(fault, "seconds", 0.0))
            for fault in self.faults
        ]
        ends += [work.at for work in self.works]
        return max(ends, default=0.0)

    def save(self, path: Path) -> None:
        """Writes it down, to be replayed."""
        path.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """As JSON."""
        whole = asdict(self)
        whole["faults"] = [{"kind": fault.kind, **asdict(fault)} for fault in self.faults]
        whole["works"] = [_told(work) for work in self.works]
        return json.dumps(whole, indent=1)

    @classmethod
    def load(cls, path: Path) -> Plan:
        """One that was saved.

        Raises:
            ValueError: It is no plan.
        """
        return cls.parse(path.read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, text: str) -> Plan:
        """One from its JSON.

        Raises:
            ValueError: It is no plan.
        """
        try:
            whole = json.loads(text)
            whole["works"] = tuple(Work(**work) for work in whole["works"])
            whole["faults"] = tuple(_fault(fault) for fault in whole["faults"])
            return cls(**whole)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no fault plan: {error}") from None


def _fault(said: dict[str, Any]) -> Fault:
    return FAULTS[said.pop("kind")](**said)


def _told(work: Work) -> dict[str, Any]:
    """What differs from the usual."""
    usual = Work()
    return {
        field.name: getattr(work, field.name)
        for field in fields(Work)
        if getattr(work, field.name) != getattr(usual, field.name)
    }
