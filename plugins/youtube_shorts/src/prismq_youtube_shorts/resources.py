"""The parts of the API's answers that are used, flat: anything may be absent, nothing of a wrong type.

Each field says where it stands in Google's resource; a test holds every path against the discovery document that the
installed client carries, and against what is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AliasPath, BaseModel, ConfigDict, Field, model_serializer

from prismq_worker_sdk.compat import datetime_from_iso
from prismq_youtube_shorts.quota import Bucket

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""The API's uint64; what no database takes is no count."""
FIRST_YEAR = 1970
UPRIGHT = "shortsAspectRatio"
"""The 9:16 picture, which Shorts alone have."""
_SIZES = ("default", "medium", "high", "standard", "maxres", "fhd", "qhd", "uhd")
USUAL_WIDTHS = dict(zip(_SIZES, (120, 320, 480, 640, 1280, 1920, 2560, 3840), strict=True))
"""Pixels, for pictures whose width is not told."""

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})(?:\.\d+)?S)?)?"
)
_UNIT_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def _at(path: str, default: Any = None) -> Any:
    return Field(default, validation_alias=AliasPath(*path.split(".")))


class Resource(BaseModel):
    """One item of an answer; what it does not name is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_serializer
    def _as_google_writes_it(self) -> dict[str, Any]:
        """Nested, as state files hold it."""
        whole: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            alias = field.validation_alias
            *outer, last = map(str, alias.path) if isinstance(alias, AliasPath) else (name,)
            if (value := getattr(self, name)) is not None:
                place = whole
                for step in outer:
                    place = place.setdefault(step, {})
                place[last] = value
        return whole


class Thumbnail(BaseModel):
    """A picture."""

    model_config = ConfigDict(frozen=True)

    url: str | None = None
    width: int | None = None


class SearchResult(Resource):
    """What a search found; the id is absent for what is no video."""

    video_id: str | None = _at("id.videoId")


class Video(Resource):
    """One video, as videos.list and batchGetStats tell it.

    Counts are text in the API and absent when they are hidden, as is the player's size when the ratio is unknown.
    `live` is there for what is, will be or was a stream or a premiere, and for nothing else.
    """

    id: str = ""
    title: str = _at("snippet.title", "")
    description: str = _at("snippet.description", "")
    channel_id: str | None = _at("snippet.channelId")
    channel: str = _at("snippet.channelTitle", "")
    published_at: str | None = _at("snippet.publishedAt")
    category_id: str | None = _at("snippet.categoryId")
    tags: tuple[str, ...] = _at("snippet.tags", ())
    text_language: str | None = _at("snippet.defaultLanguage")
    sound_language: str | None = _at("snippet.defaultAudioLanguage")
    broadcast: str | None = _at("snippet.liveBroadcastContent")
    thumbnails: dict[str, Thumbnail] = _at("snippet.thumbnails", {})
    duration: str | None = _at("contentDetails.duration")
    definition: str | None = _at("contentDetails.definition")
    caption: bool | None = _at("contentDetails.caption")
    allowed_regions: tuple[str, ...] | None = _at("contentDetails.regionRestriction.allowed")
    blocked_regions: tuple[str, ...] = _at("contentDetails.regionRestriction.blocked", ())
    view_count: Count | None = _at("statistics.viewCount")
    like_count: Count | None = _at("statistics.likeCount")
    comment_count: Count | None = _at("statistics.commentCount")
    upload_status: str | None = _at("status.uploadStatus")
    privacy_status: str | None = _at("status.privacyStatus")
    embeddable: bool | None = _at("status.embeddable")
    made_for_kids: bool | None = _at("status.madeForKids")
    license: str | None = _at("status.license")
    contains_synthetic_media: bool | None = _at("status.containsSyntheticMedia")
    width: int | None = _at("player.embedWidth")
    height: int | None = _at("player.embedHeight")
    paid_product_placement: bool | None = _at("paidProductPlacementDetails.hasPaidProductPlacement")
    live: dict[str, Any] | None = _at("liveStreamingDetails")

    @property
    def watchable(self) -> bool:
        """Whether it is processed and not private; what the API does not say counts as yes."""
        return self.upload_status in {None, "processed"} and self.privacy_status != "private"

    def watchable_in(self, region: str | None) -> bool:
        """Whether it is not kept from a region, two capitals; None is everywhere."""
        if region is None or self.allowed_regions is None:
            return region not in self.blocked_regions
        return region in self.allowed_regions

    @property
    def seconds(self) -> int | None:
        """How long it is, whole; 0 for a stream and for what is still processed, None when unknown."""
        match = _DURATION.fullmatch(self.duration or "")
        if match is None:
            return None
        return sum(int(number) * _UNIT_SECONDS[unit] for unit, number in match.groupdict(default="0").items())

    @property
    def published(self) -> datetime | None:
        """Since when it is public, with time zone; None when unknown."""
        return known_instant(self.published_at)

    @property
    def thumbnail_url(self) -> str:
        """The best picture named, else the one that YouTube keeps for every video."""
        return _best(self.thumbnails) or f"https://i.ytimg.com/vi/{self.id}/hqdefault.jpg"


class Channel(Resource):
    """One channel; its subscribers may be hidden, and are rounded by YouTube."""

    id: str = ""
    handle: str | None = _at("snippet.customUrl")
    country: str | None = _at("snippet.country")
    thumbnails: dict[str, Thumbnail] = _at("snippet.thumbnails", {})
    subscriber_count: Count | None = _at("statistics.subscriberCount")
    subscribers_hidden: bool | None = _at("statistics.hiddenSubscriberCount")
    video_count: Count | None = _at("statistics.videoCount")
    view_count: Count | None = _at("statistics.viewCount")

    @property
    def subscribers(self) -> int | None:
        """None when they are hidden: YouTube may say 0 then."""
        return None if self.subscribers_hidden else self.subscriber_count

    @property
    def thumbnail_url(self) -> str | None:
        """The best picture named, None where there is none."""
        return _best(self.thumbnails)


class PlaylistItem(Resource):
    """A row of a playlist; since when stays told where the video is private."""

    video_id: str | None = _at("contentDetails.videoId")
    published_at: str | None = _at("contentDetails.videoPublishedAt")


ItemT = TypeVar("ItemT", bound=Resource)


class Listing(Resource, Generic[ItemT]):
    """A page of an answer: it may be short or empty and still have a successor; what is deleted is silently absent."""

    items: tuple[ItemT, ...] = ()
    next_page_token: str | None = _at("nextPageToken")
    total_results: Count | None = _at("pageInfo.totalResults")
    """An estimate, at most a million, another one on each page."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[ItemT]):
    """A method of the API as Google names it, what of its answer is asked for, and which quota it uses up."""

    name: str
    bucket: Bucket
    answer: type[Listing[ItemT]]
    part: str
    fields: str


