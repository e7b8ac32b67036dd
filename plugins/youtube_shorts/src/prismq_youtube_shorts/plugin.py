"""The plugin: what `prismq-worker --plugin youtube_shorts` finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any

from prismq_worker_sdk import Demo, DemoTask, PluginSettings, TaskHandler, hookimpl
from prismq_youtube_shorts.analyze_trends import AnalyzeTrends
from prismq_youtube_shorts.handler import SharedYouTube
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.settings import YouTubeSettings

DEMO_TASKS = tuple(
    DemoTask(ScrapeShorts.task_type, params)
    for params in (
        {"search_query": "cooking tips", "max_results": 5},
        {"search_query": "science experiment", "max_results": 5, "language": "de"},
        {"search_query": "startup ideas"},
    )
)
COLUMNS = {"Short": "title", "Channel": "channel", "Seconds": "duration_seconds", "Link": "url"}


@hookimpl
def prismq_task_handlers() -> list[TaskHandler]:
    """The handlers of this plugin; they share one client and one ledger."""
    shared = SharedYouTube()
    return [ScrapeShorts(shared), AnalyzeTrends(shared)]


@hookimpl
def prismq_plugin_settings() -> type[PluginSettings]:
    """The settings of this plugin."""
    return YouTubeSettings


@hookimpl
def prismq_demo() -> Demo:
    """Three sample tasks for the real YouTube where a key is set, else for a stand-in that is started here."""
    settings = YouTubeSettings()
    if settings.youtube_api_key is not None:
        note = (
            f"YOUTUBE_API_KEY is set, so {settings.youtube_api_endpoint} is asked for real: "
            "each task costs 1 to 3 of the project's 100 searches a day."
        )
        return Demo(tasks=DEMO_TASKS, rows=_rows, note=note)

    from prismq_youtube_shorts.sandbox import Sandbox  # noqa: PLC0415 - the stand-in is for the demo alone

    ends = ExitStack()
    folder = ends.enter_context(TemporaryDirectory(prefix="prismq-youtube-", ignore_cleanup_errors=True))
    sandbox = ends.enter_context(Sandbox())
    return Demo(
        environment={
            "YOUTUBE_API_KEY": sandbox.key,
            "YOUTUBE_API_ENDPOINT": sandbox.url,
            "YOUTUBE_STATE_DIR": folder,
        },
        tasks=DEMO_TASKS,
        rows=_rows,
        close=ends.close,
        note=(
            f"YOUTUBE_API_KEY is not set, so a local stand-in of the YouTube API is asked at {sandbox.url}: "
            "Google's client, real HTTP, invented videos. Set YOUTUBE_API_KEY to ask the real YouTube."
        ),
    )


def _rows(result: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    """A result of ScrapeShorts as rows of a table."""
    return [{column: str(short[name]) for column, name in COLUMNS.items()} for short in result["shorts"]]
