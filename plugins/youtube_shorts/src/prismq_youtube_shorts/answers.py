"""The parts of the API's answers that are used, as models: anything may be absent, nothing of a wrong type.

A test holds every name here against the discovery document that the installed client carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from prismq_worker_sdk.compat import datetime_from_iso
from prismq_youtube_shorts.shorts_rule import Traits, duration_seconds

__all__ = [
    "CHANNEL_FIELDS",
    "CHANNEL_PARTS",
    "PLAYLIST_FIELDS",
    "PLAYLIST_PARTS",
    "SEARCH_FIELDS",
    "STATS_FIELDS",
    "STATS_PARTS",
    "VIDEO_FIELDS",
    "VIDEO_PARTS",
    "BatchGetStatsResponse",
    "Channel",
    "ChannelListResponse",
    "PlaylistItemListResponse",
    "SearchListResponse",
    "Video",
    "VideoListResponse",
    "VideoStat",
    "known_instant",
]

SEARCH_FIELDS = "nextPageToken,pageInfo/totalResults,items/id/videoId"
VIDEO_PARTS = (
    "snippet,contentDetails,statistics,status,player,paidProductPlacementDetails,liveStreamingDetails"
)
VIDEO_FIELDS = (
    "nextPageToken,items(id,snippet(title,description,channelId,channelTitle,publishedAt,categoryId,tags,"
    "defaultLanguage,defaultAudioLanguage,liveBroadcastContent,thumbnails),"
    "contentDetails(duration,definition,caption,regionRestriction),"
    "statistics(viewCount,likeCount,commentCount),"
    "status(uploadStatus,privacyStatus,embeddable,madeForKids,license,containsSyntheticMedia),"
    "player(embedWidth,embedHeight),paidProductPlacementDetails/hasPaidProductPlacement,"
    "liveStreamingDetails(scheduledStartTime,actualStartTime))"
)
STATS_PARTS = "id,statistics"
STATS_FIELDS = "items(id,statistics)"
CHANNEL_PARTS = "snippet,statistics"
CHANNEL_FIELDS = (
    "items(id,snippet(title,customUrl,country,thumbnails),"
    "statistics(subscriberCount,hiddenSubscriberCount,videoCount,viewCount))"
)
PLAYLIST_PARTS = "contentDetails"
PLAYLIST_FIELDS = "nextPageToken,items/contentDetails(videoId,videoPublishedAt)"
Count = Annotated[int, Field(ge=0, lt=2**63)]
"""The API's uint64; what no database takes is no count."""
EARLIEST_YEAR = 1970
UPRIGHT = "shortsAspectRatio"
"""The 9:16 picture, which Shorts alone have."""
USUAL_WIDTHS = {
    "default": 120,
    "medium": 320,
    "high": 480,
    "standard": 640,
    "maxres": 1280,
    "fhd": 1920,
    "qhd": 2560,
    "uhd": 3840,
}
"""Pixels, for pictures whose width is not told."""


class Answer(BaseModel):
    """A piece of an answer; what it does not name is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class ResourceId(Answer):
    """What a search result points at; the id is absent for what is no video."""

    video_id: str | None = None


class SearchResult(Answer):
    """One search result."""

    id: ResourceId = ResourceId()


class PageInfo(Answer):
    """How many results there are: an estimate, at most a million, another one on each page."""

    total_results: Count | None = None


class SearchListResponse(Answer):
    """A page of search results; it may be short or empty and still have a successor."""

    items: tuple[SearchResult, ...] = ()
    next_page_token: str | None = None
    page_info: PageInfo = PageInfo()

    @property
    def video_ids(self) -> list[str]:
        """The ids in search order, as they came."""
        return [item.id.video_id for item in self.items if item.id.video_id]


class Thumbnail(Answer):
    """A picture."""

    url: str | None = None
    width: int | None = None


class VideoSnippet(Answer):
    """Texts and dates; plain and whole here, escaped and cut in search results."""

    title: str = ""
    description: str = ""
    channel_id: str | None = None
    channel_title: str = ""
    published_at: str | None = None
    category_id: str | None = None
    tags: tuple[str, ...] = ()
    default_language: str | None = None
    default_audio_language: str | None = None
    live_broadcast_content: str | None = None
    thumbnails: dict[str, Thumbnail] = {}


class VideoContentDetailsRegionRestriction(Answer):
    """Where a video may be watched: in the allowed regions alone, or everywhere but in the blocked ones."""

    allowed: tuple[str, ...] | None = None
    blocked: tuple[str, ...] = ()


class VideoContentDetails(Answer):
    """The duration, ISO 8601; `caption` is text in the API, true or false."""

    duration: str | None = None
    definition: str | None = None
    caption: bool | None = None
    region_restriction: VideoContentDetailsRegionRestriction = VideoContentDetailsRegionRestriction()


class VideoLiveStreamingDetails(Answer):
    """There for what is, will be or was a stream or a premiere, and for nothing else."""

    scheduled_start_time: str | None = None
    actual_start_time: str | None = None


class VideoStatistics(Answer):
    """Counts; text in the API, absent when they are hidden."""

    view_count: Count | None = None
    like_count: Count | None = None
    comment_count: Count | None = None


class VideoStatus(Answer):
    """Whether the video can be watched, and on which terms."""

    upload_status: str | None = None
    privacy_status: str | None = None
    embeddable: bool | None = None
    made_for_kids: bool | None = None
    license: str | None = None
    contains_synthetic_media: bool | None = None


class VideoPaidProductPlacementDetails(Answer):
    """Whether somebody paid for what is shown."""

    has_paid_product_placement: bool | None = None


class VideoPlayer(Answer):
    """The player's size at the video's true ratio; text in the API, absent when the ratio is unknown."""

    embed_width: int | None = None
    embed_height: int | None = None


class Video(Answer):
    """One video."""

    id: str = ""
    snippet: VideoSnippet = VideoSnippet()
    content_details: VideoContentDetails = VideoContentDetails()
    statistics: VideoStatistics = VideoStatistics()
    status: VideoStatus = VideoStatus()
    player: VideoPlayer = VideoPlayer()
    paid_product_placement_details: VideoPaidProductPlacementDetails = VideoPaidProductPlacementDetails()
    live_streaming_details: VideoLiveStreamingDetails | None = None

    @property
    def watchable(self) -> bool:
        """Whether it is processed and not private; what the API does not say counts as yes."""
        return self.status.upload_status in {None, "processed"} and self.status.privacy_status != "private"

    def watchable_in(self, region: str | None) -> bool:
        """Whether it is not kept from a region, two capitals; None is everywhere."""
        where = self.content_details.region_restriction
        if region is None:
            return True
        return region in where.allowed if where.allowed is not None else region not in where.blocked

    @property
    def traits(self) -> Traits:
        """What the Shorts rule looks at."""
        return Traits(
            duration=duration_seconds(self.content_details.duration),
            published=known_instant(self.snippet.published_at),
            live=self.live_streaming_details is not None
            or self.snippet.live_broadcast_content in {"live", "upcoming"},
            width=self.player.embed_width,
            height=self.player.embed_height,
            shorts_thumbnail=UPRIGHT in self.snippet.thumbnails,
        )

    @property
    def thumbnail_url(self) -> str:
        """The best picture named, else the one that YouTube keeps for every video."""
        return _best(self.snippet.thumbnails) or f"https://i.ytimg.com/vi/{self.id}/hqdefault.jpg"


class VideoListResponse(Answer):
    """The videos of one request; deleted ones are silently absent, the order is the API's own."""

    items: tuple[Video, ...] = ()
    next_page_token: str | None = None


