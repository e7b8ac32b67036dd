"""The invented catalogue: made from a seed, labelled in every title, and as untidy as the real one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.sandbox.entry import LABEL, THREE_MINUTES_FROM, USUAL_THUMBNAILS, Entry

__all__ = ["invent"]

STARTS = datetime(2021, 1, 1, tzinfo=UTC)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)
RECENT = timedelta(days=14)
RECENT_SHARE = 0.3
LEAST_AGE = timedelta(days=30)
"""So long at least before `until` the three-minute Shorts have existed, whatever clock is given."""
CHANNELS_PER_TOPIC = 4
MOST_VIEWS = 50_000_000

TOPICS = {
    "cooking": ("26", "cooking tips", "quick pasta & sauce", "bread without kneading", "one-pan dinner"),
    "fitness": ("17", "morning workout", "plank challenge", "stretching at the desk", "10k steps"),
    "travel": ("19", "packing tricks", "night train diary", "hidden beaches", "city in 24 hours"),
    "science": ("28", "science experiment", "why ice floats", "space facts", "magnets & motion"),
    "startup": ("27", "startup ideas", "business lessons", "first customers", "founder's day"),
    "diy": ("26", "woodworking joint", "tiny home tour", "paint it right", "fix a bike"),
    "music": ("10", "guitar riff", "beat in a minute", "piano for beginners", "street music"),
    "pets": ("15", "funny cat", "puppy's first day", "parrot talks", "aquarium care"),
    "study": ("27", "language learning", "exam tips", "note taking", "memory trick"),
    "coding": ("28", "python tips", "git in a minute", "bug of the day", "keyboard shortcuts"),
    "gaming": ("20", "speedrun in a minute", "boss fight tips", "retro console", "level design"),
}
"""The category of each, and what its videos are about."""
LEADS = (
    "Don't miss this:",
    "Easy",
    "The best",
    "I tried",
    "Why everybody loves",
    "How to:",
    "3 minutes of",
    "My",
)
LANGUAGES = ("en", "en", "en", "en", "de", "es", "cs", "zh-Hans")


def invent(count: int = 400, *, seed: int = 2024, until: datetime = ENDS) -> tuple[Entry, ...]:
    """A catalogue: the same for the same seed; mostly Shorts, and everything that is taken for one.

    Args:
        count: Number of videos, 1 to 9999.
        seed: Any number.
        until: When the newest is published and all counters are true; many are of the two weeks before.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    maker = _Maker(dice, max(until, THREE_MINUTES_FROM + LEAST_AGE))
    makers, weights = list(_KINDS), list(_KINDS.values())
    return tuple(dice.choices(makers, weights)[0](maker, number) for number in range(1, count + 1))


