"""How a handler wants to be tried again inside one claim."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Tries inside one claim, after Transient only, with full jitter (R13).

    Attributes:
        max_attempts: Tries in all, 1 or more.
        initial: The longest first wait, seconds, more than 0.
        factor: How much longer the longest wait gets each time, 1 or more.
        ceiling: The longest wait, seconds, at least `initial`.

    Raises:
        ValueError: A value is out of its range.
    """

    max_attempts: int = 3
    initial: float = 0.5
    factor: float = 2.0
    ceiling: float = 30.0

    def __post_init__(self) -> None:
        ranges = {
            "max_attempts": (isinstance(self.max_attempts, int), 1, "a whole number, 1 or more"),
            "initial": (self.initial != 0, 0, "more than 0"),
            "factor": (True, 1, "1 or more"),
            "ceiling": (True, self.initial, f"at least initial ({self.initial})"),
        }
        for name, (fits, least, wanted) in ranges.items():
            value = getattr(self, name)
            if not (fits and _is_number(value) and value >= least):
                raise ValueError(f"RetryPolicy({name}={value!r}) must be {wanted}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
