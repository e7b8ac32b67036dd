"""What one connection remembers of the server between two calls; lost in a crash without harm."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

__all__ = ["Session"]

MOST_CREATED = 10_000
MOST_NOTES = 1_000


@dataclass(slots=True)
class Session:
    """What one connection remembers of the server.

    Attributes:
        numbers: Type name → its number there.
        created: Children that were created for reports whose verdict has not come: parent's id and key.
        notes: What is to be told of a parent's children, until its report has its verdict.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    created: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    _last: str = ""

    def in_turn(self, types: tuple[str, ...]) -> tuple[str, ...]:
        """The types in the order in which they are asked for now: each is the first one once (one type a request)."""
        start = types.index(self._last) + 1 if self._last in types else 0
        return types[start:] + types[:start]

    def served(self, task_type: str) -> None:
        """A request for this type got its answer; the next call begins with the type after it."""
        self._last = task_type

    def forget_types(self) -> None:
        """The server was away, or a number meant something else: look them up again."""
        self.numbers.clear()

    def remember_child(self, parent_id: str, key: str) -> None:
        """A child of a report was created."""
        self.created[parent_id, key] = None
        if len(self.created) > MOST_CREATED:
            self.created.popitem(last=False)

    def note(self, parent_id: str, text: str) -> None:
        """Something is to be told together with the verdict of a report."""
        if text and len(self.notes) < MOST_NOTES:
            self.notes.setdefault(parent_id, []).append(text)

    def told(self, parent_id: str) -> str:
        """What is to be told now that a report has its verdict."""
        return "; ".join(self.notes.pop(parent_id, []))
