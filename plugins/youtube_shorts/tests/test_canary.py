"""The API key shows up in no result, log, error, report or file of a real worker, whatever goes wrong."""

from __future__ import annotations

import json
import logging
import threading

import pytest
from pydantic import SecretStr

from prismq_worker_sdk import TaskManagerClient, Worker, WorkerSettings
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.model.events import ReportSettled
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.server import RunningServer
from prismq_youtube_shorts.settings import YouTubeSettings

CANARY = "AIzaCanaryThatNobodyMaySee-0123456789abc"
DAYS = (
    "",
    "key_bad",
    "key_expired",
    "key_blocked",
    "not_enabled",
    "search_quota_day",
    "rate_minute",
    "page_token",
    "filter",
    "http_503",
    "html_403",
    "html_200",
    "moved",
    "not_utf8",
    "odd_types",
    "truncated",
    "reset",
    "hang_up",
)


@pytest.fixture
def taskmanager(tmp_path):
    with RunningServer(TaskManagerConfig(database=str(tmp_path / "taskmanager.db"), port=0)) as server:
        yield server


@pytest.fixture
def one_day(tmp_path, taskmanager, make_sandbox):
    """A worker that lives for one task; gives the task as the server has it then."""
    client = TaskManagerClient(taskmanager.url)

    def live(fault):
        folder = tmp_path / (fault or "good")
        sandbox = make_sandbox(key=CANARY)
        if fault:
            sandbox.faults.add(fault, times=None)
        settings = YouTubeSettings(
            youtube_api_key=SecretStr(CANARY),
            youtube_api_endpoint=sandbox.url,
            youtube_state_dir=folder / "youtube",
        )
        settled = threading.Event()
        worker = Worker(
            [handler.with_settings(settings) for handler in load(["youtube_shorts"]).handlers],
            settings=WorkerSettings(api_url=taskmanager.url, state_dir=folder / "state", poll_interval=0.2),
            listeners=[lambda event: settled.set() if isinstance(event, ReportSettled) else None],
        )
        params = {"search_query": f"cooking {fault}", "max_results": 2, "include_channels": True}
        handle = client.submit("PrismQ.YouTube.ScrapeShorts", params, max_attempts=1)
        with worker:
            assert settled.wait(30), fault
        assert CANARY in sandbox.requests[0].params["key"]
        task = client.get(handle.id)
        if not task.status.finished:
            client.cancel(handle.id)
        return task

    return live


def test_the_key_is_in_no_sink_of_a_worker_on_any_day(tmp_path, one_day, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    tasks = {day: one_day(day) for day in DAYS}

    assert tasks[""].result["total_found"] == 2
    assert sum(task.error is not None for task in tasks.values()) >= 8
    said = capfd.readouterr()
    sinks = {
        "results and errors": json.dumps({day: str(task) for day, task in tasks.items()}),
        "logs": caplog.text,
        "output": said.out + said.err,
        **{str(path): path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()},
    }
    assert [name for name, text in sinks.items() if CANARY in text] == []
    assert "URL being requested" in sinks["logs"]
    assert {"youtube.db", "outbox.db", "taskmanager.db"} <= {name.rpartition("/")[2] for name in sinks}
