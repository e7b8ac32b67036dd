"""Bad days to order: Google's refusals, answers of somebody else, and cut connections."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from importlib.resources import files
from itertools import chain, repeat
from typing import Any

Body = dict[str, Any]

CALLS = {
    f"/youtube/v3/{path}": path.rpartition(":")[2]
    for path in ("search", "videos", "videos:batchGetStats", "channels", "playlistItems")
}
"""The name of a call, under which it is counted and disturbed, by its path."""
ANSWERS: dict[str, tuple[int, Body | str]] = json.loads(
    files(__package__).joinpath("answers.json").read_text("utf-8")
)
"""By name: the status, and JSON or a text in Latin-1."""
WIRE = ("hang_up", "reset", "stall", "truncated")
"""What ends the connection: closed without an answer, RST, silence, half a body."""
FAULTS: tuple[str, ...] = tuple(sorted((*ANSWERS, *WIRE)))


class FaultPlan:
    """Faults in waiting, oldest first; safe to share between threads."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Iterator[str]]] = []
        self._lock = threading.Lock()

    def add(self, name: str, call: str = "", times: int | None = 1, *, after: int = 0) -> None:
        """Let this fault befall a call, "" for any, so many times, None for always, after some that pass.

        Raises:
            ValueError: There is no such fault or call.
        """
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
        if call not in {"", *CALLS.values()}:
            raise ValueError(f"a fault befalls one of {', '.join(CALLS.values())}, not {call!r}")
        names = repeat(name) if times is None else repeat(name, times)
        with self._lock:
            self._waiting.append((call, chain(repeat("", after), names)))

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self._waiting.clear()

    def take(self, call: str) -> str:
        """The fault that this call meets, "" for none."""
        with self._lock:
            due = (next(names, "") for of, names in self._waiting if of in {"", call})
            return next(filter(None, due), "")
