"""Makes one video of a stand-in's catalogue, an ordinary Short but for what a test says; no tests in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prismq_youtube_shorts.sandbox import Entry
from prismq_youtube_shorts.sandbox.catalogue import USUAL
from prismq_youtube_shorts.sandbox.catalogue import thumbnails as pictures


def entry(
    video_id: str,
    *,
    title: str = "A video [invented]",
    description: str = "Invented by the stand-in; there is no such video.",
    tags: Sequence[str] = (),
    channel: str = "Somebody [invented]",
    channel_id: str = "UCinvented00000000000000",
    published_at: str = "2026-05-01T12:00:00Z",
    duration: str | None = "PT30S",
    seconds: int = 30,
    width: int = 1080,
    height: int = 1920,
    language: str = "en",
    default_audio_language: str | None = None,
    category_id: str = "22",
    live: str = "none",
    streamed: bool = False,
    upload_status: str = "processed",
    privacy_status: str = "public",
    deleted: bool = False,
    region_blocked: Sequence[str] = (),
    made_for_kids: bool = False,
    absent: Sequence[str] = (),
    thumbnails: Sequence[str] = USUAL,
    statistics: Mapping[str, str] | None = None,
    views_per_hour: float = 0.0,
) -> Entry:
    """An entry; a width of 0 is a shape that the API does not tell, `absent` names parts that it leaves out."""
    resource: dict[str, Any] = {
        "kind": "youtube#video",
        "id": video_id,
        "snippet": {
            "publishedAt": published_at,
            "channelId": channel_id,
            "title": title,
            "description": description,
            "thumbnails": pictures(video_id, thumbnails),
            "channelTitle": channel,
            "tags": list(tags),
            "categoryId": category_id,
            "liveBroadcastContent": live,
            "defaultAudioLanguage": default_audio_language,
        },
        "contentDetails": {
            "duration": duration,
            "definition": "hd",
            "caption": "false",
            "regionRestriction": {"blocked": list(region_blocked)},
        },
        "status": {
            "uploadStatus": upload_status,
            "privacyStatus": privacy_status,
            "license": "youtube",
            "embeddable": True,
            "madeForKids": made_for_kids,
            "containsSyntheticMedia": False,
        },
        "player": {},
        "statistics": dict(statistics or {}),
    }
    if live != "none" or streamed:
        resource["liveStreamingDetails"] = {"scheduledStartTime": published_at}
    size = (width, height) if width and height else None
    told = {name: part for name, part in resource.items() if name not in absent}
    return Entry(told, size, seconds, language, deleted=deleted, views_per_hour=views_per_hour)
