"""Bad days to order: Google's refusals, damaged answers, and cut or slow connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from prismq_youtube_shorts.sandbox.calls import CALLS
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Body, refusal

__all__ = ["EDITS", "FAULTS", "RAW", "REFUSALS", "WIRE", "FaultPlan", "refusal"]

RAW: dict[str, tuple[int, str, bytes]] = {
    "html_502": (502, "text/html", b"<!DOCTYPE html><html><title>Error 502</title>That's an error.</html>"),
    "html_403": (403, "text/html", b"<html><body>Blocked by the proxy of this network</body></html>"),
    "html_200": (200, "text/html", b"<html><body>Please log in to the network</body></html>"),
    "moved": (302, "text/html", b"<html>Moved</html>"),
    "not_utf8": (200, "application/json", b'{"items": ["\xff\xfe"]}'),
    "odd_types": (200, "application/json", b'{"items": "none today"}'),
}
"""Whole answers by name: status, content type, body."""

EDITS: dict[str, Callable[[Body], Body]] = {
    "no_items": lambda body: {name: value for name, value in body.items() if name != "items"},
    "empty_page": lambda body: {**body, "items": []},
    "trickle": lambda body: body,
}
"""Faults that leave a good answer, by name, with what they make of its body; a trickle is merely slow."""

WIRE = frozenset({"reset", "hang_up", "truncated", "stall"})
"""What ends the connection: RST, closed without an answer, half a body, silence."""

FAULTS: tuple[str, ...] = tuple(sorted({*REFUSALS, *RAW, *EDITS, *WIRE}))
"""The names of all faults."""


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
        """Let this fault happen.

        Args:
            name: One of FAULTS.
            call: The name of the call that it befalls; "" for any.
            times: How often; None for always.
            after: How many such calls it lets pass first.

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

    def take(self, call: str) -> str | None:
        """The fault that this call meets, None for none."""
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
        return None
