"""Finds Shorts in the pages of a search: stops as soon as there are enough, keeps what it has when trouble comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prismq_worker_sdk import TaskContext
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.calls import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, MinuteLimitReached, PageTokenRefused
from prismq_youtube_shorts.result import ChannelInfo, SearchStats, Short, StopReason
from prismq_youtube_shorts.search import ReadPage
from prismq_youtube_shorts.shorts_rule import ShortsCheck, check

__all__ = ["Checked", "Found", "find_shorts", "reason_of", "with_channels"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A video and what the Shorts rule says of it; None for one that cannot be watched.

    Attributes:
        video: None where YouTube does not know it.
        rank: Its place among all videos that YouTube gave, from 1.
        looked_at: When its statistics were read, with time zone.
        read_at: When the oldest part of it was.
    """

    video_id: str
    rank: int
    video: Video | None
    check: ShortsCheck | None
    looked_at: datetime
    read_at: datetime


@dataclass(slots=True)
class Found:
    """What a search has found so far.

    Attributes:
        region: Where the Shorts must be watchable; None for anywhere.
        stop: Why it ended.
        partial: Whether trouble kept something out.
    """

    region: str | None = None
    pages: list[ReadPage] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    stop: StopReason = "exhausted"
    partial: bool = False

    def add(self, page: ReadPage) -> None:
        """Takes one more page in."""
        self.pages.append(page)
        looked_at = page.page.looked_at or page.page.read_at
        for rank, video_id in enumerate(page.fresh, len(self.checked) + 1):
            video = page.videos.get(video_id)
            there = video is not None and video.watchable and video.watchable_in(self.region)
            verdict = check(video.traits) if video is not None and there else None
            self.checked.append(Checked(video_id, rank, video, verdict, looked_at, page.page.read_at))

    def troubled(self, reason: StopReason) -> None:
        """Trouble kept something out; the first that did is told."""
        if not self.partial:
            self.stop, self.partial = reason, True

    def count(self, verdict: ShortsCheck | None) -> int:
        """How many videos the rule says this of."""
        return sum(one.check is verdict for one in self.checked)

    @property
    def by_id(self) -> dict[str, Checked]:
        """Each video that was looked at."""
        return {one.video_id: one for one in self.checked}

    @property
    def verified(self) -> int:
        """How many Shorts there are for certain."""
        return self.count(ShortsCheck.VERIFIED)

    def shorts(self, most: int, *, most_chars: int, unverified: bool = False) -> tuple[Short, ...]:
        """The Shorts in YouTube's order.

        Args:
            most: How many at most.
            unverified: Whether those that nothing tells for certain fill up the rest.
        """
        wanted = [ShortsCheck.VERIFIED, *([ShortsCheck.UNVERIFIED] if unverified else [])]
        return tuple(
            Short.of(one.video, verdict, rank=one.rank, most_chars=most_chars)
            for verdict in wanted
            for one in self.checked
            if one.check is verdict and one.video is not None
        )[:most]

    def named(self, *, most_chars: int) -> tuple[Short, ...]:
        """Every video in the order in which it was named, with a label; but none that the region keeps out."""
        return tuple(
            Short.of(one.video or Video(id=one.video_id), one.check, rank=one.rank, most_chars=most_chars)
            for one in self.checked
            if one.video is None or one.video.watchable_in(self.region)
        )

    def stats(self) -> SearchStats:
        """The figures of the search."""
        return SearchStats(
            candidates=len(self.checked),
            non_shorts=self.count(ShortsCheck.NOT_A_SHORT),
            unavailable=self.count(None),
            unverified=self.count(ShortsCheck.UNVERIFIED),
            shorts_ratio=round(self.verified / len(self.checked), 3) if self.checked else None,
            api_total_estimate=self.pages[0].page.estimate if self.pages else None,
        )


def find_shorts(
    pages: Iterable[ReadPage], ctx: TaskContext, *, wanted: int, most_pages: int, region: str | None = None
) -> Found:
    """What pages hold, one after the other, until there are enough verified Shorts.

    Trouble after the first Short ends the search and keeps what there is.

    Args:
        most_pages: How many there may be, to tell the progress by.
        region: Where the Shorts must be watchable; None for anywhere.

    Raises:
        HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`, before there was a Short.
    """
    found = Found(region)
    try:
        for page in pages:
            found.add(page)
            _tell(ctx, page, found)
            if found.verified >= wanted:
                found.stop = "enough"
                break
            found.stop = "exhausted" if page.page.next_token is None else "page_cap"
            done = min(99.0, 100 * page.number / most_pages)
            ctx.progress(done, f"{found.verified} of {wanted} Shorts so far")
    except HandlerSignal as trouble:
        went_on = found.pages and isinstance(trouble, PageTokenRefused)
        if not found.verified and not went_on:
            raise
        found.troubled(reason_of(trouble))
        ctx.log.warning("the search ends early", page=len(found.pages) + 1, reason=str(trouble))
    return found


def with_channels(
    shorts: Sequence[Short], calls: Calls, ctx: TaskContext
) -> tuple[tuple[Short, ...], StopReason | None]:
    """The Shorts with what there is to tell of their channels, and what kept that from being asked."""
    ids = list(dict.fromkeys(short.channel_id for short in shorts if short.channel_id))
    try:
        channels = calls.channels(ids)
    except HandlerSignal as trouble:
        ctx.log.warning("nothing is told of the channels", reason=str(trouble))
        return tuple(shorts), reason_of(trouble)
    infos = {channel_id: ChannelInfo.of(channel) for channel_id, channel in channels.items()}
    told = (short.model_copy(update={"channel_info": infos.get(short.channel_id or "")}) for short in shorts)
    return tuple(told), None


def _tell(ctx: TaskContext, page: ReadPage, found: Found) -> None:
    ctx.log.info(
        "page read",
        page=page.number,
        from_cache=page.kept,
        candidates=len(page.fresh),
        shorts=found.verified,
        not_shorts=found.count(ShortsCheck.NOT_A_SHORT),
        unverified=found.count(ShortsCheck.UNVERIFIED),
        unavailable=found.count(None),
    )


def reason_of(trouble: HandlerSignal) -> StopReason:
    """Which trouble it was, as a result tells it."""
    match trouble:
        case PageTokenRefused():
            return "page_token"
        case DayQuotaUsedUp():
            return "quota"
        case MinuteLimitReached():
            return "rate_limit"
        case _:
            return "trouble"
