"""The plugin as a worker sees it: hooks, settings, readiness, demo."""

from __future__ import annotations

import json
import urllib.request

import pytest

from prismq_worker_sdk.handlers.discovery import load
from prismq_youtube_shorts.demo import demo
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.settings import YouTubeSettings

VARIABLES = ("YOUTUBE_API_KEY", "YOUTUBE_API_KEY_FILE", "YOUTUBE_API_ENDPOINT")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def ready() -> str | None:
    handler = ScrapeShorts()
    handler.settings = YouTubeSettings()
    return handler.ready()


def test_the_entry_point_gives_handler_and_settings():
    (plugin,) = load(["youtube_shorts"]).loaded

    assert [handler.task_type for handler in plugin.handlers] == ["PrismQ.YouTube.ScrapeShorts"]
    assert plugin.settings_classes == (YouTubeSettings,)


def test_the_published_parameters_are_the_missions():
    (handler,) = load(["youtube_shorts"]).handlers

    schema = handler.params.schema
    assert schema["required"] == ["search_query"]
    assert schema["additionalProperties"] is False
    told = {
        name: {key: value for key, value in field.items() if key not in {"title", "description"}}
        for name, field in schema["properties"].items()
    }
    assert told == {
        "search_query": {"type": "string", "minLength": 1, "maxLength": 200},
        "max_results": {"type": "integer", "default": 10, "minimum": 1, "maximum": 50},
        "language": {"type": "string", "default": "en", "pattern": "^[a-z]{2}$"},
    }


def test_without_a_key_the_type_is_not_claimed_and_the_message_names_the_variable():
    assert "set YOUTUBE_API_KEY (or YOUTUBE_API_KEY_FILE)" in ready()


def test_a_key_makes_it_ready(monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "some-key")

    assert ready() is None


def test_a_key_in_a_file_makes_it_ready(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("some-key\n", encoding="utf-8")
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(tmp_path / "key"))

    assert ready() is None
    assert YouTubeSettings().youtube_api_key.get_secret_value() == "some-key"


def test_an_embedding_program_that_gives_no_settings_gets_those_of_the_environment(monkeypatch):
    assert ScrapeShorts().ready() is not None

    monkeypatch.setenv("YOUTUBE_API_KEY", "some-key")
    assert ScrapeShorts().ready() is None


def test_the_endpoint_is_googles_unless_set(monkeypatch):
    assert YouTubeSettings().youtube_api_endpoint == "https://youtube.googleapis.com/"

    monkeypatch.setenv("YOUTUBE_API_ENDPOINT", "http://127.0.0.1:1")
    assert YouTubeSettings().youtube_api_endpoint == "http://127.0.0.1:1"

    monkeypatch.setenv("YOUTUBE_API_ENDPOINT", "youtube.googleapis.com")
    with pytest.raises(ValueError, match="youtube_api_endpoint"):
        YouTubeSettings()


def test_settings_do_not_show_the_key(monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "canary-key")

    assert "canary-key" not in repr(YouTubeSettings())


def test_the_demo_starts_a_stand_in_and_says_so_when_there_is_no_key():
    shown = demo(YouTubeSettings())
    try:
        endpoint = shown.environment["YOUTUBE_API_ENDPOINT"]
        address = f"{endpoint}youtube/v3/search?part=snippet&key={shown.environment['YOUTUBE_API_KEY']}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=10) as answer:
            assert json.load(answer)["items"]
    finally:
        shown.close()

    assert "local stand-in" in shown.note
    assert "YOUTUBE_API_KEY is not set" in shown.note


def test_the_demo_asks_the_real_youtube_when_there_is_a_key(monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "canary-key")

    shown = demo(YouTubeSettings())
    shown.close()

    assert shown.environment == {}
    assert "https://youtube.googleapis.com/ is asked for real" in shown.note
    assert "canary-key" not in shown.note


def test_the_demo_has_three_tasks_that_fit_and_a_table_for_their_results(sandbox, monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "some-key")
    (handler,) = load(["youtube_shorts"]).handlers

    shown = demo(YouTubeSettings())

    assert len(shown.tasks) == 3
    for task in shown.tasks:
        assert task.type == handler.task_type
        handler.params.parse(task.params)
    short = {"title": "T", "channel": "C", "duration_seconds": 5, "url": "U"}
    assert shown.rows({"shorts": [short]}) == [{"Short": "T", "Channel": "C", "Seconds": "5", "Link": "U"}]
