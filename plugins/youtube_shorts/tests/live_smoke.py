"""One look at the real YouTube: a search call and a unit. Not part of `make test`; `make smoke` runs it.

Needs YOUTUBE_API_KEY and the network. It tells what no stand-in can: whether the API still answers as it is read.
"""

from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from prismq_worker_sdk.testing import HandlerHarness
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.settings import YouTubeSettings

KEY = os.environ.get("YOUTUBE_API_KEY")


def test_the_real_youtube_answers_as_it_is_read(tmp_path):
    if not KEY:
        pytest.fail(
            "set YOUTUBE_API_KEY to a key of the YouTube Data API v3; this costs 1 search call, 1 unit"
        )
    settings = YouTubeSettings(
        youtube_api_key=SecretStr(KEY), youtube_state_dir=tmp_path, youtube_max_pages=1
    )

    found = HandlerHarness(ScrapeShorts(), settings=settings).run({"search_query": "cooking"})

    assert found.completed, found.error
    result = found.result
    assert KEY not in repr(found)
    assert (result["quota"]["search_calls"], result["quota"]["units"]) == (1, 1)
    assert result["stats"]["candidates"] > 0
    assert result["shorts"], result["stats"]
    for short in result["shorts"]:
        assert short["aspect_ratio"]
        assert 0 < short["duration_seconds"] <= 181
    print(result["stats"])
