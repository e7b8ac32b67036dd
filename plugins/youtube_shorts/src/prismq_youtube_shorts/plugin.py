"""The plugin: what `prismq-worker --plugin youtube_shorts` finds."""

from __future__ import annotations

from prismq_worker_sdk import Demo, PluginSettings, TaskHandler, hookimpl
from prismq_youtube_shorts.analyze_trends import AnalyzeTrends
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.settings import YouTubeSettings
from prismq_youtube_shorts.youtube import SharedYouTube

__all__ = ["prismq_demo", "prismq_plugin_settings", "prismq_task_handlers"]


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
    """Three sample tasks, and a stand-in of YouTube where no key is set."""
    from prismq_youtube_shorts.demo import demo  # noqa: PLC0415 - the stand-in is for the demo alone

    return demo(YouTubeSettings())