class _Maker:
    """Makes one video after the other."""

    def __init__(self, dice: random.Random, until: datetime) -> None:
        self._dice = dice
        self._until = until

    def short(self, number: int) -> Entry:
        return self._entry(number, self._dice.choice((8, 15, 27, 45, 59, 60, 61, 75, 120, 179, 180)))

    def early_short(self, number: int) -> Entry:
        return self._entry(number, self._dice.randrange(5, 61), early=True)

    def early_but_too_long(self, number: int) -> Entry:
        return self._entry(number, self._dice.randrange(70, 180), early=True)

    def square(self, number: int) -> Entry:
        return self._entry(number, self._dice.randrange(5, 170), width=1080, height=1080)

    def own_thumbnail(self, number: int) -> Entry:
        return self._shapeless(number, short=True, thumbnails=(*USUAL_THUMBNAILS, "shortsAspectRatio"))

    def wide(self, number: int) -> Entry:
        return self._entry(number, self._dice.randrange(10, 230), width=1920, height=1080)

    def tall_but_too_long(self, number: int) -> Entry:
        return self._entry(number, self._dice.randrange(190, 239))

    def long(self, number: int) -> Entry:
        return self._entry(number, self._dice.choice((600, 3_600, 93_600)), width=1920, height=1080)

    def live(self, number: int) -> Entry:
        return self._entry(number, 0, duration="P0D", live=self._dice.choice(("live", "upcoming")))

    def in_processing(self, number: int) -> Entry:
        thumbnails = ("default",)
        return self._entry(number, 0, upload_status="uploaded", thumbnails=thumbnails, thumbnail_sizes=False)

    def shapeless(self, number: int) -> Entry:
        return self._shapeless(number, short=self._once_in(2))

    def bare(self, number: int) -> Entry:
        return self._entry(number, 30, duration=None, absent=("player", "statistics"), thumbnails=())

    def deleted(self, number: int) -> Entry:
        return self._entry(number, 30, deleted=True)

    def private(self, number: int) -> Entry:
        return self._entry(number, 30, privacy_status="private")

    def _shapeless(self, number: int, **traits: Any) -> Entry:
        return self._entry(number, self._dice.randrange(10, 170), width=0, height=0, **traits)

    def _entry(self, number: int, seconds: int, *, early: bool = False, **traits: Any) -> Entry:
        """A vertical video: a Short, if it lasts at most three minutes and is of the new time."""
        dice = self._dice
        topic, (category, *phrases) = dice.choice(list(TOPICS.items()))
        phrase, channel = dice.choice(phrases), dice.randrange(CHANNELS_PER_TOPIC)
        published = self._early() if early else self._late()
        entry = Entry(
            video_id=f"standin{number:04d}",
            title=f"{dice.choice(LEADS)} {phrase} {topic} {LABEL}",
            description=_description(topic, phrase),
            tags=(topic, *phrase.split(), "shorts")[: dice.choice((0, 2, 3, 9))],
            channel=f"Invented {topic} channel {channel}",
            channel_id=f"UCinvented{topic:0<10}{channel:04d}",
            category_id=category,
            published_at=_text(published),
            duration=_iso(seconds),
            seconds=seconds,
            seen_at=_text(self._until),
        )
        return replace(entry, **{**self._spoken(), **self._counted(published), **self._labels(), **traits})

    def _spoken(self) -> dict[str, Any]:
        language = self._dice.choice(LANGUAGES)
        told, heard = self._dice.choice((True, False)), self._dice.choice((True, False))
        return {
            "language": language,
            "default_language": language if told else None,
            "default_audio_language": language if heard else None,
        }

    def _counted(self, published: datetime) -> dict[str, Any]:
        """Few are watched by many; what is new still grows, what is old hardly does."""
        dice, age = self._dice, self._until - published
        hourly = dice.lognormvariate(3.0, 2.0)
        views = min(MOST_VIEWS, 50 + int(hourly * age.total_seconds() / 3_600))
        numbers = {"viewCount": views, "likeCount": views // 20, "commentCount": views // 400}
        hidden = dice.choices(("", "likeCount", "commentCount"), (8, 1, 1))[0]
        pace = dice.uniform(0.2, 1.5) if age < RECENT else dice.uniform(0.0, 0.1)
        return {
            "statistics": {name: str(count) for name, count in numbers.items() if name != hidden},
            "views_per_hour": round(hourly * pace, 2),
        }

    def _labels(self) -> dict[str, Any]:
        dice = self._dice
        return {
            "made_for_kids": self._once_in(20),
            "embeddable": not self._once_in(25),
            "contains_synthetic_media": dice.choices((None, False, True), (16, 3, 1))[0],
            "paid_placement": self._once_in(33),
            "age_restricted": self._once_in(50),
            "license": dice.choices(("youtube", "creativeCommon"), (19, 1))[0],
            "definition": dice.choices(("hd", "sd"), (19, 1))[0],
            "caption": self._once_in(5),
            "region_blocked": dice.choices(((), ("DE",), ("DE", "US")), (36, 2, 1))[0],
        }

    def _once_in(self, times: int) -> bool:
        return self._dice.randrange(times) == 0

    def _late(self) -> datetime:
        recent = self._dice.random() < RECENT_SHARE
        return self._day(self._until - RECENT if recent else THREE_MINUTES_FROM, self._until)

    def _early(self) -> datetime:
        return self._day(STARTS, THREE_MINUTES_FROM)

    def _day(self, first: datetime, last: datetime) -> datetime:
        return first + timedelta(seconds=self._dice.randrange(int((last - first).total_seconds())))


_KINDS: dict[Callable[[_Maker, int], Entry], int] = {
    _Maker.short: 50,
    _Maker.early_short: 8,
    _Maker.early_but_too_long: 4,
    _Maker.square: 3,
    _Maker.own_thumbnail: 3,
    _Maker.wide: 14,
    _Maker.tall_but_too_long: 4,
    _Maker.long: 5,
    _Maker.live: 2,
    _Maker.in_processing: 1,
    _Maker.shapeless: 3,
    _Maker.bare: 1,
    _Maker.deleted: 2,
    _Maker.private: 1,
}


def _description(topic: str, phrase: str) -> str:
    first = f"Invented by the stand-in of the YouTube Data API; there is no such video. {topic} " * 4
    return f"{first}\n{phrase} & more\n#{topic} #shorts"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(seconds: int) -> str:
    """As YouTube writes it: PT45S, PT1M, PT1M5S, PT1H, P1DT2H."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(
        f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if number
    )
    return f"P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}" if seconds else "PT0S"
