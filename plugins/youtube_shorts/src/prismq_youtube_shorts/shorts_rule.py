"""Is this video a Short? Pure rule over what one videos.list answer tells.

YouTube has no field and no filter for Shorts. What is known: a Short is square or vertical and lasts
at most 180 s when it was published on or after 2024-10-15, at most 60 s before.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from prismq_worker_sdk.compat import UTC, StrEnum
from prismq_youtube_shorts.resources import UPRIGHT, Video

THREE_MINUTES_FROM = datetime(2024, 10, 15, tzinfo=UTC)
LIMIT_SECONDS = 180
EARLIER_LIMIT_SECONDS = 60
ROUNDING_SECONDS = 1
"""The API rounds a duration up to whole seconds: a Short of 60.4 s reads as 61."""
SQUARE_TOLERANCE = 1.01
"""Player sizes are scaled and rounded: 1 % wider than high still counts as square."""


class ShortsCheck(StrEnum):
    """What can be said of a video."""

    VERIFIED = "verified"
    NOT_A_SHORT = "not_a_short"
    UNVERIFIED = "unverified"
    """Nothing speaks against it, but its length, its shape or its age is not told."""


def check(video: Video) -> ShortsCheck:
    """Whether the video is a Short, is none, or cannot be told."""
    shape, seconds = _shape(video), video.seconds
    # a stream or a premiere, upcoming, on air or over; what lasts no time is one, or is still processed
    stream = video.live is not None or video.broadcast in {"live", "upcoming"} or seconds == 0
    if stream or shape is ShortsCheck.NOT_A_SHORT:
        return ShortsCheck.NOT_A_SHORT
    if seconds is None:
        return ShortsCheck.UNVERIFIED
    if seconds > LIMIT_SECONDS + ROUNDING_SECONDS:
        return ShortsCheck.NOT_A_SHORT
    if seconds <= EARLIER_LIMIT_SECONDS + ROUNDING_SECONDS:
        return shape
    if video.published is None:
        return ShortsCheck.UNVERIFIED
    return shape if video.published >= THREE_MINUTES_FROM else ShortsCheck.NOT_A_SHORT


def aspect_ratio(width: int | None, height: int | None) -> str | None:
    """The ratio as people write it, `9:16` for 1080 x 1920; None when a side is unknown."""
    if not width or not height:
        return None
    ratio = Fraction(width, height)
    ratio = ratio.limit_denominator(20) or ratio
    return f"{ratio.numerator}:{ratio.denominator}"


def _shape(video: Video) -> ShortsCheck:
    if UPRIGHT in video.thumbnails:
        return ShortsCheck.VERIFIED
    if not video.width or not video.height:
        return ShortsCheck.UNVERIFIED
    fits = video.width <= video.height * SQUARE_TOLERANCE
    return ShortsCheck.VERIFIED if fits else ShortsCheck.NOT_A_SHORT
