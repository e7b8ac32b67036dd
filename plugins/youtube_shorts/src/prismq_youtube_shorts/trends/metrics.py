"""Figures about one Short among others, worked out from counts that YouTube gave.

YouTube API Services Developer Policies III.E.4.h let an API client make new or derived metrics only after an
audit. Nothing here is YouTube's own figure: whoever shows one says so, and makes it only where it was asked for.

A figure is None when it cannot be told, never 0: a count that is hidden is no count of nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Literal

from prismq_worker_sdk.compat import UTC

__all__ = [
    "Measured",
    "Outlier",
    "Snapshot",
    "age_hours",
    "comment_ratio",
    "engagement_percent",
    "engagement_rate",
    "like_ratio",
    "outlier_score",
    "percentile",
    "robust_z",
    "velocity",
    "views_per_hour",
]

MIN_AGE_HOURS = 1.0
"""A video of some minutes counts as one hour old: a rate over less is mostly noise."""
MIN_HOURS_BETWEEN = 0.25
"""YouTube refreshes counts in steps of minutes: looks that are closer mostly see the same number twice."""
MAX_HOURS_BETWEEN = 30 * 24.0
"""Developer Policies III.E.4.d: what was fetched may be kept for 30 days."""
COUNTING_CHANGED = (datetime(2025, 3, 31, tzinfo=UTC), datetime(2026, 8, 27, tzinfo=UTC))
"""From these days on YouTube counts a view otherwise: a difference across one is no growth."""
SIMILAR_AGE = 4.0
"""Views come fast at first and slowly later, so rates compare only within a factor of this in age."""
MAX_PEERS = 30
MIN_PEERS = 5
MIN_SUBSCRIBERS = 1000
"""For a channel that is new, or hides its subscribers behind a 0, views per subscriber would tell nothing."""
MIN_VALUES = 5
MAD_TO_DEVIATION = 1.4826
"""Makes the median absolute deviation read as a standard deviation where values are normally distributed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One Short as one look saw it; None stands for what YouTube did not tell.

    Attributes:
        published: With time zone, as `measured_at`.
        language: As YouTube writes it, for example `en` or `pt-BR`.
        channel: Title of the channel.
        texts_in: The language of title and tags.
    """

    video_id: str
    channel_id: str | None
    published: datetime | None
    views: int | None
    likes: int | None
    comments: int | None
    measured_at: datetime
    duration_seconds: int | None = None
    title: str = ""
    tags: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    language: str | None = None
    channel: str = ""
    texts_in: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The views that a look at `at` (with time zone) saw."""

    video_id: str
    at: datetime
    views: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """How far a Short stands out of its channel.

    Attributes:
        score: 1 is usual, 3 is three times the usual; from 0 up.
        basis: What counted as usual.
        peers: Shorts of similar age that the channel had; below 5 they are too few to be the basis.
    """

    score: float
    basis: Literal["channel_median", "subscribers"]
    peers: int


def age_hours(m: Measured) -> float | None:
    """Hours since it was published: max(1, measured_at - published).

    From 1 up, also where `published` lies ahead (a premiere, a clock that is off). None when `published` is unknown.
    """
    return None if m.published is None else max(MIN_AGE_HOURS, _hours(m.published, m.measured_at))


def views_per_hour(m: Measured) -> float | None:
    """Average over the whole life: views / age_hours, in views per hour.

    From 0 up. None when the views or the time of publishing are unknown.
    """
    age = age_hours(m)
    return None if m.views is None or age is None else m.views / age


def velocity(m: Measured, earlier: Snapshot | None) -> float | None:
    """Growth between two looks: (views now - views before) / hours between, in views per hour.

    Any sign: YouTube takes back views that it no longer believes, and that is given as it is.
    None when the views are unknown or there is no earlier look at this video, when the looks lie less than
    15 minutes or more than 30 days apart, and when YouTube's way of counting changed between them.
    """
    if earlier is None or earlier.video_id != m.video_id or m.views is None:
        return None
    hours = _hours(earlier.at, m.measured_at)
    if not MIN_HOURS_BETWEEN <= hours <= MAX_HOURS_BETWEEN:
        return None
    if any(earlier.at < change <= m.measured_at for change in COUNTING_CHANGED):
        return None
    return (m.views - earlier.views) / hours


