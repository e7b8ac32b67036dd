"""When an alert fires and is resolved: pure rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

EASE = 0.9
"""Below this part of its threshold a value counts as well again, so that one on the edge does not fire twice."""
DAY = 86400.0
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0

Phase = Literal["pending", "firing", "easing", "resolved"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule finds now.

    Attributes:
        holds: Whether it is worse than the rule allows.
        well: Whether it is well again; between the two nothing changes.
        value: The share, or seconds.
    """

    holds: bool
    well: bool
    value: float


@dataclass(frozen=True, slots=True)
class State:
    """Where an alert stands for a task type; without a state all is well.

    Attributes:
        since: When the phase began, seconds since 1970.
        fired_at: When it fired last.
    """

    phase: Phase
    since: float
    fired_at: float | None = None


def of_failures(completed: int, failed: int, share: float, least: int) -> Reading:
    """Of tasks that ended in the window: too large a share failed, and not just a few."""
    value = failed / (completed + failed) if failed else 0.0
    return Reading(value > share and failed >= least, value <= EASE * share or failed < least, value)


def of_age(value: float, seconds: float) -> Reading:
    """Of seconds that something has waited: too long."""
    return Reading(value > seconds, value <= EASE * seconds, value)


def of_claims(waited: float | None, unseen: float | None, seconds: float) -> Reading:
    """No worker: something waits, and nobody who claims it was seen.

    Args:
        waited: Seconds for which a task has waited, None when none does.
        unseen: Seconds since somebody was seen who claims it, None when nobody ever was.
    """
    if waited is None:
        return Reading(holds=False, well=True, value=0.0)
    value = waited if unseen is None else min(waited, unseen)
    return Reading(value > seconds, value <= seconds, value)


def step(state: State | None, reading: Reading, now: float, hold: float) -> tuple[State | None, bool]:
    """The state after a reading, and whether somebody is to be told.

    Args:
        hold: Seconds for which a reading must stay before an alert fires, or is resolved.
    """
    if state is None or state.phase == "resolved":
        return _turned(State("pending", now), now, hold) if reading.holds else (state, False)
    if state.phase == "pending":
        return _turned(state, now, hold) if reading.holds else (None, False)
    if not reading.well:
        return (replace(state, phase="firing") if state.phase == "easing" else state), False
    return _turned(state if state.phase == "easing" else replace(state, phase="easing", since=now), now, hold)


def next_pause(tries: int) -> float:
    """Seconds before the next try of a delivery that failed so often."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 3.0 ** min(tries - 1, 10))


def _turned(state: State, now: float, hold: float) -> tuple[State, bool]:
    """A pending or easing state, or what it turns into once it has stayed so long."""
    if now - state.since < hold:
        return state, False
    if state.phase == "pending":
        return State("firing", now, now), True
    return State("resolved", now, state.fired_at), True
