"""When schedules fire: pure, by the instants that they are given. An instant is in seconds since 1970."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MISSED_AFTER = 60.0
"""Seconds after its time from which a firing is a missed one."""
MOST_MISSED = 100
"""Missed firings that are made up for at most, the latest ones."""
FIELDS = 5
_FIRST_REACH, _WIDER = 3600.0, 8.0
"""Seconds before the end that are looked through first for the latest firings, and how much more the next time."""


@dataclass(frozen=True, slots=True)
class Every:
    """Fires every so many seconds.

    Attributes:
        seconds: 1 or more.
        base: One of its firings.
    """

    seconds: float
    base: float

    def after(self, at: float) -> Iterator[float]:
        """Its firings after an instant."""
        count = math.floor((at - self.base) / self.seconds)
        while True:
            if (found := self.base + count * self.seconds) > at:
                yield found
            count += 1


@dataclass(frozen=True, slots=True)
class Cron:
    """Fires at the times of a cron expression, on the clocks of a time zone.

    Raises:
        ValueError: It is no expression of five fields, its zone is not known here, or it never fires; says which.
    """

    text: str
    zone: str

    def __post_init__(self) -> None:
        zone = _zone(self.zone)
        try:
            if len(self.text.split()) != FIELDS:
                raise CronSimError("Wrong number of fields")  # it would take seconds as a sixth
            next(CronSim(self.text, datetime(2000, 1, 1, tzinfo=zone)))
        except CronSimError as error:
            raise ValueError(
                f"cron {self.text!r} cannot be read ({error}); write minute, hour, day of month, month and day "
                "of week, as in '30 3 * * *'"
            ) from None
        except StopIteration:
            raise ValueError(f"cron {self.text!r} never fires; look at its day and month") from None

    def after(self, at: float) -> Iterator[float]:
        """Its firings after an instant, each later than the one before.

        A time that a change of clocks leaves out is made up for right after it, and one that comes twice counts once,
        the first time; minutes or hours that begin with `*` follow the time that really passes.
        """
        for found in CronSim(self.text, datetime.fromtimestamp(at, _zone(self.zone))):
            instant = found.timestamp()
            if instant > at:  # within an hour that comes twice cronsim may go back to the first one
                yield instant
                at = instant


Timing = Every | Cron


def explained(cron: str) -> str:
    """A cron expression in words."""
    return CronSim(cron, datetime(2000, 1, 1)).explain()  # noqa: DTZ001 - words need no zone


def timing_of(cron: str | None, zone: str, every: float | None, base: float) -> Timing:
    """The timing that a schedule says.

    Args:
        base: A firing, from which every so many seconds are counted.

    Raises:
        ValueError: It says none, or both, or one that cannot be.
    """
    if (cron is None) == (every is None):
        raise ValueError("a schedule has either cron or every_seconds; give one of them")
    return Cron(cron, zone) if cron is not None else Every(every or 0.0, base)


def next_times(timing: Timing, at: float, number: int) -> list[float]:
    """The next firings after an instant, fewer where there are no more."""
    return list(islice(timing.after(at), number))


def to_make(timing: Timing, first: float, missed: str, now: float) -> list[float]:
    """The firings that are to be made now, oldest first.

    Args:
        first: The oldest that was not made; not after `now`.
        missed: `skip` makes the latest unless it is a missed one, `once` the latest, `all` the latest hundred.
    """
    found = latest(timing, first, now, MOST_MISSED if missed == "all" else 1)
    return [] if missed == "skip" and now - found[-1] > MISSED_AFTER else found


def latest(timing: Timing, first: float, until: float, most: int) -> list[float]:
    """The latest firings of those from `first` to `until`; there are hardly more looked through than found."""
    reach = _FIRST_REACH
    if isinstance(timing, Every):
        reach = max(reach, (most + 1) * timing.seconds)
    while True:
        start = until - reach
        found = deque[float]([first] if start <= first else [], maxlen=most)
        found.extend(takewhile(lambda at: at <= until, timing.after(max(start, first))))
        if start <= first or len(found) == most:
            return list(found)
        reach *= _WIDER


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"there is no time zone {name!r} here; write one as Europe/Berlin, or UTC") from None
