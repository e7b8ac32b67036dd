"""How a handler wants to be tried again inside one claim."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RetryPolicy"]


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
            "max_attempts": (self.max_attempts >= 1, "1 or more"),
            "initial": (self.initial > 0, "more than 0"),
            "factor": (self.factor >= 1, "1 or more"),
            "ceiling": (self.ceiling >= self.initial, f"at least initial ({self.initial})"),
        }
        for name, (fits, wanted) in ranges.items():
            if not fits:
                raise ValueError(f"RetryPolicy({name}={getattr(self, name)!r}) must be {wanted}")
