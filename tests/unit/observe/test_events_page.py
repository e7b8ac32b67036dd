"""The page of events has every event, with the words by which the log names it."""

import re
from pathlib import Path
from typing import get_args

import pytest

from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.testing import FakeClock

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "events.md"
ROWS = [
    (set(re.findall(r"`(\w+)`", events)), set(re.findall(r"`(\w+)`", words)))
    for events, words in re.findall(
        r"^\| (`[A-Z][^|]*) \| ([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
]


def test_the_page_lists_every_event():
    listed = [name for events, _ in ROWS for name in events]

    assert sorted(listed) == sorted(event.__name__ for event in get_args(ev.Event))


@pytest.mark.parametrize(("events", "words"), ROWS)
def test_the_page_names_each_event_as_the_log_does(events, words, every_event, logs):
    logs.set_up()
    log = EventLog(FakeClock())
    for event in every_event():
        if type(event).__name__ in events:
            log(event)

    said = {line["event"] for line in logs.lines}
    assert said - {"phase_running"} == words  # a worker that begins changes no phase
