"""What is left of something that an outside service gives out by the day or the hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of something that an outside service gives out.

    Attributes:
        name: What is counted, for people: `search calls`.
        used: How much of it is used up, as far as is known here.
        limit: How much there is until `resets_at`.
        resets_at: When it is given anew, with time zone; None when nobody knows.
        blocked: Why nothing of it can be had now, "" when it can.
    """

    name: str
    used: int
    limit: int
    resets_at: datetime | None = None
    blocked: str = ""

    @property
    def left(self) -> int:
        """How much may still be used; 0 while it is blocked."""
        return 0 if self.blocked else max(0, self.limit - self.used)
