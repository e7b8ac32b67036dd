"""Claims that wait look again at every news, also at what comes while they look."""

import asyncio

from prismq_worker_sdk.taskmanager import waiting
from prismq_worker_sdk.taskmanager.waiting import Waiting


async def never():
    return False


def found_by(waits, look, *, news=None):
    """What a wait of a few seconds finds."""
    place = waits.wait(("w1", "r1"), 5.0, look, never, news or waits.news)
    return asyncio.run(asyncio.wait_for(place, 20))


def test_a_task_that_comes_while_a_wait_looks_is_found_by_the_next_look(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_EVERY", 60.0)
    waits, looks = Waiting(), []

    async def look():
        looks.append(True)
        if len(looks) == 1:
            waits.notify()
            return None
        return {"tasks": ["t1"]}

    before = waits.news
    waits.notify()
    assert found_by(waits, look, news=before) == {"tasks": ["t1"]}


def test_a_task_that_came_before_the_wait_began_is_found_at_once(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_EVERY", 60.0)
    waits = Waiting()

    async def look():
        return {"tasks": ["t1"]}

    before = waits.news
    waits.notify()
    assert found_by(waits, look, news=before) == {"tasks": ["t1"]}
