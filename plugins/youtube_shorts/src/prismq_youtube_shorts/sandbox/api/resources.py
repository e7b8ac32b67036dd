"""The pieces of a video that several answers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.refusals import Body

__all__ = ["common_snippet", "known", "pictures"]

SIZES = {
    "default": (120, 90),
    "medium": (320, 180),
    "high": (480, 360),
    "standard": (640, 480),
    "maxres": (1280, 720),
    "fhd": (1920, 1080),
    "qhd": (2560, 1440),
    "uhd": (3840, 2160),
    "shortsAspectRatio": (405, 720),
}


def known(**members: Any) -> Body:
    """Those members that are there: the API leaves out what it does not know."""
    return {name: value for name, value in members.items() if value not in (None, "", ())}


def pictures(owner: str, sizes: Sequence[str], *, measured: bool = True) -> Body:
    """Thumbnails of a video or a channel.

    Args:
        owner: Whose they are.
        sizes: Their names.
        measured: Whether width and height are told.
    """
    found: Body = {}
    for size in sizes:
        width, height = SIZES[size]
        found[size] = {"url": f"https://thumbnails.invalid/{owner}/{size}.jpg"}
        if measured:
            found[size] |= {"width": width, "height": height}
    return found


def common_snippet(entry: Entry) -> Body:
    """What a search result, a video and an item of a playlist all tell of a video."""
    return {
        **known(publishedAt=entry.published_at, channelId=entry.channel_id),
        "title": entry.title,
        "description": entry.description,
        "thumbnails": pictures(entry.video_id, entry.thumbnails, measured=entry.thumbnail_sizes),
        "channelTitle": entry.channel,
    }
