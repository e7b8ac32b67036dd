"""What a worker and a child process of it say to each other; plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.decide.exceptions import Told
from prismq_worker_sdk.handlers.reference import Reference
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.outcome import Child
from prismq_worker_sdk.model.task import Task


@dataclass(frozen=True, slots=True)
class Init:
    """To the child, first of all: what it is for.

    Attributes:
        settings: Of the plugins, by task type, pickled; they hold secrets.
        levels: Of the loggers, by name, "" for the root.
        lock: The descriptor of the state folder's lock; held while the child lives (R20).
    """

    references: tuple[Reference, ...]
    settings: Mapping[str, bytes] = field(repr=False)
    levels: Mapping[str, int]
    arguments: tuple[str, ...]
    lock: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """To the child: a task.

    Attributes:
        number: Tells this run from those before it in the same child.
        can: What the server at hand can do.
        report_memory: Whether the memory of the child is wanted at the end.
    """

    number: int
    task: Task
    checkpoint: str | None
    time_left: float
    stopping: bool
    can: Capabilities
    report_memory: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the child: the handler must end."""

    number: int
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """To the child: the time it has, or the life of the worker, changed."""

    number: int
    time_left: float
    stopping: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """To the child: its checkpoint is stored, or why not."""

    number: int
    trouble: str | None
    cancelled: CancelReason | None


@dataclass(frozen=True, slots=True)
class Shutdown:
    """To the child: tear down and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From the child: its handlers are loaded."""


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """From the child: its handlers cannot be loaded."""

    reason: str


@dataclass(frozen=True, slots=True)
class Begun:
    """From the child: it has got its task."""


@dataclass(frozen=True, slots=True)
class Logged:
    """From the child: a record for the log, not redacted yet."""

    logger: str
    level: int
    message: str
    created: float
    fields: Mapping[str, Any]
    trace: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """From the child: how far the work is."""

    percent: float
    message: str


@dataclass(frozen=True, slots=True)
class Store:
    """From the child: a checkpoint to be stored."""

    checkpoint: str


@dataclass(frozen=True, slots=True)
class SerializedException:
    """What a handler raised.

    Attributes:
        kind: The SDK's own exception that it is, "" for any other.
        name: The name of its type.
        trace: The whole traceback.
        values: What else the SDK's own exception carries.
        told: Its sentence, None where its text says all.
        frames: The traceback without the frames of the SDK.
    """

    kind: str
    name: str
    text: str
    trace: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    told: Told | None = None
    frames: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """From the child: the handler has ended.

    Attributes:
        result: JSON text, None when it raised.
        memory: Bytes that the child occupies, 0 when nobody asked.
        tainted: Whether the handler has taken what the next one would need: what is printed goes elsewhere, or no
            descriptor is left.
    """

    result: str | None
    failure: SerializedException | None
    children: tuple[Child, ...]
    memory: int = 0
    tainted: bool = False
