"""The plugin as a worker sees it: hooks, settings, readiness, demo."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from datetime import datetime
from pathlib import Path

import pytest

from prismq_worker_sdk.cli.handlers import ready_handlers
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.plugin_settings import plugin_settings
from prismq_worker_sdk.testing import HandlerHarness
from prismq_youtube_shorts.analyze_trends import AnalyzeTrends
from prismq_youtube_shorts.client import YouTube
from prismq_youtube_shorts.errors import Misconfigured
from prismq_youtube_shorts.plugin import prismq_demo
from prismq_youtube_shorts.quota import Bucket
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts
from prismq_youtube_shorts.settings import YouTubeSettings


def ready() -> str | None:
    handler = ScrapeShorts()
    handler.settings = YouTubeSettings()
    return handler.ready()


def test_the_entry_point_gives_handler_and_settings():
    (plugin,) = load(["youtube_shorts"]).loaded

    assert [handler.task_type for handler in plugin.handlers] == [
        "PrismQ.YouTube.ScrapeShorts",
        "PrismQ.YouTube.AnalyzeTrends",
    ]
    assert plugin.settings_classes == (YouTubeSettings,)


NULL, INSTANT = {"type": "null"}, {"type": "string", "format": "date-time"}


def test_the_published_parameters_are_the_missions_and_optional_ones():
    handler, *_ = load(["youtube_shorts"]).handlers

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
        "language": {"anyOf": [{"type": "string", "pattern": "^[a-z]{2}$"}, NULL], "default": "en"},
        "region_code": {"anyOf": [{"type": "string", "pattern": "^[A-Z]{2}$"}, NULL], "default": None},
        "order": {
            "type": "string",
            "default": "relevance",
            "enum": ["relevance", "date", "viewCount", "rating", "title"],
        },
        "published_after": {"anyOf": [INSTANT, NULL], "default": None},
        "published_before": {"anyOf": [INSTANT, NULL], "default": None},
        "safe_search": {
            "type": "string",
            "default": "moderate",
            "enum": ["moderate", "none", "strict"],
        },
        "channel_id": {
            "anyOf": [{"type": "string", "pattern": "^UC[0-9A-Za-z_-]{22}$"}, NULL],
            "default": None,
        },
        "include_unverified": {"type": "boolean", "default": False},
        "include_channels": {"type": "boolean", "default": False},
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
    shown = prismq_demo()
    try:
        endpoint = shown.environment["YOUTUBE_API_ENDPOINT"]
        address = f"{endpoint}youtube/v3/search?part=snippet&key={shown.environment['YOUTUBE_API_KEY']}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=10) as answer:
            assert json.load(answer)["items"]
        kept = Path(shown.environment["YOUTUBE_STATE_DIR"])
        assert kept.is_dir()
    finally:
        shown.close()

    assert not kept.exists()
    assert "local stand-in" in shown.note
    assert "YOUTUBE_API_KEY is not set" in shown.note


def test_the_demo_asks_the_real_youtube_when_there_is_a_key(monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "canary-key")

    shown = prismq_demo()
    shown.close()

    assert shown.environment == {}
    assert "https://youtube.googleapis.com/ is asked for real" in shown.note
    assert "canary-key" not in shown.note


def test_the_demo_has_three_tasks_that_fit_and_a_table_for_their_results(sandbox, monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "some-key")
    handler, _ = load(["youtube_shorts"]).handlers

    shown = prismq_demo()

    assert len(shown.tasks) == 3
    for task in shown.tasks:
        assert task.type == handler.task_type
        handler.params.parse(task.params)
    short = {"title": "T", "channel": "C", "duration_seconds": 5, "url": "U"}
    assert shown.rows({"shorts": [short]}) == [{"Short": "T", "Channel": "C", "Seconds": "5", "Link": "U"}]


def test_the_result_schema_is_published_beside_that_of_the_parameters():
    for handler in load(["youtube_shorts"]).handlers:
        assert handler.result_schema["$schema"] == handler.params.schema["$schema"]
        assert handler.result_schema["required"][1] == "total_found"


def test_listing_plugins_and_their_quotas_imports_nothing_of_google(tmp_path):
    """Its import costs 0.3 s and 30 MB: no start of a worker, and no listing, pays that."""
    code = """
