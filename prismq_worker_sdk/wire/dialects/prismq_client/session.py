"""What the connections of a worker remember of the server between two calls; lost in a crash without harm."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from prismq_worker_sdk.model.protocol import Failure, Unreachable
from prismq_worker_sdk.wire.dialects.prismq_client.tasks import find_type, type_number
from prismq_worker_sdk.wire.messages import Steps

MAX_CREATED = 10_000
MAX_NOTES = 1_000

MAX_STREAK = 8
"""Tasks of one type in a row, before the type after it is asked first."""

MAX_EMPTY_ANSWERS = 50
"""Empty answers for a type in a row, after which its number is looked up again: an unknown one is answered alike."""


@dataclass(slots=True)
class Session:
    """What the connections of one worker remember of the server; may be used from any thread.

    Attributes:
        numbers: Type name → its number there.
        created: The children that were created last, so that a report that is sent again finds its own: parent and key.
        saw_half_failure: Whether a failure was done by half, or ended a task that was thought to have attempts left.
        notes: What is to be told of a parent's children, until its report has its verdict.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    created: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    saw_half_failure: bool = False
    _last: str = ""
    _streak: int = 0
    _empty: dict[str, int] = field(default_factory=dict)
    _lock: AbstractContextManager[object] = field(default_factory=threading.RLock, repr=False, compare=False)

    def number_of(self, name: str) -> Steps[int | Failure | None]:
        """The number of a type, None where the server does not know it, or a Failure."""
        known = self.numbers.get(name)
        if known is None:
            found = yield from find_type(name)
            if not isinstance(found, dict):
                return found
            known = type_number(found)
            if known is None:
                return Unreachable(f"the type {name} has no usable number there", maybe_seen=False)
            self.numbers[name] = known
        return known

    def in_turn(self, types: tuple[str, ...]) -> tuple[str, ...]:
        """The types in the order in which they are asked for now, one a request.

        A type that has work is asked again first, which saves requests, but not so often that others starve.
        """
        with self._lock:
            start = types.index(self._last) if self._last in types else 0
            if not 0 < self._streak < MAX_STREAK:
                start += self._last in types
        return types[start:] + types[:start]

    def served(self, task_type: str, *, with_work: bool) -> None:
        """A request for this type got its answer."""
        with self._lock:
            again = with_work and task_type == self._last and self._streak < MAX_STREAK
            self._streak = (self._streak if again else 0) + with_work
            self._last = task_type
            self._empty[task_type] = 0 if with_work else self._empty.get(task_type, 0) + 1
            if self._empty[task_type] >= MAX_EMPTY_ANSWERS:
                self._empty[task_type] = 0
                self.numbers.pop(task_type, None)

    def forget_types(self) -> None:
        """The server was away, or a number meant something else: look them up again."""
        self.numbers.clear()

    def remember_child(self, parent_id: str, key: str) -> None:
        """A child of a report was created."""
        with self._lock:
            self.created[parent_id, key] = None
            if len(self.created) > MAX_CREATED:
                self.created.popitem(last=False)

    def note(self, parent_id: str, text: str) -> None:
        """Something is to be told together with the verdict of a report."""
        if text and len(self.notes) < MAX_NOTES:
            self.notes.setdefault(parent_id, []).append(text)

    def take_notes(self, parent_id: str) -> str:
        """What is to be told of its children, now that a report has its verdict."""
        return "; ".join(self.notes.pop(parent_id, []))
