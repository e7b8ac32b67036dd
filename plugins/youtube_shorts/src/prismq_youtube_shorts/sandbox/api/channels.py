"""channels.list: by id or by handle."""

from __future__ import annotations

from collections.abc import Collection

from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.resources import known, pictures
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.channel import Channel
from prismq_youtube_shorts.sandbox.entry import USUAL_THUMBNAILS
from prismq_youtube_shorts.sandbox.refusals import Body

__all__ = ["channels_list"]

TOLD_DIGITS = 3
"""So many digits of a number of subscribers are told, the others are zero."""


def channels_list(params: Params, catalogue: Catalogue) -> Body:
    """The channels of these ids, or the one of a handle; where there is none, `items` is missing."""
    params.filters("id", "forHandle")
    if "id" in params:
        named = [catalogue.channel(channel_id) for channel_id in params.ids()]
        found = [channel for channel in named if channel is not None]
    else:
        handle = "@" + params.one("forHandle").removeprefix("@").casefold()
        found = [channel for channel in catalogue.channels if channel.handle.casefold() == handle]
    body: Body = {
        "kind": "youtube#channelListResponse",
        "pageInfo": {"totalResults": len(found), "resultsPerPage": len(found)},
    }
    if found:
        parts = params.listed("part")
        body["items"] = [_channel(channel, parts) for channel in found]
    return body


def _channel(channel: Channel, parts: Collection[str]) -> Body:
    told: Body = {
        "snippet": {
            "title": channel.title,
            "description": channel.description,
            **known(customUrl=channel.handle, publishedAt=channel.published_at),
            "thumbnails": pictures(channel.id, USUAL_THUMBNAILS),
            "localized": {"title": channel.title, "description": channel.description},
            **known(country=channel.country),
        },
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": channel.playlist("UU")}},
        "statistics": {
            "viewCount": str(channel.views),
            **({} if channel.subscribers is None else {"subscriberCount": _rounded(channel.subscribers)}),
            "hiddenSubscriberCount": channel.subscribers is None,
            "videoCount": str(channel.video_count),
        },
    }
    chosen = {name: part for name, part in told.items() if name in parts}
    return {"kind": "youtube#channel", "id": channel.id, **chosen}


def _rounded(count: int) -> str:
    text = str(count)
    return text[:TOLD_DIGITS] + "0" * (len(text) - TOLD_DIGITS)
