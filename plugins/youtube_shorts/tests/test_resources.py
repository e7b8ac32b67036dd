"""What is read out of the API's answers where they leave a choice."""

from __future__ import annotations

import pytest

from prismq_youtube_shorts.resources import Channel, Video

SIZES = {
    "the widest": ({"high": 800, "default": 88, "new in some year": 1600}, "new in some year"),
    "by its usual width where none is told": ({"maxres": None, "uhd": None, "fhd": None}, "uhd"),
    "a told width before a usual one": ({"maxres": 100, "high": None}, "high"),
    "an unknown one for want of another": ({"some": None}, "some"),
}


def told(sizes):
    named = {name: {"url": name} | ({"width": width} if width else {}) for name, width in sizes.items()}
    return {"id": "x", "snippet": {"thumbnails": named}}


@pytest.mark.parametrize("model", [Video, Channel])
@pytest.mark.parametrize("case", SIZES)
def test_the_widest_picture_is_given_whatever_its_name(model, case):
    sizes, best = SIZES[case]

    assert model.model_validate(told(sizes)).thumbnail_url == best


def test_the_upright_picture_is_the_best_one_of_a_short():
    assert (
        Video.model_validate(told({"uhd": 3840, "shortsAspectRatio": 405})).thumbnail_url
        == "shortsAspectRatio"
    )


def test_a_picture_without_an_address_is_none():
    nothing = {"id": "x", "snippet": {"thumbnails": {"uhd": {"width": 3840}}}}

    assert Channel.model_validate(nothing).thumbnail_url is None
    assert Video.model_validate(nothing).thumbnail_url == "https://i.ytimg.com/vi/x/hqdefault.jpg"
