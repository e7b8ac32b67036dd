"""The line between a worker and a child process of it: what they say, whole values both ways, errors too."""

from __future__ import annotations

import pickle
import selectors
import socket
import struct
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.decide.exceptions import (
    Told,
    handler_trace,
    shown,
    tell,
    told_elsewhere,
    trace_elsewhere,
)
from prismq_worker_sdk.errors import (
    Defer,
    HandlerCrashed,
    InvalidParams,
    Permanent,
    TaskCancelled,
    Transient,
    Unavailable,
    UnfitResult,
)
from prismq_worker_sdk.handlers.reference import Reference
from prismq_worker_sdk.model.cancel import CancelReason
from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.outcome import Child
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.model.trace_context import TraceContext


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
        context: The span that the handler runs under.
    """

    number: int
    task: Task
    checkpoint: str | None
    time_left: float
    stopping: bool
    can: Capabilities
    report_memory: bool
    context: TraceContext | None = None


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
    context: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """From the child: how far the work is."""

    percent: float
    message: str


@dataclass(frozen=True, slots=True)
class PauseLimit:
    """From the child: a limit to be paused."""

    name: str
    seconds: float
    reason: str


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


HEAD = struct.Struct("!Q")
CHUNK = 256 * 1024
LARGEST = 1 << 30
"""Bytes; a head that announces more is none."""


class Channel:
    """Sends and receives values over a socket; sending is safe from any thread, receiving is for one.

    Values are pickled: both ends are the same program, and whoever could write into the socket could write
    into the process.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._sending = threading.Lock()
        self._received = bytearray()
        self._selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        self._selector.register(connected, selectors.EVENT_READ)

    def send(self, value: Any) -> None:
        """Sends a value.

        Raises:
            OSError: Nobody is at the other end any more.
        """
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._socket.sendall(HEAD.pack(len(data)) + data)

    def receive(self, seconds: float | None = None) -> Any:
        """The next value.

        Args:
            seconds: How long to wait for it, None for as long as it takes.

        Raises:
            TimeoutError: It has not come whole yet; what came is kept.
            EOFError: Nobody is at the other end any more.
            ValueError: What came is no value.
        """
        while not self._whole:
            if seconds is not None and not self._selector.select(seconds):
                raise TimeoutError
            try:
                data = self._socket.recv(CHUNK)
            except OSError:
                data = b""
            if not data:
                raise EOFError
            self._received += data
        size = self._size
        value = pickle.loads(memoryview(self._received)[HEAD.size : size].tobytes())  # noqa: S301 - see the class
        del self._received[:size]
        return value

    def close(self) -> None:
        """Ends the line."""
        self._selector.close()
        with suppress(OSError):
            self._socket.close()

    @property
    def _size(self) -> int:
        """Bytes of the next value, its head included."""
        return HEAD.size + int(HEAD.unpack_from(self._received)[0])

    @property
    def _whole(self) -> bool:
        if len(self._received) >= HEAD.size and self._size > LARGEST:
            raise ValueError("this is no value of ours")
        return len(self._received) >= HEAD.size and len(self._received) >= self._size


LONGEST_TRACE = 256 * 1024
OUT_OF_MEMORY = SerializedException("", MemoryError.__name__, "")
"""Made before it is needed: at that moment there is no room for it."""

CARRIED: dict[type[BaseException], tuple[str, ...]] = {
    Transient: ("retry_in",),
    Permanent: (),
    Defer: ("until", "retry_in", "or_pause"),
    Unavailable: ("retry_in",),
    InvalidParams: ("faults",),
    UnfitResult: (),
    TaskCancelled: ("reason",),
}
"""The SDK's own exceptions that mean something to the worker, and what they carry beside their text."""


class _Trace(Exception):  # noqa: N818 - it is shown as the cause of another one
    """The traceback of an exception in another process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def failure_of(error: BaseException) -> SerializedException:
    """An exception as values."""
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    kind = next((own for own in CARRIED if isinstance(error, own)), None)
    values = {} if kind is None else {name: getattr(error, name, None) for name in CARRIED[kind]}
    name = type(error).__name__
    return SerializedException(
        "" if kind is None else kind.__name__,
        name,
        shown(error),
        _trace(error),
        values,
        tell(error),
        handler_trace(error),
    )


def error_of(failure: SerializedException) -> BaseException:
    """The exception that these values were: of the same meaning, name, text and traceback."""
    error = _made(failure)
    if failure.told is not None:
        told_elsewhere(error, failure.told)
    trace_elsewhere(error, failure.frames)
    if failure.trace:
        error.__cause__ = _Trace(failure.trace)
    return error


def _made(failure: SerializedException) -> BaseException:
    text, values = failure.text, failure.values
    kind = next((own for own in CARRIED if own.__name__ == failure.kind), None)
    if kind is InvalidParams:
        return InvalidParams(values["faults"] or ())
    if kind is TaskCancelled:
        return TaskCancelled(values["reason"])
    if kind is not None:
        return kind(text, **values)
    if failure.name == MemoryError.__name__:
        return HandlerCrashed("out of memory", kind="out_of_memory")
    other: type[Exception] = type(failure.name, (Exception,), {"__module__": "builtins"})
    return other(text)


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[:LONGEST_TRACE]
    except Exception:  # noqa: BLE001 - an exception whose parts cannot be shown is named all the same
        return ""
