"""The `fields` mask of the stand-in, held against the description that Google's client carries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest

from plugins.youtube_shorts.tests.sandbox_support import good, refused
from prismq_youtube_shorts.sandbox import Entry
from prismq_youtube_shorts.sandbox.api.shapes import PARTS, SHAPES

DOCUMENT = json.loads(
    files("googleapiclient").joinpath("discovery_cache/documents/youtube.v3.json").read_text(encoding="utf-8")
)
SCHEMAS = DOCUMENT["schemas"]
METHODS = {
    "search": ("search", "list"),
    "videos": ("videos", "list"),
    "batchGetStats": ("videos", "batchGetStats"),
    "channels": ("channels", "list"),
    "playlistItems": ("playlistItems", "list"),
    "videoCategories": ("videoCategories", "list"),
    "i18nLanguages": ("i18nLanguages", "list"),
    "i18nRegions": ("i18nRegions", "list"),
}
ONLINE_ONLY = {"summary", "durationMillis"}
"""In the reference on the web, not yet in the description."""


@pytest.fixture
def masked(make_sandbox):
    sandbox = make_sandbox([Entry(video_id="a", tags=("x",)), Entry(video_id="b")])

    def ask(fields: str, call: str = "videos", **params):
        given = {"part": "snippet,status", "id": "a,b", **params}
        return good(sandbox, call, fields=fields, **given)

    return ask


def test_a_mask_leaves_what_it_names(masked):
    assert masked("kind") == {"kind": "youtube#videoListResponse"}
    assert masked("items/id") == {"items": [{"id": "a"}, {"id": "b"}]}
    assert masked("items(id)") == masked("items/id")


@pytest.mark.parametrize(
    "mask",
    [
        "items(id,snippet(tags,channelTitle))",
        "items(id,snippet/tags,snippet/channelTitle)",
        "items/id,items/snippet(tags,channelTitle)",
        "items/snippet/channelTitle,items(id,snippet/tags)",
    ],
)
def test_there_are_several_ways_to_write_a_mask(masked, mask):
    names = {"channelTitle": "Somebody [invented]"}

    assert masked(mask) == {
        "items": [{"id": "a", "snippet": {**names, "tags": ["x"]}}, {"id": "b", "snippet": names}]
    }


def test_a_star_is_everything_and_the_wider_of_two_wins(masked):
    assert masked("items(*)") == {"items": masked("items,kind")["items"]}
    assert masked("items/*/uploadStatus")["items"][0]["status"] == {"uploadStatus": "processed"}
    assert masked("items,items/id") == {"items": masked("items")["items"]}
    assert masked("*") == masked("")


def test_a_mask_goes_down_to_a_single_picture(masked):
    assert masked("items/snippet/thumbnails/default/url")["items"][0]["snippet"] == {
        "thumbnails": {"default": {"url": "https://thumbnails.invalid/a/default.jpg"}}
    }


def test_a_search_is_masked_with_its_token(sandbox):
    page = good(
        sandbox, "search", type="video", fields="nextPageToken,pageInfo/totalResults,items/id/videoId"
    )

    assert set(page) == {"nextPageToken", "pageInfo", "items"}
    assert all(set(item) == {"id"} and set(item["id"]) == {"videoId"} for item in page["items"])


@pytest.mark.parametrize(
    "mask",
    [
        "items(id",
        "items(id))",
        "items()",
        "items//id",
        "items/",
        ",items",
        "items,,kind",
        "items id",
        "items(id, kind)",
        "items(id)kind",
        "items/id(videoId)",
        "item",
        "items/snippet/name",
        "items(id,snippet(title,views))",
        "kind/items",
        "ítems",
    ],
)
def test_what_is_no_mask_or_names_nothing_that_exists_is_refused(sandbox, mask):
    assert refused(sandbox, "videos", id="standin0001", fields=mask) == (400, "invalidParameter", "fields")


@pytest.mark.parametrize("call", METHODS)
def test_every_field_of_googles_description_is_taken(make_sandbox, call):
    sandbox = make_sandbox([Entry(video_id="a", channel_id="UCa")])
    schema, path = _schema(call), "videos:batchGetStats" if call == "batchGetStats" else call
    asked = {"id": "a"} if call in {"videos", "batchGetStats", "channels"} else {}
    asked |= {"playlistItems": {"playlistId": "UUa"}, "videoCategories": {"regionCode": "US"}}.get(call, {})

    mask = ",".join(_paths(schema))

    assert good(sandbox, path, fields=mask, **asked)


@pytest.mark.parametrize("call", METHODS)
def test_no_answer_has_a_field_that_the_description_does_not_know(call):
    known = {name for schema in SCHEMAS.values() for name in schema.get("properties", {})}
    known |= set(SCHEMAS["ChannelContentDetails"]["properties"]["relatedPlaylists"]["properties"])

    assert set(_names(SHAPES[call])) - {"*"} <= known | ONLINE_ONLY | set(_names(SHAPES["batchGetStats"]))


@pytest.mark.parametrize("call", METHODS)
def test_the_parts_are_the_members_of_an_item(call):
    item = SCHEMAS[_schema(call)]["properties"]["items"]["items"]["$ref"]

    assert PARTS[call] == set(SCHEMAS[item]["properties"]) - {"kind", "etag"}


def _schema(call: str) -> str:
    resource, method = METHODS[call]
    return DOCUMENT["resources"][resource]["methods"][method]["response"]["$ref"]


def _paths(schema: str, deep: int = 4) -> Iterator[str]:
    """The mask of every member, down to some depth."""
    for name, member in SCHEMAS[schema]["properties"].items():
        below = member.get("$ref") or member.get("items", {}).get("$ref")
        if below and deep and SCHEMAS[below].get("properties"):
            yield f"{name}({','.join(_paths(below, deep - 1))})"
        else:
            yield name


def _names(mask) -> Iterator[str]:
    for name, below in mask.items():
        yield name
        yield from _names(below or {})
