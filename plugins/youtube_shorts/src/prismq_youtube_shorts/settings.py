"""What the plugin is told from outside: the key, the address, what may be spent, what is kept."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from prismq_worker_sdk import PluginSettings
from prismq_worker_sdk.plugin_settings import Duration
from prismq_worker_sdk.settings import plugin_state_dir
from prismq_youtube_shorts.cache import MAX_SECONDS

GOOGLE = "https://youtube.googleapis.com/"


def _stripped(value: object) -> object:
    """A key as it was meant: copied with a line end, or with the mark that Windows puts before a text."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return value.strip(" \t\r\n\ufeff") or None if isinstance(value, str) else value


def _address(value: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(value)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return value
    raise ValueError(f"is no address; write for example {GOOGLE}")


class YouTubeSettings(PluginSettings):
    """Each field comes from the variable of its name in capitals; the key from YOUTUBE_API_KEY_FILE too."""

    youtube_api_key: Annotated[SecretStr | None, BeforeValidator(_stripped)] = Field(
        None, description="API key of a project with YouTube Data API v3"
    )
    youtube_api_endpoint: Annotated[str, AfterValidator(_address)] = Field(
        GOOGLE, description="Where the API is"
    )
    youtube_project: str = Field(
        "", max_length=100, description="Name of the Google project; keys of one project share its quota"
    )
    youtube_state_dir: Path = Field(
        default_factory=partial(plugin_state_dir, "youtube_shorts"),
        description="Where spent quota and read pages are kept",
    )
    youtube_daily_search_budget: int = Field(95, ge=0, description="Calls of search.list a day; Google: 100")
    youtube_daily_unit_budget: int = Field(
        9_500, ge=0, description="Units a day for all other calls; Google: 10,000"
    )
    youtube_daily_stats_budget: int = Field(
        9_500, ge=0, description="Calls of videos.batchGetStats a day; Google: 10,000"
    )
    youtube_cache_lifetime: Duration = Field(
        6 * 3600.0, le=MAX_SECONDS, description="How long a read page answers the same search; 0: never"
    )
    youtube_max_pages: int = Field(3, ge=1, le=10, description="Search pages of 50 that a task may read")
    youtube_max_description_chars: int = Field(
        5_000, ge=0, le=5_000, description="Longer descriptions are cut"
    )
    youtube_derived_metrics: bool = Field(
        default=False, description="Whether AnalyzeTrends may derive metrics (Developer Policies III.E.4.h)"
    )
