"""Derived metrics: figures of one Short among others, and what Shorts have in common; the formulas are on the README.

Developer Policies III.E.4.h let an API client make them, sums and counts over videos among them, only after an audit.
A figure is None when it cannot be told, never 0: a count that is hidden is no count of nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from statistics import median
from typing import Literal

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.cache import Snapshot
from prismq_youtube_shorts.resources import known_instant
from prismq_youtube_shorts.result import ChannelTotal, Derived, Lift, Short, TrendSummary, instant
from prismq_youtube_shorts.shorts_rule import LIMIT_SECONDS, ROUNDING_SECONDS
from prismq_youtube_shorts.tokens import keywords_of

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
MIN_PEERS, MAX_PEERS = 5, 30
MIN_SUBSCRIBERS = 1000
"""For a channel that is new, or hides its subscribers behind a 0, views per subscriber would tell nothing."""
MIN_VALUES = 5
MAD_TO_DEVIATION = 1.4826
"""Makes the median absolute deviation read as a standard deviation where values are normally distributed."""
Basis = Literal["channel_median", "subscribers"]
DIGITS = 4
MIN_SUPPORT = 3
"""Words of fewer Shorts are left out: their median is chance."""
MAX_WORDS, MAX_CHANNELS = 50, 10
UNKNOWN = "unknown"
DURATIONS = {
    "0-15": range(16),
    "16-30": range(16, 31),
    "31-60": range(31, 61),
    "61-180": range(61, LIMIT_SECONDS + ROUNDING_SECONDS + 1),
}
"""The last one takes 181 too: the API rounds up, and the Shorts rule lets it pass."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One Short as one look at `at` (with time zone) saw it; `texts_in` is the language of its title and tags."""

    short: Short
    at: datetime
    texts_in: str | None = None

    @property
    def video_id(self) -> str:
        """Its id."""
        return self.short.video_id

    @property
    def age_hours(self) -> float | None:
        """Hours since it was published, at least 1, also where that lies ahead; None when it is unknown."""
        return age_hours(known_instant(self.short.published_at), self.at)

    @property
    def views_per_hour(self) -> float | None:
        """Average over the whole life; None when it is unknown."""
        views, age = self.short.view_count, self.age_hours
        return None if views is None or age is None else views / age


Usual = tuple[Sequence[Measured], int | None]
"""What is usual in a channel: its other Shorts, and its subscribers where it shows them."""


def age_hours(published: datetime | None, at: datetime) -> float | None:
    """Hours from one instant to another, both with time zone, at least 1; None without the first."""
    return None if published is None else max(MIN_AGE_HOURS, _hours(published, at))


def _hours(start: datetime, end: datetime) -> float:
    # Within one time zone Python subtracts what the clocks on the wall show, an hour off where they were changed.
    return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds() / 3600


def velocity(m: Measured, earlier: Snapshot | None) -> float | None:
    """Views per hour between two looks; None when they are too close or too far, or were not counted alike."""
    views = m.short.view_count
    if earlier is None or earlier.video_id != m.video_id or views is None:
        return None
    hours = _hours(earlier.at, m.at)
    if not MIN_HOURS_BETWEEN <= hours <= MAX_HOURS_BETWEEN:
        return None
    changed = any(earlier.at < change <= m.at for change in COUNTING_CHANGED)
    return None if changed else (views - earlier.views) / hours


def engagement_rate(*, views: int | None, likes: int | None, comments: int | None) -> float | None:
    """(likes + comments) / views, percent; None when any is unknown or the views are 0."""
    return None if likes is None or comments is None else ratio(likes + comments, views)


def ratio(count: int | None, views: int | None) -> float | None:
    """The count for each hundred views; None when either is unknown or the views are 0."""
    return None if count is None or not views else 100 * count / views


def outlier_score(
    m: Measured, peers: Sequence[Measured], subscribers: int | None
) -> tuple[float, Basis] | None:
    """How far it stands out of its channel's other Shorts of similar age, else how many views its subscribers are.

    Peers may hold this video and other channels' too: they are passed over. Of a video given twice, the last.
    """
    similar = _rates_of_similar_age(m, peers)
    rate, views = m.views_per_hour, m.short.view_count
    usual = median(similar) if len(similar) >= MIN_PEERS else 0
    if rate is not None and usual > 0:
        return rate / usual, "channel_median"
    if views is None or subscribers is None:
        return None
    return views / max(subscribers, MIN_SUBSCRIBERS), "subscribers"


def _rates_of_similar_age(m: Measured, peers: Sequence[Measured]) -> list[float]:
    """Views per hour of its channel's other Shorts, the latest first."""
    age, channel = m.age_hours, m.short.channel_id
    if age is None or channel is None:
        return []
    aged = (
        (peer_age, rate)
        for peer in {peer.video_id: peer for peer in peers}.values()
        if peer.video_id != m.video_id and peer.short.channel_id == channel
        if (peer_age := peer.age_hours) is not None and (rate := peer.views_per_hour) is not None
        if age / SIMILAR_AGE <= peer_age <= age * SIMILAR_AGE
    )
    return [rate for _, rate in sorted(aged, key=itemgetter(0))[:MAX_PEERS]]


def robust_z(value: float | None, values: Sequence[float]) -> float | None:
    """Distance from the median in robust deviations, which one viral video does not move."""
    if value is None or len(values) < MIN_VALUES:
        return None
    middle = median(values)
    deviation = median(abs(each - middle) for each in values)
    return None if deviation == 0 else (value - middle) / (MAD_TO_DEVIATION * deviation)


def percentile(value: float | None, values: Sequence[float]) -> float | None:
    """Share of the others that lie below, percent; of `values` one that equals it is its own and no other."""
    if value is None:
        return None
    below = sum(each < value for each in values)
    itself = 1 if value in values else 0
    equal = sum(each == value for each in values) - itself
    others = len(values) - itself
    return 100 * (below + equal / 2) / others if others else None


def derived_of(
    videos: Sequence[Measured], earlier: Mapping[str, Snapshot | None], usual: Mapping[str, Usual]
) -> dict[str, Derived]:
    """What is derived about each video, by its id; `usual` is by the id of a channel."""
    rates = [rate for one in videos if (rate := one.views_per_hour) is not None]
    return {
        one.video_id: _derived(
            one, rates, earlier[one.video_id], usual.get(one.short.channel_id or "", ((), None))
        )
        for one in videos
    }


def _derived(one: Measured, rates: Sequence[float], earlier: Snapshot | None, usual: Usual) -> Derived:
    short, rate, speed = one.short, one.views_per_hour, velocity(one, earlier)
    views, likes, comments = short.view_count, short.like_count, short.comment_count
    score, basis = outlier_score(one, *usual) or (None, None)
    figures = {
        "age_hours": one.age_hours,
        "views_per_hour": rate,
        "velocity": speed,
        "engagement_rate": engagement_rate(views=views, likes=likes, comments=comments),
        "like_ratio": ratio(likes, views),
        "comment_ratio": ratio(comments, views),
        "outlier_score": score,
        "z_score": robust_z(rate, rates),
        "percentile": percentile(rate, rates),
    }
    return Derived(
        **{name: None if value is None else round(value, DIGITS) for name, value in figures.items()},
        velocity_since=None if speed is None or earlier is None else instant(earlier.at),
        outlier_basis=basis,
    )


def summary_of(videos: Sequence[Measured]) -> TrendSummary:
    """What the videos have in common; each counts as often as it is given."""
    published = (known_instant(video.short.published_at) for video in videos)
    hours = Counter(moment.astimezone(UTC).hour for moment in published if moment)
    lengths = [video.short.duration_seconds for video in videos]
    durations = {name: sum(length in span for length in lengths) for name, span in DURATIONS.items()}
    languages = Counter(video.short.language or UNKNOWN for video in videos)
    rates = {video.video_id: video.views_per_hour for video in videos}
    keywords = {
        video.video_id: keywords_of(video.short.title, video.short.tags, video.texts_in) for video in videos
    }
    return TrendSummary(
        keywords=lift(keywords, rates),
        hashtags=lift({video.video_id: video.short.hashtags for video in videos}, rates),
        publish_hours=tuple(hours[hour] for hour in range(24)),
        durations={**durations, UNKNOWN: len(videos) - sum(durations.values())},
        top_channels=_channels(videos),
        languages=dict(sorted(languages.items(), key=lambda counted: (-counted[1], counted[0]))),
    )


def lift(tokens_of: Mapping[str, Iterable[str]], rate_of: Mapping[str, float | None]) -> tuple[Lift, ...]:
    """The words that go with many views, highest lift first, then most support, then by the alphabet.

    Both are by video id; videos of unknown rate are passed over. Empty when the median of all is not above 0.
    """
    known = {video: rate for video, rate in rate_of.items() if rate is not None}
    overall = median(known.values()) if known else 0
    if overall <= 0:
        return ()
    rates_of: defaultdict[str, list[float]] = defaultdict(list)
    for video in tokens_of.keys() & known.keys():
        for token in set(tokens_of[video]):
            rates_of[token].append(known[video])
    lifts = sorted(
        (-median(rates) / overall, -len(rates), token)
        for token, rates in rates_of.items()
        if len(rates) >= MIN_SUPPORT
    )
    return tuple(
        Lift(
            token=token,
            support=-support,
            median_views_per_hour=round(-lifted * overall, DIGITS),
            lift=round(-lifted, DIGITS),
        )
        for lifted, support, token in lifts[:MAX_WORDS]
    )


def _channels(videos: Iterable[Measured]) -> tuple[ChannelTotal, ...]:
    """Most Shorts first, then most known views, then by id; without Shorts of unknown channel."""
    shorts_of: defaultdict[str, list[Short]] = defaultdict(list)
    for video in videos:
        if video.short.channel_id is not None:
            shorts_of[video.short.channel_id].append(video.short)
    totals = []
    for channel_id, shorts in shorts_of.items():
        views = [short.view_count for short in shorts if short.view_count is not None]
        title = next((short.channel for short in shorts if short.channel), "")
        total = sum(views) if views else None
        totals.append(ChannelTotal(channel_id=channel_id, channel=title, videos=len(shorts), views=total))
    totals.sort(key=lambda total: (-total.videos, -(total.views or 0), total.channel_id))
    return tuple(totals[:MAX_CHANNELS])
