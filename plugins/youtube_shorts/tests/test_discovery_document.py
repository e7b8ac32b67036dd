"""What is asked and read exists in the API's description that the installed client carries."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from prismq_youtube_shorts import answers
from prismq_youtube_shorts.answers import SEARCH_FIELDS, VIDEO_FIELDS, VIDEO_PARTS, Answer

DOCUMENT = json.loads(
    files("googleapiclient").joinpath("discovery_cache/documents/youtube.v3.json").read_text(encoding="utf-8")
)
SCHEMAS = DOCUMENT["schemas"]


@pytest.mark.parametrize("model", Answer.__subclasses__(), ids=lambda model: model.__name__)
def test_every_field_that_is_read_exists(model):
    read = {field.alias or name for name, field in model.model_fields.items()}

    assert read <= set(SCHEMAS[model.__name__]["properties"])


def test_every_thumbnail_size_that_is_looked_for_exists():
    assert set(answers._THUMBNAILS) <= set(SCHEMAS["ThumbnailDetails"]["properties"])


@pytest.mark.parametrize("resource", ["search", "videos"])
def test_every_parameter_that_is_sent_exists(sandbox, client, resource):
    client.search("cooking", language="en")
    page = client.search("cooking", language="en", page_token=client.search("cooking").next_page_token)
    client.videos(page.video_ids)

    method = DOCUMENT["resources"][resource]["methods"]["list"]["parameters"]
    sent = {
        name: values
        for asked in sandbox.requests
        if asked.call == resource
        for name, values in asked.params.items()
    }
    assert set(sent) <= set(method) | set(DOCUMENT["parameters"])
    for name, values in sent.items():
        allowed = method.get(name, {}).get("enum")
        assert allowed is None or set(values) <= set(allowed)
    assert len(sent) >= 5


def test_every_field_of_the_masks_and_every_part_exists():
    known = {name for schema in SCHEMAS.values() for name in schema.get("properties", {})}

    assert set(re.findall(r"\w+", f"{SEARCH_FIELDS},{VIDEO_FIELDS}")) <= known
    assert set(VIDEO_PARTS.split(",")) <= set(SCHEMAS["Video"]["properties"])
