"""Bad days to order: Google's refusals, damaged answers, and cut or slow connections."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

Body = dict[str, Any]

CALLS = {
    "/youtube/v3/search": "search",
    "/youtube/v3/videos": "videos",
    "/youtube/v3/videos:batchGetStats": "batchGetStats",
    "/youtube/v3/channels": "channels",
    "/youtube/v3/playlistItems": "playlistItems",
}
"""The name of a call, under which it is counted and disturbed, by its path."""
ERRORS: dict[str, tuple[int, Body]] = json.loads(
    files(__package__).joinpath("errors.json").read_text("utf-8")
)
"""Google's refusals by name: status and body."""
RAW: dict[str, tuple[int, str, bytes]] = {
    "html_502": (502, "text/html", b"<!DOCTYPE html><html><title>Error 502</title>That's an error.</html>"),
    "html_403": (403, "text/html", b"<html><body>Blocked by the proxy of this network</body></html>"),
    "html_200": (200, "text/html", b"<html><body>Please log in to the network</body></html>"),
    "moved": (302, "text/html", b"<html>Moved</html>"),
    "not_utf8": (200, "application/json", b'{"items": ["\xff\xfe"]}'),
    "odd_types": (200, "application/json", b'{"items": "none today"}'),
}
"""Answers of somebody else by name: status, content type, body."""
EDITS: dict[str, Callable[[Body], Body]] = {
    "no_items": lambda body: {name: value for name, value in body.items() if name != "items"},
    "empty_page": lambda body: {**body, "items": []},
    "trickle": lambda body: body,
}
"""What a fault makes of a good answer, by name; a trickle is merely slow."""
WIRE = ("hang_up", "reset", "stall", "truncated")
"""What ends the connection: closed without an answer, RST, silence, half a body."""
FAULTS: tuple[str, ...] = tuple(sorted((*ERRORS, *RAW, *EDITS, *WIRE)))


@dataclass(slots=True)
class _Planned:
    name: str
    call: str
    left: int | None
    spared: int


class FaultPlan:
    """Faults in waiting, oldest first; safe to share between threads."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
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
        with self._lock:
            self._planned.append(_Planned(name, call, times, after))

    def clear(self) -> None:
        """Nothing more goes wrong."""
        with self._lock:
            self._planned.clear()

    def take(self, call: str) -> str:
        """The fault that this call meets, "" for none."""
        with self._lock:
            for planned in self._planned:
                if planned.call not in {"", call} or planned.left == 0:
                    continue
                if planned.spared:
                    planned.spared -= 1
                    continue
                if planned.left is not None:
                    planned.left -= 1
                return planned.name
        return ""
