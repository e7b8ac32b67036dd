"""The calls that the stand-in answers, by the names under which they are counted and disturbed."""

from __future__ import annotations

__all__ = ["BUCKETS", "CALLS", "DEFAULT_BUCKET"]

_ROOT = "/youtube/v3/"

CALLS: dict[str, str] = {
    f"{_ROOT}search": "search",
    f"{_ROOT}videos": "videos",
    f"{_ROOT}videos:batchGetStats": "batchGetStats",
    f"{_ROOT}channels": "channels",
    f"{_ROOT}playlistItems": "playlistItems",
    f"{_ROOT}videoCategories": "videoCategories",
    f"{_ROOT}i18nLanguages": "i18nLanguages",
    f"{_ROOT}i18nRegions": "i18nRegions",
}
"""The name of a call by its path."""

DEFAULT_BUCKET = "default"
BUCKETS: dict[str, str] = {"search": "search", "batchGetStats": "stats"}
"""The quota that a call uses up; all others share DEFAULT_BUCKET."""
