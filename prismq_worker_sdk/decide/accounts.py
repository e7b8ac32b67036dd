"""The two sums that must hold when a worker stops (R38)."""

from __future__ import annotations


def faults(*, claimed: int, ended: int, committed: int, recovered: int, gone: int) -> tuple[str, ...]:
    """The sums that are off, one sentence each; empty when both hold.

    Args:
        claimed: Claims taken.
        ended: Claims that have ended, however that was.
        committed: Outcomes that were stored, or were settled from memory.
        recovered: Reports of earlier processes.
        gone: Reports that have left the line, and those that wait in it still.
    """
    found = []
    if claimed != ended:
        found.append(f"claimed {claimed}, but {ended} claims ended")
    if committed + recovered != gone:
        found.append(f"committed {committed} and recovered {recovered}, but {gone} accounted for")
    return tuple(found)
