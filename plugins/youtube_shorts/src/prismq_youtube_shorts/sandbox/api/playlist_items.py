"""playlistItems.list: the lists that YouTube itself keeps of every channel, the newest first."""

from __future__ import annotations

import base64
from collections.abc import Collection

from prismq_youtube_shorts.sandbox.api.paging import sheet
from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.resources import common_snippet, known
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.refusals import REFUSALS, Body, Refused

__all__ = ["playlist_items_list"]

SHORTS, UPLOADS = "UUSH", "UU"


def playlist_items_list(params: Params, catalogue: Catalogue) -> Body:
    """One page of a channel's uploads (`UU…`) or of its Shorts (`UUSH…`)."""
    params.filters("playlistId")
    playlist = params.one("playlistId")
    videos = _videos(playlist, catalogue)
    if not videos:
        raise Refused(REFUSALS["playlist_not_found"])
    wanted = params.one("videoId")
    placed = [item for item in enumerate(videos) if wanted in {"", item[1].video_id}]
    shown, page = sheet(params, placed)
    parts = params.listed("part")
    items = [_item(entry, playlist, position, parts) for position, entry in shown]
    return {"kind": "youtube#playlistItemListResponse", **page, "items": items}


def _videos(playlist: str, catalogue: Catalogue) -> list[Entry]:
    # UUSHx can be the Shorts of UCx and just as well all uploads of a channel UCSHx.
    if playlist.startswith(SHORTS) and (found := catalogue.uploads(f"UC{playlist.removeprefix(SHORTS)}")):
        return [entry for entry in found if entry.is_short]
    return catalogue.uploads(f"UC{playlist.removeprefix(UPLOADS)}") if playlist.startswith(UPLOADS) else []


def _item(entry: Entry, playlist: str, position: int, parts: Collection[str]) -> Body:
    told: Body = {
        "snippet": {
            **common_snippet(entry),
            "playlistId": playlist,
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": entry.video_id},
            "videoOwnerChannelTitle": entry.channel,
            "videoOwnerChannelId": entry.channel_id,
        },
        "contentDetails": {"videoId": entry.video_id, **known(videoPublishedAt=entry.published_at)},
        "status": {"privacyStatus": entry.privacy_status},
    }
    name = base64.urlsafe_b64encode(f"{playlist}.{entry.video_id}".encode()).decode().rstrip("=")
    chosen = {part: value for part, value in told.items() if part in parts}
    return {"kind": "youtube#playlistItem", "id": name, **chosen}