_SEARCHED = "nextPageToken,pageInfo/totalResults,items/id/videoId"
SEARCH = Endpoint("search.list", Bucket.SEARCH, Listing[SearchResult], "snippet", _SEARCHED)
VIDEOS = Endpoint(
    "videos.list",
    Bucket.UNITS,
    Listing[Video],
    "snippet,contentDetails,statistics,status,player,paidProductPlacementDetails,liveStreamingDetails",
    "nextPageToken,items(id,snippet(title,description,channelId,channelTitle,publishedAt,categoryId,tags,"
    "defaultLanguage,defaultAudioLanguage,liveBroadcastContent,thumbnails),"
    "contentDetails(duration,definition,caption,regionRestriction),statistics(viewCount,likeCount,commentCount),"
    "status(uploadStatus,privacyStatus,embeddable,madeForKids,license,containsSyntheticMedia),"
    "player(embedWidth,embedHeight),paidProductPlacementDetails/hasPaidProductPlacement,"
    "liveStreamingDetails(scheduledStartTime,actualStartTime))",
)
STATS = Endpoint(
    "videos.batchGetStats", Bucket.STATS, Listing[Video], "id,statistics", "items(id,statistics)"
)
CHANNELS = Endpoint(
    "channels.list",
    Bucket.UNITS,
    Listing[Channel],
    "snippet,statistics",
    "items(id,snippet(title,customUrl,country,thumbnails),"
    "statistics(subscriberCount,hiddenSubscriberCount,videoCount,viewCount))",
)
_ROWS = "nextPageToken,items/contentDetails(videoId,videoPublishedAt)"
PLAYLIST_ITEMS = Endpoint("playlistItems.list", Bucket.UNITS, Listing[PlaylistItem], "contentDetails", _ROWS)


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
    return moment if moment.tzinfo and moment.year >= FIRST_YEAR else None
