"""What `prismq-worker demo` shows of this plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from prismq_worker_sdk import Demo, DemoTask
from prismq_youtube_shorts.sandbox import SANDBOX_KEY, Sandbox
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.settings import YouTubeSettings

__all__ = ["TASKS", "demo", "rows"]

TASKS = (
    DemoTask(ScrapeShorts.task_type, {"search_query": "cooking tips", "max_results": 5}),
    DemoTask(
        ScrapeShorts.task_type, {"search_query": "science experiment", "max_results": 5, "language": "de"}
    ),
    DemoTask(ScrapeShorts.task_type, {"search_query": "startup ideas"}),
)


def demo(settings: YouTubeSettings) -> Demo:
    """Asks the real YouTube where a key is set; else starts the stand-in and points the plugin at it."""
    if settings.youtube_api_key is not None:
        note = (
            f"YOUTUBE_API_KEY is set, so {settings.youtube_api_endpoint} is asked for real: "
            "each task costs 1 to 3 of the project's 100 searches a day."
        )
        return Demo(tasks=TASKS, rows=rows, note=note)
    sandbox = Sandbox().start()
    kept = TemporaryDirectory(prefix="prismq-youtube-", ignore_cleanup_errors=True)

    def close() -> None:
        sandbox.close()
        kept.cleanup()

    return Demo(
        environment={
            "YOUTUBE_API_KEY": SANDBOX_KEY,
            "YOUTUBE_API_ENDPOINT": sandbox.url,
            "YOUTUBE_STATE_DIR": kept.name,
        },
        tasks=TASKS,
        rows=rows,
        close=close,
        note=(
            f"YOUTUBE_API_KEY is not set, so a local stand-in of the YouTube API is asked at {sandbox.url}: "
            "Google's client, real HTTP, invented videos. Set YOUTUBE_API_KEY to ask the real YouTube."
        ),
    )


def rows(result: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    """A result of ScrapeShorts as rows of a table."""
    return [
        {
            "Short": short["title"],
            "Channel": short["channel"],
            "Seconds": str(short["duration_seconds"]),
            "Link": short["url"],
        }
        for short in result["shorts"]
    ]
