"""What is asked and read exists in the API's description that the installed client carries."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib.resources import files

import pytest
from pydantic import AliasPath

from plugins.youtube_shorts.tests import masks
from prismq_worker_sdk.errors import HandlerSignal
from prismq_youtube_shorts import resources
from prismq_youtube_shorts.client import Calls
from prismq_youtube_shorts.search import SearchQuery

DOCUMENT = json.loads(
    files("googleapiclient").joinpath("discovery_cache/documents/youtube.v3.json").read_text(encoding="utf-8")
)
SCHEMAS = DOCUMENT["schemas"]
ENDPOINTS = {
    one.name: one
    for one in (
        resources.SEARCH,
        resources.VIDEOS,
        resources.STATS,
        resources.CHANNELS,
        resources.PLAYLIST_ITEMS,
    )
}
COUNTS = ("view_count", "like_count", "comment_count")
WHOLE = SearchQuery(
    words="cooking",
    language="en",
    region="US",
    order="date",
    published_after="2026-01-01T00:00:00Z",
    published_before="2026-02-01T00:00:00Z",
    safe_search="strict",
    channel_id="UC" + "x" * 22,
    category_id="22",
)
ASKED = {
    "search": lambda client: client.search(WHOLE.parameters(), "x"),
    "videos": lambda client: client.videos(["a"]),
    "chart": lambda client: client.chart("US", "22", "x"),
    "stats": lambda client: client.stats(["a"]),
    "channels": lambda client: client.channels(["UC"]),
    "playlist": lambda client: client.playlist("UU"),
}


def method(name):
    resource, verb = name.split(".")
    return DOCUMENT["resources"][resource]["methods"][verb]


def places(model, names=None):
    """Where the fields of a model stand in Google's resource."""
    for name, field in model.model_fields.items():
        if names is None or name in names:
            alias = field.validation_alias
            yield list(alias.path) if isinstance(alias, AliasPath) else [name]


def resolved(schema, place):
    """The property at a place."""
    *outer, last = place
    for step in outer:
        schema = SCHEMAS[schema["properties"][step]["$ref"]]
    return schema["properties"][last]


def read_of(endpoint):
    """The places of all that is read of an answer; of statistics the counts alone."""
    item = endpoint.answer.model_fields["items"].annotation.__args__[0]
    names = {"id", *COUNTS} if endpoint is resources.STATS else None
    return [["items", *place] for place in places(item, names)]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_field_that_is_read_exists(name):
    answer = SCHEMAS[method(name)["response"]["$ref"]]
    item = SCHEMAS[answer["properties"]["items"]["items"]["$ref"]]

    for _items, *place in read_of(ENDPOINTS[name]):
        assert resolved(item, place), place


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_field_that_is_read_is_asked_for_and_so_is_its_part(name):
    """A field that the mask or the parts leave out would be unknown for ever."""
    endpoint = ENDPOINTS[name]
    fields, parts = masks.parsed(endpoint.fields), {"id", *endpoint.part.split(",")}

    for place in read_of(endpoint):
        left = fields
        for step in place:
            assert step in left, place
            left = left[step]
            if not left:  # asked for whole, with all that is in it
                break
        assert place[1] in parts, place


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_field_of_a_mask_and_every_part_exists(name):
    answer = SCHEMAS[method(name)["response"]["$ref"]]

    def check(fields, schema):
        for field, below in fields.items():
            found = schema["properties"][field]
            if below:
                check(below, SCHEMAS[(found.get("items") or found)["$ref"]])

    check(masks.parsed(ENDPOINTS[name].fields), answer)
    item = SCHEMAS[answer["properties"]["items"]["items"]["$ref"]]
    assert set(ENDPOINTS[name].part.split(",")) <= set(item["properties"])


def test_the_parts_of_a_page_that_are_read_exist():
    answer = SCHEMAS["SearchListResponse"]

    for place in places(resources.Listing, {"next_page_token", "total_results"}):
        assert resolved(answer, place)


def test_every_thumbnail_size_that_exists_is_known():
    known = {resources.UPRIGHT, *resources.USUAL_WIDTHS}

    assert known == set(SCHEMAS["ThumbnailDetails"]["properties"])
    assert set(resources.Thumbnail.model_fields) <= set(SCHEMAS["Thumbnail"]["properties"])


@pytest.mark.parametrize("ask", ASKED)
def test_every_parameter_that_is_sent_exists(sandbox, client, ask):
    with suppress(HandlerSignal):
        ASKED[ask](client)

    (request,) = sandbox.requests
    name = next(
        name for name in ENDPOINTS if request.call in {name.removesuffix(".list"), name.split(".")[1]}
    )
    known = method(name)["parameters"]
    assert set(request.params) <= set(known) | set(DOCUMENT["parameters"])
    for parameter, values in request.params.items():
        allowed = known.get(parameter, {}).get("enum")
        assert allowed is None or set(values) <= set(allowed)


def test_every_question_that_a_task_can_ask_is_covered():
    assert {name for name in vars(Calls) if not name.startswith("_")} == set(ASKED)
    assert None not in WHOLE.parameters().values()
