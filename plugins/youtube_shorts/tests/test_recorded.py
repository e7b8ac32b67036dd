"""Answers as YouTube gave them, ids and texts invented: each task comes out as its record says."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plugins.youtube_shorts.tests.recorded import faults, records
from prismq_worker_sdk.compat import UTC
from prismq_youtube_shorts.client import YouTube

FOLDER = Path(os.environ.get("RECORDS") or Path(__file__).parent / "records")
RECORDS = records(FOLDER)


@pytest.mark.parametrize("name", RECORDS)
def test_a_task_on_recorded_answers_comes_out_right(name, youtube_at):
    assert faults(RECORDS[name], youtube_at) == []


@pytest.fixture
def youtube_at(
    make_youtube: Callable[..., YouTube], handler_of: Callable[..., Any], clock: Any
) -> Callable[..., Any]:
    clock.now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)

    def make(server: Any, **settings: Any) -> Any:
        youtube = make_youtube(server, **settings)
        return youtube, lambda handler: handler_of(handler, youtube)

    return make
