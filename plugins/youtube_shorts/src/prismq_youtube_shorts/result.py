"""What a ScrapeShorts task gives back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prismq_youtube_shorts.answers import Video
from prismq_youtube_shorts.shorts_rule import aspect_ratio

__all__ = ["ScrapeShortsResult", "Short"]


class Result(BaseModel):
    """A part of a result: frozen, and nothing but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Short(Result):
    """One YouTube Short; texts are plain and whole."""

    video_id: str
    title: str
    description: str
    channel: str = Field(description="Title of the channel")
    published_at: str | None = Field(description="RFC 3339")
    thumbnail_url: str
    url: str
    channel_id: str | None
    duration_seconds: int | None
    aspect_ratio: str | None = Field(description="Width to height, for example 9:16; null when unknown")
    shorts_check: Literal["verified"] = "verified"

    @classmethod
    def of(cls, video: Video) -> Short:
        """The Short that the API's video describes."""
        return cls(
            video_id=video.id,
            title=video.snippet.title,
            description=video.snippet.description,
            channel=video.snippet.channel_title,
            published_at=video.snippet.published_at,
            thumbnail_url=video.thumbnail_url,
            url=f"https://www.youtube.com/shorts/{video.id}",
            channel_id=video.snippet.channel_id,
            duration_seconds=video.traits.duration,
            aspect_ratio=aspect_ratio(video.player.embed_width, video.player.embed_height),
        )


class ScrapeShortsResult(Result):
    """The Shorts found, in YouTube's order."""

    shorts: tuple[Short, ...]
    total_found: int = Field(
        description="Number of `shorts`; YouTube's own total is an estimate and not given"
    )
    search_query: str
