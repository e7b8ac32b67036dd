"""What is asked and read exists in the API's description that the installed client carries."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from importlib.resources import files

import pytest

from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts import answers
from prismq_youtube_shorts.answers import Answer
from prismq_youtube_shorts.client import YouTubeClient
from prismq_youtube_shorts.query import SearchQuery

DOCUMENT = json.loads(
    files("googleapiclient").joinpath("discovery_cache/documents/youtube.v3.json").read_text(encoding="utf-8")
)
SCHEMAS = DOCUMENT["schemas"]


@pytest.mark.parametrize("model", Answer.__subclasses__(), ids=lambda model: model.__name__)
def test_every_field_that_is_read_exists(model):
    read = {field.alias or name for name, field in model.model_fields.items()}

    assert read <= set(SCHEMAS[model.__name__]["properties"])


def test_every_thumbnail_size_that_exists_is_known():
    assert {answers.UPRIGHT, *answers.USUAL_WIDTHS} == set(SCHEMAS["ThumbnailDetails"]["properties"])


METHODS = {
    "search": ("search", "list", lambda client: client.search(WHOLE, page_token="x")),
    "videos": ("videos", "list", lambda client: client.videos(["a"])),
    "chart": (
        "videos",
        "list",
        lambda client: client.chart(region="US", category_id="22", page_token="x"),
    ),
    "stats": ("videos", "batchGetStats", lambda client: client.stats(["a"])),
    "channels": ("channels", "list", lambda client: client.channels(["UC"])),
    "playlist": ("playlistItems", "list", lambda client: client.playlist("UU", page_token="x")),
}
WHOLE = SearchQuery(
    words="cooking",
    language="en",
    region="US",
    order="date",
    published_after="2026-01-01T00:00:00Z",
    published_before="2026-02-01T00:00:00Z",
    safe_search="strict",
    channel_id="UC" + "x" * 22,
)


@pytest.mark.parametrize("call", METHODS)
def test_every_parameter_that_is_sent_exists(sandbox, client, call):
    resource, method, ask = METHODS[call]
    with suppress(HandlerSignal):
        ask(client)

    known = DOCUMENT["resources"][resource]["methods"][method]["parameters"]
    (asked,) = sandbox.requests
    assert set(asked.params) <= set(known) | set(DOCUMENT["parameters"])
    for name, values in asked.params.items():
        allowed = known.get(name, {}).get("enum")
        assert allowed is None or set(values) <= set(allowed)


def test_every_question_that_a_task_can_ask_is_covered():
    assert {name for name in vars(YouTubeClient) if not name.startswith("_")} == {*METHODS, "close"}
    assert set(WHOLE.parameters()) >= {"regionCode", "publishedAfter", "publishedBefore", "channelId"}


@pytest.mark.parametrize("mask", [name for name in answers.__all__ if name.endswith("_FIELDS")])
def test_every_field_of_the_masks_exists(mask):
    known = {name for schema in SCHEMAS.values() for name in schema.get("properties", {})}

    assert set(re.findall(r"\w+", getattr(answers, mask))) <= known


@pytest.mark.parametrize(
    ("parts", "schema"),
    [
        (answers.VIDEO_PARTS, "Video"),
        (answers.STATS_PARTS, "VideoStat"),
        (answers.CHANNEL_PARTS, "Channel"),
        (answers.PLAYLIST_PARTS, "PlaylistItem"),
    ],
)
def test_every_part_exists(parts, schema):
    assert set(parts.split(",")) <= set(SCHEMAS[schema]["properties"])


@pytest.mark.parametrize("model", Answer.__subclasses__(), ids=lambda model: model.__name__)
def test_every_field_that_is_read_is_asked_for(model):
    """A field that the mask leaves out would be unknown for ever."""
    asked = set(
        re.findall(r"\w+", " ".join(getattr(answers, name) for name in answers.__all__ if "_FIELDS" in name))
    )
    whole = {"thumbnails", "statistics", "regionRestriction"}  # asked for whole, with all that is in them

    read = {field.alias or name for name, field in model.model_fields.items()}
    inside = {"Thumbnail", "VideoStatsStatistics", "VideoContentDetailsRegionRestriction"}
    assert read <= asked or model.__name__ in inside
    assert whole <= asked
