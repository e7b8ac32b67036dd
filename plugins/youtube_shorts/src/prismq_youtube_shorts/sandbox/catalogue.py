"""The invented catalogue: made from a seed, labelled in every title, and as untidy as the real one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

__all__ = ["Entry", "invent"]

LABEL = "[invented]"
STARTS = datetime(2021, 1, 1, tzinfo=UTC)
THREE_MINUTES_FROM = datetime(2024, 10, 15, tzinfo=UTC)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)
USUAL_THUMBNAILS = ("default", "medium", "high")

TOPICS = {
    "cooking": ("cooking tips", "quick pasta & sauce", "bread without kneading", "one-pan dinner"),
    "fitness": ("morning workout", "plank challenge", "stretching at the desk", "10k steps"),
    "travel": ("packing tricks", "night train diary", "hidden beaches", "city in 24 hours"),
    "science": ("science experiment", "why ice floats", "space facts", "magnets & motion"),
    "startup": ("startup ideas", "business lessons", "first customers", "founder's day"),
    "diy": ("woodworking joint", "tiny home tour", "paint it right", "fix a bike"),
    "music": ("guitar riff", "beat in a minute", "piano for beginners", "street music"),
    "pets": ("funny cat", "puppy's first day", "parrot talks", "aquarium care"),
    "study": ("language learning", "exam tips", "note taking", "memory trick"),
    "coding": ("python tips", "git in a minute", "bug of the day", "keyboard shortcuts"),
}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One video of the catalogue.

    Attributes:
        duration: ISO 8601, as the API would say it; None for absent.
        seconds: What the search filter `videoDuration` goes by.
        width: With `height`, the true size; 0 when the API would not tell.
        language: What `relevanceLanguage` goes by.
        live: `none`, `live` or `upcoming`.
        deleted: Still in the search index, gone from videos.list.
        absent: Parts that videos.list leaves out.
        thumbnails: Sizes that exist.
        statistics: As text, with whatever is hidden missing.
    """

    video_id: str
    title: str = f"A video {LABEL}"
    description: str = "Invented by the stand-in; there is no such video."
    channel: str = f"Somebody {LABEL}"
    channel_id: str = "UCinvented00000000000000"
    published_at: str = "2026-05-01T12:00:00Z"
    duration: str | None = "PT30S"
    seconds: int = 30
    width: int = 1080
    height: int = 1920
    language: str = "en"
    live: str = "none"
    upload_status: str = "processed"
    deleted: bool = False
    absent: tuple[str, ...] = ()
    thumbnails: tuple[str, ...] = USUAL_THUMBNAILS
    statistics: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> set[str]:
        """The words by which it is found."""
        return set(self.title.casefold().split())


def invent(count: int = 400, *, seed: int = 2024) -> tuple[Entry, ...]:
    """A catalogue: the same for the same seed; mostly Shorts, and everything that is taken for one.

    Args:
        count: Number of videos, 1 to 9999.
        seed: Any number.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    makers = list(_KINDS)
    weights = list(_KINDS.values())
    return tuple(dice.choices(makers, weights)[0](number, dice) for number in range(1, count + 1))


def _entry(number: int, dice: random.Random, seconds: int = 30) -> Entry:
    """A vertical video of the new time: a Short, if it lasts at most three minutes."""
    topic, phrases = dice.choice(list(TOPICS.items()))
    views = dice.randrange(50, 5_000_000)
    statistics = {"viewCount": views, "likeCount": views // 20, "commentCount": views // 400}
    hidden = dice.choices(("", "likeCount", "commentCount"), (8, 1, 1))[0]
    return Entry(
        video_id=f"standin{number:04d}",
        title=f"{dice.choice(LEADS)} {dice.choice(phrases)} {topic} {LABEL}",
        description=f"Invented by the stand-in of the YouTube Data API; there is no such video. {topic} " * 4,
        channel=f"Invented {topic} channel {number % 7}",
        channel_id=f"UCinvented{topic:0<10}{number % 7:04d}",
        published_at=_day(dice, THREE_MINUTES_FROM, ENDS),
        duration=_iso(seconds),
        seconds=seconds,
        language=dice.choice(LANGUAGES),
        statistics={name: str(count) for name, count in statistics.items() if name != hidden},
    )


def _short(number: int, dice: random.Random) -> Entry:
    return _entry(number, dice, dice.choice((8, 15, 27, 45, 59, 60, 61, 75, 120, 179, 180)))


def _early_short(number: int, dice: random.Random) -> Entry:
    entry = _entry(number, dice, dice.randrange(5, 61))
    return replace(entry, published_at=_day(dice, STARTS, THREE_MINUTES_FROM))


def _early_but_too_long(number: int, dice: random.Random) -> Entry:
    entry = _entry(number, dice, dice.randrange(70, 180))
    return replace(entry, published_at=_day(dice, STARTS, THREE_MINUTES_FROM))


def _square(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice, dice.randrange(5, 170)), width=1080, height=1080)


def _own_thumbnail(number: int, dice: random.Random) -> Entry:
    sizes = (*USUAL_THUMBNAILS, "shortsAspectRatio")
    return replace(_shapeless(number, dice), thumbnails=sizes)


def _wide(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice, dice.randrange(10, 230)), width=1920, height=1080)


def _tall_but_too_long(number: int, dice: random.Random) -> Entry:
    return _entry(number, dice, dice.randrange(190, 239))


def _long(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice, dice.choice((600, 3_600, 93_600))), width=1920, height=1080)


def _live(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice, 0), duration="P0D", live=dice.choice(("live", "upcoming")))


def _in_processing(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice, 0), upload_status="uploaded", thumbnails=("default",))


def _shapeless(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice, dice.randrange(10, 170)), width=0, height=0)


def _bare(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice), duration=None, absent=("player", "statistics"), thumbnails=())


def _deleted(number: int, dice: random.Random) -> Entry:
    return replace(_entry(number, dice), deleted=True)


_KINDS: dict[Callable[[int, random.Random], Entry], int] = {
    _short: 50,
    _early_short: 8,
    _early_but_too_long: 4,
    _square: 3,
    _own_thumbnail: 3,
    _wide: 14,
    _tall_but_too_long: 4,
    _long: 5,
    _live: 2,
    _in_processing: 1,
    _shapeless: 3,
    _bare: 1,
    _deleted: 2,
}


def _day(dice: random.Random, first: datetime, last: datetime) -> str:
    moment = first + timedelta(seconds=dice.randrange(int((last - first).total_seconds())))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(seconds: int) -> str:
    """As YouTube writes it: PT45S, PT1M, PT1M5S, PT1H, P1DT2H."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(
        f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if number
    )
    return f"P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}" if seconds else "PT0S"
