"""One video as videos.list tells it."""

from __future__ import annotations

from collections.abc import Collection

from prismq_youtube_shorts.sandbox.api.params import Params
from prismq_youtube_shorts.sandbox.api.resources import common_snippet, known
from prismq_youtube_shorts.sandbox.catalogue import Catalogue
from prismq_youtube_shorts.sandbox.entry import Entry
from prismq_youtube_shorts.sandbox.refusals import Body

__all__ = ["Frame", "video"]

SMALLEST, LARGEST = 72, 8_192


class Frame:
    """The largest player that is asked for, in either direction; 0 where none is."""

    def __init__(self, params: Params) -> None:
        self.tall = params.number("maxHeight", 0, least=SMALLEST, most=LARGEST)
        self.broad = params.number("maxWidth", 0, least=SMALLEST, most=LARGEST)

    def player(self, entry: Entry) -> Body:
        """Sizes come as text, and only when a largest size was asked for and the ratio is known."""
        player: Body = {"embedHtml": f'<iframe src="//www.youtube.invalid/embed/{entry.video_id}"></iframe>'}
        if entry.width and entry.height and (self.tall or self.broad):
            limits = ((self.tall, entry.height), (self.broad, entry.width))
            scale = min(side / own for side, own in limits if side)
            player |= {
                "embedWidth": str(round(entry.width * scale)),
                "embedHeight": str(round(entry.height * scale)),
            }
        return player


def video(entry: Entry, parts: Collection[str], frame: Frame, catalogue: Catalogue) -> Body:
    """Those parts of the video that are asked for and exist."""
    told: Body = {
        "snippet": _snippet(entry),
        "contentDetails": _content_details(entry),
        "status": _status(entry),
        "player": frame.player(entry),
        "statistics": _statistics(entry, catalogue),
    }
    if entry.paid_placement is not None:
        told["paidProductPlacementDetails"] = {"hasPaidProductPlacement": entry.paid_placement}
    if entry.live != "none" or entry.streamed:
        told["liveStreamingDetails"] = {"scheduledStartTime": entry.published_at}
    chosen = {name: part for name, part in told.items() if name in parts and name not in entry.absent}
    return {"kind": "youtube#video", "id": entry.video_id, **chosen}


def _snippet(entry: Entry) -> Body:
    return {
        **common_snippet(entry),
        **known(tags=entry.tags and list(entry.tags), categoryId=entry.category_id),
        "liveBroadcastContent": entry.live,
        "localized": {"title": entry.title, "description": entry.description},
        **known(defaultLanguage=entry.default_language, defaultAudioLanguage=entry.default_audio_language),
    }


def _content_details(entry: Entry) -> Body:
    restriction = {"blocked": list(entry.region_blocked)} if entry.region_blocked else None
    return {
        **known(duration=entry.duration),
        "dimension": "2d",
        "definition": entry.definition,
        "caption": "true" if entry.caption else "false",
        "licensedContent": entry.license == "youtube",
        **known(regionRestriction=restriction),
        "contentRating": {"ytRating": "ytAgeRestricted"} if entry.age_restricted else {},
        "projection": "rectangular",
    }


def _status(entry: Entry) -> Body:
    return {
        "uploadStatus": entry.upload_status,
        "privacyStatus": entry.privacy_status,
        "license": entry.license,
        "embeddable": entry.embeddable,
        "publicStatsViewable": entry.public_stats,
        "madeForKids": entry.made_for_kids,
        **known(containsSyntheticMedia=entry.contains_synthetic_media),
    }


def _statistics(entry: Entry, catalogue: Catalogue) -> Body:
    return {**catalogue.statistics(entry), "favoriteCount": "0"}