def engagement_rate(m: Measured) -> float | None:
    """Reactions for each hundred views: (likes + comments) / views * 100, in percent.

    From 0 up, above 100 where counts lag behind one another. Shares are not to be had by the API.
    None when any of the three is unknown or the views are 0.
    """
    return engagement_percent(views=m.views, likes=m.likes, comments=m.comments)


def engagement_percent(*, views: int | None, likes: int | None, comments: int | None) -> float | None:
    """The engagement rate of these three counts; see `engagement_rate`."""
    return None if likes is None or comments is None else _percent(likes + comments, views)


def like_ratio(m: Measured) -> float | None:
    """Likes for each hundred views: likes / views * 100, in percent.

    From 0 up. None when either is unknown (likes may be hidden) or the views are 0.
    """
    return _percent(m.likes, m.views)


def comment_ratio(m: Measured) -> float | None:
    """Comments for each hundred views: comments / views * 100, in percent.

    From 0 up. None when either is unknown (comments may be off) or the views are 0.
    """
    return _percent(m.comments, m.views)


def outlier_score(m: Measured, peers: Sequence[Measured], subscribers: int | None) -> Outlier | None:
    """How far it stands out: views_per_hour / median(views_per_hour of the channel's other Shorts of similar age).

    Of similar age are those between a quarter and four times as old, both included, the 30 latest at most. With
    fewer than 5, or with a median of 0: views / max(subscribers, 1000). A plain number, from 0 up.
    None when neither can be told: the views are unknown, or the usual is (too few peers, and no subscribers known).

    Args:
        peers: May hold this video and other channels' too: they are passed over. Of a video given twice, the last.
        subscribers: Of the channel; None when hidden or not asked for.
    """
    similar = _rates_of_similar_age(m, peers)
    rate = views_per_hour(m)
    usual = median(similar) if len(similar) >= MIN_PEERS else 0
    if rate is not None and usual > 0:
        return Outlier(rate / usual, "channel_median", len(similar))
    if m.views is None or subscribers is None:
        return None
    return Outlier(m.views / max(subscribers, MIN_SUBSCRIBERS), "subscribers", len(similar))


def robust_z(value: float | None, values: Sequence[float]) -> float | None:
    """Distance from the middle in robust deviations: (value - median) / (1.4826 * MAD).

    MAD is the median of the distances of `values` from their median, so that one viral video moves neither. A plain
    number of any sign. None when the value is unknown, with fewer than 5 values, and when MAD is 0.

    Args:
        values: The known ones of the whole set, this one's own among them.
    """
    if value is None or len(values) < MIN_VALUES:
        return None
    middle = median(values)
    deviation = median(abs(each - middle) for each in values)
    return None if deviation == 0 else (value - middle) / (MAD_TO_DEVIATION * deviation)


def percentile(value: float | None, values: Sequence[float]) -> float | None:
    """Share of the others that lie below, equal ones counted half: (below + equal / 2) / others * 100, in percent.

    From 0 (all others lie above) to 100 (all lie below). None when the value is unknown or there are no others.

    Args:
        values: The known ones of the whole set. One that equals `value` is its own and no other.
    """
    if value is None:
        return None
    below = sum(each < value for each in values)
    itself = 1 if value in values else 0
    equal = sum(each == value for each in values) - itself
    others = len(values) - itself
    return 100 * (below + equal / 2) / others if others else None


def _rates_of_similar_age(m: Measured, peers: Sequence[Measured]) -> list[float]:
    age = age_hours(m)
    if age is None or m.channel_id is None:
        return []
    rates: list[tuple[datetime, float]] = []
    for peer in {peer.video_id: peer for peer in peers}.values():
        if peer.video_id == m.video_id or peer.channel_id != m.channel_id or peer.published is None:
            continue
        peer_age, rate = age_hours(peer), views_per_hour(peer)
        if peer_age is None or rate is None:
            continue
        if age / SIMILAR_AGE <= peer_age <= age * SIMILAR_AGE:
            rates.append((peer.published, rate))
    latest_first = sorted(rates, key=lambda dated: dated[0], reverse=True)
    return [rate for _, rate in latest_first[:MAX_PEERS]]


def _hours(start: datetime, end: datetime) -> float:
    # Within one time zone Python subtracts what the clocks on the wall show, an hour off where they were changed.
    return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds() / 3600


def _percent(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole
