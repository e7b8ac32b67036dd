"""The invented catalogue: made from a seed, labelled in every title, and as untidy as the real one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prismq_worker_sdk.compat import UTC

Resource = dict[str, Any]

FIRST, THREE_MINUTES_FROM = datetime(2021, 1, 1, tzinfo=UTC), datetime(2024, 10, 15, tzinfo=UTC)
RECENT = timedelta(days=14)
TOPICS = {
    "cooking": ("26", "cooking tips", "quick pasta & sauce", "bread without kneading", "one-pan dinner"),
    "fitness": ("17", "morning workout", "plank challenge", "stretching at the desk", "10k steps"),
    "travel": ("19", "packing tricks", "night train diary", "hidden beaches", "city in 24 hours"),
    "science": ("28", "science experiment", "why ice floats", "space facts", "magnets & motion"),
    "startup": ("27", "startup ideas", "business lessons", "first customers", "founder's day"),
    "music": ("10", "guitar riff", "beat in a minute", "piano for beginners", "street music"),
    "pets": ("15", "funny cat", "puppy's first day", "parrot talks", "aquarium care"),
    "gaming": ("20", "speedrun in a minute", "boss fight tips", "retro console", "level design"),
}
"""The category of each, and what its videos are about."""
LEADS = ("Don't miss this:", "Easy", "The best", "I tried", "How to:", "3 minutes of", "My")
LANGUAGES = ("en", "en", "en", "en", "de", "es", "cs", "zh-Hans")
TALL, SQUARE, WIDE = (1080, 1920), (1080, 1080), (1920, 1080)
USUAL = ("default", "medium", "high")
EARLY: Resource = {"early": True}
_KINDS: tuple[tuple[int, Sequence[int], tuple[int, int] | None, Resource], ...] = (
    (50, (8, 15, 27, 45, 59, 60, 61, 75, 120, 179, 180), TALL, {}),
    (8, range(5, 61), TALL, EARLY),
    (4, range(70, 180), TALL, EARLY),
    (3, range(5, 170), SQUARE, {}),
    (3, range(10, 170), None, {"sizes": (*USUAL, "shortsAspectRatio")}),
    (14, range(10, 230), WIDE, {}),
    (4, range(190, 239), TALL, {}),
    (5, (600, 3_600, 93_600), WIDE, {}),
    (2, (0,), TALL, {"snippet": {"liveBroadcastContent": "live"}, "liveStreamingDetails": {}}),
    (1, (20,), TALL, {"liveStreamingDetails": {"actualStartTime": "2026-01-01T00:00:00Z"}}),
    (1, (0,), TALL, {"status": {"uploadStatus": "uploaded"}}),
    (3, range(10, 170), None, {}),
    (1, (30,), TALL, {"sizes": (), **dict.fromkeys(("player", "statistics", "contentDetails"))}),
    (2, (30,), TALL, {"deleted": True}),
    (1, (30,), TALL, {"status": {"privacyStatus": "private"}}),
)
"""How many in a hundred, how long, in which shape, and what else is odd: in its parts, None where one is missing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One video: what videos.list tells of it, and what YouTube keeps to itself.

    Attributes:
        resource: As Google writes it, but for the player's size.
        size: True width and height; None when the API would not tell.
        seconds: What the search filter `videoDuration` goes by.
        language: What `relevanceLanguage` goes by.
        deleted: Still in the search index, gone from everywhere else.
        views_per_hour: What `viewCount` grows by, by the stand-in's clock, from when it was made.
    """

    resource: Resource
    size: tuple[int, int] | None = TALL
    seconds: int = 30
    language: str = "en"
    deleted: bool = False
    views_per_hour: float = 0.0

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.resource["id"])

    def of(self, part: str, name: str, default: Any = "") -> Any:
        """What one of its parts says."""
        return self.resource.get(part, {}).get(name, default)

    @property
    def words(self) -> frozenset[str]:
        """The words by which it is found."""
        told = (self.of("snippet", "title"), *self.of("snippet", "tags", ()))
        return frozenset(" ".join(told).casefold().split())


def fake_catalogue(count: int = 400, *, seed: int = 2024, until: datetime | None = None) -> tuple[Entry, ...]:
    """A catalogue: the same for the same seed; mostly Shorts, and everything that is taken for one.

    Args:
        count: Number of videos, 1 to 9999.
        until: When the newest is published, with time zone; many are of the two weeks before. Now unless given.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    newest = max(until or datetime.now(UTC), THREE_MINUTES_FROM + timedelta(days=30))
    kinds = rng.choices(_KINDS, [share for share, *_ in _KINDS], k=count)
    return tuple(
        _invented(rng, f"standin{number:04d}", newest, rng.choice(seconds), size, odd)
        for number, (_, seconds, size, odd) in enumerate(kinds, 1)
    )


def _invented(
    rng: random.Random,
    video_id: str,
    until: datetime,
    seconds: int,
    size: tuple[int, int] | None,
    odd: Mapping[str, Any],
) -> Entry:
    (topic, (category, *phrases)), language = rng.choice(list(TOPICS.items())), rng.choice(LANGUAGES)
    phrase, channel = rng.choice(phrases), rng.randrange(4)
    late = until - RECENT if rng.randrange(3) == 0 else THREE_MINUTES_FROM
    first, last = (FIRST, THREE_MINUTES_FROM) if "early" in odd else (late, until)
    published = first + timedelta(seconds=rng.randrange(int((last - first).total_seconds())))
    hourly = min(10_000, rng.lognormvariate(3.0, 2.0))  # few are watched by many
    views = 50 + int(hourly * (until - published).total_seconds() / 3_600)
    counts = {"viewCount": views, "likeCount": views // 20, "commentCount": views // 400}
    counts.pop(rng.choices(("", "likeCount", "commentCount"), (8, 1, 1))[0], None)
    parts: Resource = {
        "snippet": {
            "publishedAt": f"{published:%Y-%m-%dT%H:%M:%SZ}",
            "channelId": f"UCinvented{topic:0<10}{channel:04d}",
            "title": f"{rng.choice(LEADS)} {phrase} {topic} [invented]",
            "description": f"Invented by the stand-in of the YouTube Data API.\n{phrase} & more\n#{topic} #shorts",
            "thumbnails": thumbnails(video_id, odd.get("sizes", USUAL)),
            "channelTitle": f"Invented {topic} channel {channel}",
            "tags": [topic, *phrase.split(), "shorts"][: rng.choice((0, 2, 3, 9))],
            "categoryId": category,
            "liveBroadcastContent": "none",
            **({"defaultAudioLanguage": language} if rng.randrange(2) else {}),
        },
        "contentDetails": {
            "duration": f"PT{seconds}S",
            "definition": "sd" if rng.randrange(20) == 0 else "hd",
            "caption": "true" if rng.randrange(5) == 0 else "false",
            **({"regionRestriction": {"blocked": ["DE"]}} if rng.randrange(13) == 0 else {}),
        },
        "status": {
            "uploadStatus": "processed",
            "privacyStatus": "public",
            "license": "youtube",
            "embeddable": rng.randrange(25) != 0,
            "madeForKids": rng.randrange(20) == 0,
        },
        "statistics": {name: str(count) for name, count in counts.items()},
        "player": {},
    }
    for part in (*parts, "liveStreamingDetails"):
        own = odd.get(part, {})
        if own is None:
            del parts[part]
        elif part in odd:
            parts[part] = {**parts.get(part, {}), **own}
    resource = {"kind": "youtube#video", "id": video_id, **parts}
    return Entry(resource, size, seconds, language, "deleted" in odd, views_per_hour=hourly / 2)


def thumbnails(owner: str, sizes: Sequence[str] = USUAL) -> Resource:
    """The pictures of a video or a channel."""
    return {size: {"url": f"https://thumbnails.invalid/{owner}/{size}.jpg"} for size in sizes}