class VideoStatsStatistics(Answer):
    """Counts; text in the API, absent when they are hidden."""

    view_count: Count | None = None
    like_count: Count | None = None
    comment_count: Count | None = None


class VideoStat(Answer):
    """The statistics of one video, without anything else."""

    id: str = ""
    statistics: VideoStatsStatistics = VideoStatsStatistics()


class BatchGetStatsResponse(Answer):
    """The statistics of the videos of one request; deleted ones are absent."""

    items: tuple[VideoStat, ...] = ()


class ChannelSnippet(Answer):
    """Who a channel is."""

    title: str = ""
    custom_url: str | None = None
    country: str | None = None
    thumbnails: dict[str, Thumbnail] = {}


class ChannelStatistics(Answer):
    """Counts of a channel; its subscribers may be hidden, and are rounded by YouTube."""

    subscriber_count: Count | None = None
    hidden_subscriber_count: bool | None = None
    video_count: Count | None = None
    view_count: Count | None = None


class Channel(Answer):
    """One channel."""

    id: str = ""
    snippet: ChannelSnippet = ChannelSnippet()
    statistics: ChannelStatistics = ChannelStatistics()

    @property
    def subscribers(self) -> int | None:
        """None when they are hidden: YouTube may say 0 then."""
        return None if self.statistics.hidden_subscriber_count else self.statistics.subscriber_count

    @property
    def thumbnail_url(self) -> str | None:
        """The best picture named, None where there is none."""
        return _best(self.snippet.thumbnails)


class ChannelListResponse(Answer):
    """The channels of one request; deleted ones are absent."""

    items: tuple[Channel, ...] = ()


class PlaylistItemContentDetails(Answer):
    """Which video an entry is, and since when, which stays where the video is private."""

    video_id: str | None = None
    video_published_at: str | None = None


class PlaylistItem(Answer):
    """An entry of a playlist."""

    content_details: PlaylistItemContentDetails = PlaylistItemContentDetails()


class PlaylistItemListResponse(Answer):
    """A page of a playlist."""

    items: tuple[PlaylistItem, ...] = ()
    next_page_token: str | None = None

    @property
    def published(self) -> dict[str, datetime | None]:
        """When each video was published, by its id, in the order of the playlist; None where that is not told."""
        rows = (item.content_details for item in self.items)
        return {row.video_id: known_instant(row.video_published_at) for row in rows if row.video_id}


def _best(thumbnails: Mapping[str, Thumbnail]) -> str | None:
    """The address of the upright picture where there is one, else of the widest, whatever its name."""

    def width(name: str) -> float:
        return float("inf") if name == UPRIGHT else thumbnails[name].width or USUAL_WIDTHS.get(name, 0)

    named = sorted((name for name in thumbnails if thumbnails[name].url), key=width)
    return thumbnails[named[-1]].url if named else None


def known_instant(text: str | None) -> datetime | None:
    """The instant of an RFC 3339 text; None for none, and for what is no instant of YouTube's time."""
    try:
        moment = datetime_from_iso(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo and moment.year >= EARLIEST_YEAR else None
