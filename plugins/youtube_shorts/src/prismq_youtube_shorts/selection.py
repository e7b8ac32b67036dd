"""Selects Shorts from pages of videos: stops as soon as there are enough, keeps what it has when trouble comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts.cache import Page
from prismq_youtube_shorts.client import Calls
from prismq_youtube_shorts.errors import DayQuotaUsedUp, MinuteLimitReached, PageTokenRefused
from prismq_youtube_shorts.quota import Bucket, next_reset
from prismq_youtube_shorts.resources import Video
from prismq_youtube_shorts.result import (
    ChannelInfo,
    QuotaSpent,
    SearchStats,
    Short,
    StopReason,
    expiry,
    instant,
)
from prismq_youtube_shorts.shorts_rule import ShortsCheck, check

_STOP_REASONS: dict[type[HandlerSignal], StopReason] = {
    PageTokenRefused: "page_token",
    DayQuotaUsedUp: "quota",
    MinuteLimitReached: "rate_limit",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A video, its place among all from 1, and what the Shorts rule says of it; None of what cannot be watched."""

    video_id: str
    rank: int
    page: Page
    video: Video | None
    check: ShortsCheck | None


@dataclass(slots=True)
class Selection:
    """What was selected so far, of what can be watched in a region; why it ended, and whether trouble kept some out."""

    region: str | None = None
    pages: list[Page] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    stop: StopReason = "exhausted"
    partial: bool = False

    def add(self, page: Page) -> int:
        """Takes one more page in, and gives how many of its videos no earlier one had."""
        self.pages.append(page)
        videos = {video.id: video for video in page.videos or ()}
        known = {one.video_id for one in self.candidates}
        fresh = [video_id for video_id in dict.fromkeys(page.ids) if video_id not in known]
        for rank, video_id in enumerate(fresh, len(known) + 1):
            video = videos.get(video_id)
            verdict = None
            if video is not None and video.watchable and video.watchable_in(self.region):
                verdict = check(video)
            self.candidates.append(Candidate(video_id, rank, page, video, verdict))
        return len(fresh)

    def cut_short(self, reason: StopReason) -> None:
        """Trouble kept something out; the first that did is told."""
        if not self.partial:
            self.stop, self.partial = reason, True

    def count(self, verdict: ShortsCheck | None) -> int:
        """How many videos the rule says this of."""
        return sum(one.check is verdict for one in self.candidates)

    @property
    def verified(self) -> int:
        """How many Shorts there are for certain."""
        return self.count(ShortsCheck.VERIFIED)

    def shorts(self, most: int, *, most_chars: int, unverified: bool = False) -> tuple[Short, ...]:
        """The Shorts in YouTube's order; if asked to, filled up with those that nothing tells for certain."""
        return tuple(
            Short.of(one.video, verdict, rank=one.rank, most_chars=most_chars)
            for verdict in [ShortsCheck.VERIFIED, *([ShortsCheck.UNVERIFIED] if unverified else [])]
            for one in self.candidates
            if one.check is verdict and one.video is not None
        )[:most]

    def named(self, *, most_chars: int) -> tuple[Short, ...]:
        """Every video in the order in which it was named, with a label; but none that the region keeps out."""
        return tuple(
            Short.of(one.video or Video(id=one.video_id), one.check, rank=one.rank, most_chars=most_chars)
            for one in self.candidates
            if one.video is None or one.video.watchable_in(self.region)
        )

    def with_channels(self, shorts: Sequence[Short], calls: Calls) -> tuple[Short, ...]:
        """The Shorts with what there is to tell of their channels; trouble costs nothing but that."""
        ids = list(dict.fromkeys(short.channel_id for short in shorts if short.channel_id))
        try:
            infos = {name: ChannelInfo.of(channel) for name, channel in calls.channels(ids).items()}
        except HandlerSignal as trouble:
            calls.ctx.log.warning("nothing is told of the channels", reason=str(trouble))
            self.cut_short(reason_of(trouble))
            return tuple(shorts)
        return tuple(
            one.model_copy(update={"channel_info": infos.get(one.channel_id or "")}) for one in shorts
        )

    def summary(self, calls: Calls) -> dict[str, Any]:
        """What every result tells of how it came about."""
        youtube, spent = calls.youtube, calls.spent
        fetched_at = min((page.read_at for page in self.pages), default=youtube.now())
        return {
            "partial": self.partial,
            "stop_reason": self.stop,
            "fetched_at": instant(fetched_at),
            "expires_at": expiry(fetched_at),
            "stats": SearchStats(
                candidates=len(self.candidates),
                non_shorts=self.count(ShortsCheck.NOT_A_SHORT),
                unavailable=self.count(None),
                unverified=self.count(ShortsCheck.UNVERIFIED),
                shorts_ratio=round(self.verified / len(self.candidates), 3) if self.candidates else None,
                api_total_estimate=self.pages[0].estimate if self.pages else None,
            ),
            "quota": QuotaSpent(
                search_calls=spent[Bucket.SEARCH],
                units=spent[Bucket.UNITS],
                stats_calls=spent[Bucket.STATS],
                from_cache=not spent.total(),
                search_calls_today=youtube.ledger.quota(Bucket.SEARCH).used,
                resets_at=instant(next_reset(youtube.now())),
            ),
        }


def select_shorts(
    pages: Iterable[Page], calls: Calls, *, wanted: int, most_pages: int, region: str | None = None
) -> Selection:
    """What pages hold, one after the other, until there are enough verified Shorts.

    Trouble after the first Short ends the search and keeps what there is.

    Args:
        most_pages: How many there may be, to tell the progress by.

    Raises:
        HandlerSignal: One of the errors of `prismq_youtube_shorts.errors`, before there was a Short.
    """
    found, ctx, spent = Selection(region), calls.ctx, 0
    try:
        for page in pages:
            fresh = found.add(page)
            kept, spent = calls.spent.total() == spent, calls.spent.total()
            ctx.log.info(
                "page read",
                page=len(found.pages),
                from_cache=kept,
                candidates=fresh,
                shorts=found.verified,
                not_shorts=found.count(ShortsCheck.NOT_A_SHORT),
                unverified=found.count(ShortsCheck.UNVERIFIED),
                unavailable=found.count(None),
            )
            if found.verified >= wanted:
                found.stop = "enough"
                break
            found.stop = "exhausted" if page.next_token is None else "page_cap"
            done = min(99.0, 100 * len(found.pages) / most_pages)
            ctx.progress(done, f"{found.verified} of {wanted} Shorts so far")
    except HandlerSignal as trouble:
        went_on = found.pages and isinstance(trouble, PageTokenRefused)
        if not found.verified and not went_on:
            raise
        found.cut_short(reason_of(trouble))
        ctx.log.warning("the search ends early", page=len(found.pages) + 1, reason=str(trouble))
    return found


def reason_of(trouble: HandlerSignal) -> StopReason:
    """Which trouble it was, as a result tells it."""
    return next((reason for kind, reason in _STOP_REASONS.items() if isinstance(trouble, kind)), "trouble")
