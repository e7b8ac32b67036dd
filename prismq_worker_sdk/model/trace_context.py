"""Where a task stands in a trace: W3C Trace Context, read by its rules; what is malformed counts as absent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(
    r"[ \t]*((?:[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])[ \t]*"
)

LONGEST_PARENT = 512
"""Characters that are looked at; a later version may be longer than ours, which has 55."""

MOST_MEMBERS, LONGEST_STATE, LONG_MEMBER = 32, 512, 128
"""Of `tracestate`: members, characters that are passed on, and those from which on a member goes first."""

LARGEST_STATE = 32 * 1024
"""Characters that are looked at; no valid one has more."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The span that what comes next belongs to.

    Attributes:
        parent: `traceparent`, of version 00.
        state: `tracestate`, at most 512 characters; "" for none.
    """

    parent: str
    state: str = ""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.parent[3:35]

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return self.parent[36:52]

    def text(self) -> str:
        """The same as one text, to be stored."""
        return f"{self.parent} {self.state}".rstrip()

    @classmethod
    def parse(cls, text: str) -> TraceContext | None:
        """What was stored so; None where it cannot be read."""
        parent, _, state = text.partition(" ")
        return cls.read(parent, state)

    @classmethod
    def read(cls, parent: Any, state: Any = None) -> TraceContext | None:
        """What came from outside; None without a valid `traceparent`, and then `tracestate` counts for nothing."""
        known = _parent(parent)
        return None if known is None else cls(known, _state(state))


def _parent(given: Any) -> str | None:
    found = _PARENT.fullmatch(given) if isinstance(given, str) and len(given) <= LONGEST_PARENT else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if (
        version == "ff"
        or (version == "00" and more is not None)
        or not int(trace_id, 16)
        or not int(span_id, 16)
    ):
        return None
    return f"00-{trace_id}-{span_id}-{int(flags, 16) & 3:02x}"  # sampled, and random: no other flag is known


def _state(given: Any) -> str:
    """The members, as many as may be passed on: the long ones go first, then the last ones."""
    if not isinstance(given, str) or len(given) > LARGEST_STATE:
        return ""
    read = [_MEMBER.fullmatch(one) for one in given.split(",") if one.strip(" \t")]
    members = [one[1] for one in read if one is not None]
    keys = {one.partition("=")[0] for one in members}
    if len(members) != len(read) or len(keys) != len(members) or len(members) > MOST_MEMBERS:
        return ""  # one fault makes the whole of it worth nothing
    if _length(members) > LONGEST_STATE:
        for long in reversed([one for one in members if len(one) > LONG_MEMBER]):
            if _length(members) > LONGEST_STATE:
                members.remove(long)
    while _length(members) > LONGEST_STATE:
        members.pop()
    return ",".join(members)


def _length(members: list[str]) -> int:
    return sum(map(len, members)) + len(members) - 1
