"""Is this video a Short? Pure rule over what one videos.list answer tells.

YouTube has no field and no filter for Shorts. What is known: a Short is square or vertical and lasts
at most 180 s when it was published on or after 2024-10-15, at most 60 s before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from prismq_worker_sdk.compat import UTC, StrEnum

THREE_MINUTES_FROM = datetime(2024, 10, 15, tzinfo=UTC)
LIMIT_SECONDS = 180
EARLIER_LIMIT_SECONDS = 60
ROUNDING_SECONDS = 1
"""The API rounds a duration up to whole seconds: a Short of 60.4 s reads as 61."""
SQUARE_TOLERANCE = 1.01
"""Player sizes are scaled and rounded: 1 % wider than high still counts as square."""

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})(?:\.\d+)?S)?)?"
)
_UNIT_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class ShortsCheck(StrEnum):
    """What can be said of a video."""

    VERIFIED = "verified"
    NOT_A_SHORT = "not_a_short"
    UNVERIFIED = "unverified"
    """Nothing speaks against it, but its length, its shape or its age is not told."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rule looks at; None is unknown.

    Attributes:
        duration: Whole seconds; 0 for a stream or a video that is still processed.
        live: A stream or a premiere: upcoming, on air, or over.
        width: Of the embedded player, at its true ratio.
        shorts_thumbnail: Whether it carries a 9:16 thumbnail, which Shorts alone have.
    """

    duration: int | None
    published: datetime | None
    live: bool = False
    width: int | None = None
    height: int | None = None
    shorts_thumbnail: bool = False


def check(video: Traits) -> ShortsCheck:
    """Whether the video is a Short, is none, or cannot be told."""
    shape = _shape(video)
    if video.live or video.duration == 0 or shape is ShortsCheck.NOT_A_SHORT:
        return ShortsCheck.NOT_A_SHORT
    if video.duration is None:
        return ShortsCheck.UNVERIFIED
    if video.duration > LIMIT_SECONDS + ROUNDING_SECONDS:
        return ShortsCheck.NOT_A_SHORT
    if video.duration <= EARLIER_LIMIT_SECONDS + ROUNDING_SECONDS:
        return shape
    if video.published is None:
        return ShortsCheck.UNVERIFIED
    return shape if video.published >= THREE_MINUTES_FROM else ShortsCheck.NOT_A_SHORT


def duration_seconds(text: str | None) -> int | None:
    """Whole seconds of an ISO 8601 duration (`PT1M5S`, `P1DT2H`); None for none or for no duration."""
    match = _DURATION.fullmatch(text or "")
    if match is None:
        return None
    return sum(int(number) * _UNIT_SECONDS[unit] for unit, number in match.groupdict(default="0").items())


def aspect_ratio(width: int | None, height: int | None) -> str | None:
    """The ratio as people write it, `9:16` for 1080 x 1920; None when a side is unknown."""
    if not width or not height:
        return None
    ratio = Fraction(width, height)
    ratio = ratio.limit_denominator(20) or ratio
    return f"{ratio.numerator}:{ratio.denominator}"


def _shape(video: Traits) -> ShortsCheck:
    if video.shorts_thumbnail:
        return ShortsCheck.VERIFIED
    if not video.width or not video.height:
        return ShortsCheck.UNVERIFIED
    fits = video.width <= video.height * SQUARE_TOLERANCE
    return ShortsCheck.VERIFIED if fits else ShortsCheck.NOT_A_SHORT
