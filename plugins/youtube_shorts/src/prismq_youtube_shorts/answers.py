"""The parts of the API's answers that are used, as models: anything may be absent, nothing of a wrong type.

A test holds every name here against the discovery document that the installed client carries.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from prismq_youtube_shorts.shorts_rule import Traits, duration_seconds

__all__ = [
    "SEARCH_FIELDS",
    "VIDEO_FIELDS",
    "VIDEO_PARTS",
    "SearchListResponse",
    "Video",
    "VideoListResponse",
]

SEARCH_FIELDS = "nextPageToken,items/id/videoId"
VIDEO_PARTS = "snippet,contentDetails,status,player"
VIDEO_FIELDS = (
    "items(id,snippet(title,description,channelId,channelTitle,publishedAt,liveBroadcastContent,thumbnails),"
    "contentDetails/duration,status(uploadStatus,privacyStatus),player(embedWidth,embedHeight))"
)
_THUMBNAILS = ("shortsAspectRatio", "maxres", "standard", "high", "medium", "default")


class Answer(BaseModel):
    """A piece of an answer; what it does not name is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class ResourceId(Answer):
    """What a search result points at; the id is absent for what is no video."""

    video_id: str | None = None


class SearchResult(Answer):
    """One search result."""

    id: ResourceId = ResourceId()


class SearchListResponse(Answer):
    """A page of search results; it may be short or empty and still have a successor."""

    items: tuple[SearchResult, ...] = ()
    next_page_token: str | None = None

    @property
    def video_ids(self) -> list[str]:
        """The ids in search order, as they came."""
        return [item.id.video_id for item in self.items if item.id.video_id]


class Thumbnail(Answer):
    """A picture; only its address is used."""

    url: str | None = None


class VideoSnippet(Answer):
    """Texts and dates; plain and whole here, escaped and cut in search results."""

    title: str = ""
    description: str = ""
    channel_id: str | None = None
    channel_title: str = ""
    published_at: str | None = None
    live_broadcast_content: str | None = None
    thumbnails: dict[str, Thumbnail] = {}


class VideoContentDetails(Answer):
    """The duration, ISO 8601."""

    duration: str | None = None


class VideoStatus(Answer):
    """Whether the video can be watched."""

    upload_status: str | None = None
    privacy_status: str | None = None


class VideoPlayer(Answer):
    """The player's size at the video's true ratio; text in the API, absent when the ratio is unknown."""

    embed_width: int | None = None
    embed_height: int | None = None


class Video(Answer):
    """One video."""

    id: str = ""
    snippet: VideoSnippet = VideoSnippet()
    content_details: VideoContentDetails = VideoContentDetails()
    status: VideoStatus = VideoStatus()
    player: VideoPlayer = VideoPlayer()

    @property
    def watchable(self) -> bool:
        """Whether it is processed and not private; what the API does not say counts as yes."""
        return self.status.upload_status in {None, "processed"} and self.status.privacy_status != "private"

    @property
    def traits(self) -> Traits:
        """What the Shorts rule looks at."""
        return Traits(
            duration=duration_seconds(self.content_details.duration),
            published=_instant(self.snippet.published_at),
            live=self.snippet.live_broadcast_content in {"live", "upcoming"},
            width=self.player.embed_width,
            height=self.player.embed_height,
            shorts_thumbnail="shortsAspectRatio" in self.snippet.thumbnails,
        )

    @property
    def thumbnail_url(self) -> str:
        """The best picture named, else the one that YouTube keeps for every video."""
        named = (self.snippet.thumbnails.get(size) for size in _THUMBNAILS)
        return next((found.url for found in named if found and found.url), _usual_thumbnail(self.id))


class VideoListResponse(Answer):
    """The videos of one request; deleted ones are silently absent, the order is the API's own."""

    items: tuple[Video, ...] = ()


def _usual_thumbnail(video_id: str) -> str:
    return f"https://i.ytimg.com/vi/{video_id}/hqdefault.jpg"


def _instant(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