import sys
from prismq_worker_sdk.cli import main
code = main(["plugins", *sys.argv[1:]])
heavy = {name.partition(".")[0] for name in sys.modules} & {"googleapiclient", "httplib2", "google", "sqlalchemy"}
sys.exit(f"{code} {heavy}" if code or heavy else 0)
"""
    environment = {"YOUTUBE_API_KEY": "some-key", "HOME": str(tmp_path), "YOUTUBE_STATE_DIR": str(tmp_path)}
    for arguments in (["--plugin", "youtube_shorts"], ["--quota"], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_handlers_share_one_ledger_and_tell_their_quotas(monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "some-key")
    settings = YouTubeSettings()
    one, other = (handler.with_settings(settings) for handler in load(["youtube_shorts"]).handlers)

    assert one.quotas() == other.quotas()
    assert [quota.limit for quota in one.quotas()] == [95, 9_500, 9_500]
    assert all(quota.resets_at > datetime.now(UTC) for quota in one.quotas())


def test_without_a_key_there_are_no_quotas_to_tell():
    assert ScrapeShorts().quotas() == ()


def test_a_type_whose_bucket_is_empty_is_not_claimed_by_any_worker_of_the_machine(
    sandbox, make_youtube, handler_of
):
    youtube = make_youtube(sandbox)
    youtube.ledger.block(Bucket.SEARCH)

    assert "search quota is used up" in handler_of(ScrapeShorts, youtube).ready()
    assert handler_of(AnalyzeTrends, youtube).ready() is None


def test_keys_of_a_named_project_share_its_quota(sandbox, make_youtube):
    one = make_youtube(sandbox, key="one", project="ours")
    other = make_youtube(sandbox, key="other", project="ours")
    alone = make_youtube(sandbox, key="one")
    one.ledger.spend(Bucket.SEARCH)

    assert (other.ledger.quota(Bucket.SEARCH).used, alone.ledger.quota(Bucket.SEARCH).used) == (1, 0)


def test_every_setting_is_on_the_plugins_page():
    page = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

    for name in YouTubeSettings.model_fields:
        assert f"`{name.upper()}`" in page or f"`{name.upper()}," in page, name


def test_every_parameter_is_on_the_plugins_page():
    page = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

    for handler in load(["youtube_shorts"]).handlers:
        for name in handler.params.schema["properties"]:
            assert f"`{name}`" in page, f"{name} of {handler.task_type}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("YOUTUBE_CACHE_LIFETIME", "31d"),
        ("YOUTUBE_CACHE_LIFETIME", "soon"),
        ("YOUTUBE_MAX_PAGES", "0"),
        ("YOUTUBE_MAX_PAGES", "11"),
        ("YOUTUBE_DAILY_SEARCH_BUDGET", "-1"),
        ("YOUTUBE_MAX_DESCRIPTION_CHARS", "5001"),
        ("YOUTUBE_DERIVED_METRICS", "perhaps"),
        ("YOUTUBE_API_ENDPOINT", "http://127.0.0.1:99999/"),
        ("YOUTUBE_API_ENDPOINT", "http://[::1/"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_its_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        plugin_settings(YouTubeSettings)


def test_the_state_is_kept_in_the_workers_state_folder_unless_told(monkeypatch, tmp_path):
    monkeypatch.delenv("YOUTUBE_STATE_DIR")
    monkeypatch.setenv("PRISMQ_WORKER_STATE_DIR", str(tmp_path))

    assert YouTubeSettings().youtube_state_dir == tmp_path / "plugins" / "youtube_shorts"


@pytest.mark.parametrize("written", ["\ufeffsome-key\r\n", "  some-key ", "some-key\n"])
def test_a_key_is_taken_as_it_was_meant(monkeypatch, tmp_path, written):
    monkeypatch.setenv("YOUTUBE_API_KEY", written)
    assert YouTubeSettings().youtube_api_key.get_secret_value() == "some-key"

    monkeypatch.delenv("YOUTUBE_API_KEY")
    (tmp_path / "key").write_text(written, encoding="utf-8")
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(tmp_path / "key"))
    assert YouTubeSettings().youtube_api_key.get_secret_value() == "some-key"


def test_a_blank_key_is_none(monkeypatch):
    monkeypatch.setenv("YOUTUBE_API_KEY", "  ")

    assert ready() is not None


def test_what_is_past_its_time_goes_while_the_worker_waits(sandbox, make_youtube, handler_of, clock):
    youtube = make_youtube(sandbox)
    youtube.cache.refuse_language("xx")
    handler = handler_of(ScrapeShorts, youtube)
    clock.turn(days=31)
    handler.ready()

    rows = youtube.file.run(lambda db: db.execute("SELECT count(*) FROM languages").fetchone()[0], -1)
    assert rows == 0


def test_a_stand_in_spends_nothing_of_a_named_project(sandbox, make_youtube):
    local = make_youtube(sandbox, project="ours")
    real = YouTube(YouTubeSettings(youtube_api_key="k", youtube_project="ours"), now=local.now)
    local.ledger.block(Bucket.SEARCH)

    assert real.ledger.used_up(Bucket.SEARCH) is None
    real.close()


def test_a_key_that_is_changed_in_its_file_is_used_by_the_next_task(sandbox, monkeypatch, tmp_path):
    key = tmp_path / "key"
    key.write_text("a-wrong-key-to-begin-with")
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(key))
    monkeypatch.setenv("YOUTUBE_API_ENDPOINT", sandbox.url)
    scrape, *_ = ready_handlers(load(["youtube_shorts"]).loaded, [].append)

    refused = HandlerHarness(scrape).run({"search_query": "cooking"})
    assert isinstance(refused.error, Misconfigured)
    key.write_text(sandbox.key)
    assert HandlerHarness(scrape).run({"search_query": "cooking"}).completed
