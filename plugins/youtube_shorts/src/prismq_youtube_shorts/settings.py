"""What the plugin is told from outside: the key and the address."""

from __future__ import annotations

from pydantic import Field, SecretStr

from prismq_worker_sdk import PluginSettings
from prismq_youtube_shorts.client import GOOGLE

__all__ = ["YouTubeSettings"]


class YouTubeSettings(PluginSettings):
    """`YOUTUBE_API_KEY` (or `YOUTUBE_API_KEY_FILE`) and `YOUTUBE_API_ENDPOINT`."""

    youtube_api_key: SecretStr | None = Field(
        None, description="API key of a project with YouTube Data API v3"
    )
    youtube_api_endpoint: str = Field(GOOGLE, pattern="^https?://", description="Where the API is")
