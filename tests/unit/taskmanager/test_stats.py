"""Numbers that are right whatever was counted before, and what is made of them for autoscalers and Prometheus."""

import asyncio
import re

import pytest

from prismq_worker_sdk.taskmanager.counting import KEPT_MINUTES, keep_counting
from prismq_worker_sdk.taskmanager.prometheus import Calls
from prismq_worker_sdk.taskmanager.retention import delete_old
from prismq_worker_sdk.taskmanager.stats import REST, SLOW, Recent, Stats
from tests.support.api import TYPE

OTHER = "Test.Other"


def numbers(api, task_type=TYPE):
    return api.call("GET", "/stats").json()["types"].get(task_type)


def ended(api, *, failed=0, completed=0, task_type=TYPE):
    for number in range(failed + completed):
        task_id = api.submit(task_type, max_attempts=1)
        assert api.claim(types=[task_type])["id"] == task_id
        assert (api.fail if number < failed else api.complete)(task_id) == 200


def test_what_waits_runs_and_is_postponed_is_told_apart(api):
    for _ in range(3):
        api.submit()
    api.submit(delay_seconds=60)
    api.claim()

    found = numbers(api)
    assert (found["queued"], found["running"], found["postponed"]) == (2, 1, 1)
    assert (found["pending"], found["processing"]) == (3, 1)


def test_the_oldest_task_waits_since_it_could_be_had(api):
    api.submit(delay_seconds=3600)
    api.clock.turn(1000)
    assert numbers(api)["oldest_pending_seconds"] == 0
    api.clock.turn(3000)
    api.claim(types=[OTHER])  # puts what is due into its queue
    assert numbers(api)["oldest_pending_seconds"] == pytest.approx(400)
    api.submit()
    api.clock.turn(10)
    assert numbers(api)["oldest_pending_seconds"] == pytest.approx(410)


def test_a_task_that_is_tried_again_waits_since_then(api):
    api.submit()
    api.claim()
    api.fail(api.call("GET", "/tasks").json()["tasks"][0]["id"])
    api.clock.turn(100)
    api.claim(types=[OTHER])
    assert numbers(api)["oldest_pending_seconds"] == pytest.approx(95)


def test_counting_changes_no_number(api):
    ended(api, completed=2, failed=1)
    api.clock.turn(30)
    ended(api, completed=1, task_type=OTHER)
    before = api.call("GET", "/stats").json()["types"]
    api.chore(keep_counting)
    assert api.call("GET", "/stats").json()["types"] == before

    api.clock.turn(600)
    api.chore(keep_counting)
    ended(api, completed=1)
    api.chore(keep_counting)
    found = numbers(api)
    assert (found["completed"], found["failed"]) == (3, 1)
    assert (found["completed_last_hour"], found["failed_last_hour"]) == (3, 1)
    assert numbers(api, OTHER)["completed_last_hour"] == 1


def test_the_last_hour_is_the_last_hour_whether_it_is_counted_or_not(api):
    ended(api, completed=1, failed=1)
    api.clock.turn(3000)
    ended(api, completed=1)
    api.chore(keep_counting)
    api.clock.turn(700)
    for _ in range(2):
        found = numbers(api)
        assert (found["completed_last_hour"], found["failed_last_hour"]) == (1, 0)
        assert (found["completed"], found["failed"]) == (2, 1)
        api.chore(keep_counting)


def test_a_failed_task_that_is_tried_again_is_not_failed_any_more(api):
    ended(api, failed=2)
    api.clock.turn(600)
    api.chore(keep_counting)
    task_id = api.call("GET", "/tasks?status=failed").json()["tasks"][0]["id"]
    api.call("POST", f"/tasks/{task_id}/retry")

    found = numbers(api)
    assert (found["failed"], found["queued"], found["failed_last_hour"]) == (1, 1, 2)


def test_completed_tasks_are_counted_for_ever_though_they_are_deleted(api):
    ended(api, completed=3)
    api.clock.turn(3 * 86400)
    api.chore(keep_counting)
    ended(api, completed=1)
    api.clock.turn(40 * 86400)
    api.chore(keep_counting)
    api.chore(delete_old)

    assert api.call("GET", "/tasks").json()["tasks"] == []
    assert numbers(api)["completed"] == 4
    assert numbers(api)["completed_last_hour"] == 0


def test_what_was_ever_made_never_becomes_less_by_deletion(api):
    def read():
        lines = api.call("GET", "/metrics").text.splitlines()
        names = ("taskmanager_tasks_created_total ", "taskmanager_claims_total ")
        return [line for line in lines if line.startswith(names)], numbers(api)["completed"]

    ended(api, completed=2, failed=1)
    before = read()
    for task in api.call("GET", "/tasks").json()["tasks"]:
        assert api.call("DELETE", f"/tasks/{task['id']}").status_code == 200
    assert read() == before
    api.clock.turn(300)
    api.chore(keep_counting)
    assert read() == before


def test_processes_behind_one_address_never_share_a_series():
    assert Calls().process != Calls().process


def test_many_minutes_are_caught_up_with_and_counted_once(api):
    for _ in range(70):
        ended(api, completed=1)
        api.clock.turn(60)
    api.clock.turn(60)
    for _ in range(2):
        api.chore(keep_counting)
    assert numbers(api)["completed"] == 70
    assert numbers(api)["completed_last_hour"] == pytest.approx(58, abs=2)
    api.clock.turn(2 * KEPT_MINUTES * 60)
    api.chore(keep_counting)
    assert numbers(api)["completed"] == 70


def test_the_sum_leaves_paused_types_out_of_the_backlog(api):
    api.submit()
    api.submit(OTHER)
    api.submit(OTHER)
    api.claim(types=[OTHER])
    api.call("POST", f"/task-types/{OTHER}/pause", {})
    total = api.call("GET", "/stats").json()["total"]

    assert (total["queued"], total["running"], total["backlog"]) == (2, 1, 2)


def test_an_autoscaler_asks_for_the_types_of_its_workers(api):
    api.submit()
    api.submit(OTHER)
    found = api.call("GET", f"/stats?type={TYPE}&type=Test.Never").json()

    assert set(found["types"]) == {TYPE, "Test.Never"}
    assert found["types"]["Test.Never"]["queued"] == 0
    assert found["total"]["backlog"] == 1


@pytest.mark.parametrize("query", ["type=", "type=1", "type=%00", "&".join(["type=A"] * 101)])
def test_types_that_are_none_are_refused(api, query):
    answer = api.call("GET", f"/stats?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_prometheus_reads_every_number(api):
    from prometheus_client.parser import text_string_to_metric_families

    ended(api, completed=1, failed=1)
    api.submit(delay_seconds=60)
    api.call("POST", "/tasks/exchange", {"worker_id": "w1"})
    api.call("GET", "/tasks/none")
    text = api.call("GET", "/metrics").text
    families = {one.name: one for one in text_string_to_metric_families(text)}

    def value(name, **labels):
        family = families[re.sub("_(total|count|bucket)$", "", name)]
        found = [one for one in family.samples if one.name == name and labels.items() <= one.labels.items()]
        return sum(one.value for one in found)

    for status, number in {"pending": 1, "processing": 0, "completed": 1, "failed": 1}.items():
        assert value("taskmanager_tasks", type=TYPE, status=status) == number
    assert value("taskmanager_tasks_postponed", type=TYPE) == 1
    assert value("taskmanager_oldest_pending_seconds", type=TYPE) == 0
    assert value("taskmanager_tasks_created_total") == 3
    assert value("taskmanager_claims_total") == 2
    assert value("taskmanager_workers") == 1
    assert value("taskmanager_type_paused", type=TYPE) == 0
    asked = {"method": "GET", "path": "/tasks/{task_id}", "status": "404"}
    assert value("taskmanager_http_requests_total", **asked) == 1
    del asked["status"]
    assert value("taskmanager_http_request_seconds_count", **asked) == 1
    assert value("taskmanager_http_request_seconds_bucket", **asked, le="+Inf") == 1
    assert all(one.documentation for one in families.values())


def waited(api):
    """How many tasks were handed out so far, and how long they had waited together."""
    lines = api.call("GET", "/metrics").text.splitlines()
    parts = [f'taskmanager_task_wait_seconds_{part}{{type="{TYPE}"' for part in ("count", "sum")]
    return tuple(sum(float(line.split()[-1]) for line in lines if line.startswith(part)) for part in parts)


def test_a_task_has_waited_since_it_could_be_had_when_it_is_handed_out(api):
    api.submit()
    api.clock.turn(40)
    api.claim()
    assert waited(api) == (1, pytest.approx(40))
    api.submit(delay_seconds=100)
    api.clock.turn(107)
    api.claim()
    assert waited(api) == (2, pytest.approx(47))


def test_a_task_whose_claim_ran_out_has_waited_since_then(api):
    api.submit()
    api.claim()
    api.clock.turn(310)
    api.claim()

    assert waited(api) == (2, pytest.approx(10, abs=1))


def test_waits_are_counted_however_tasks_are_claimed(api):
    for _ in range(3):
        api.submit()
    api.clock.turn(5)
    claim = {"task_types": [TYPE], "max_tasks": 2, "wait_seconds": 0}
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "claim": claim})
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "claim": claim | {"wait_seconds": 1}})

    assert waited(api) == (3, pytest.approx(15))


def test_a_task_that_is_told_again_to_the_same_claim_has_waited_once(api):
    api.submit()
    asked = {"worker_id": "w1", "request_id": "r1", "claim": {"task_types": [TYPE], "max_tasks": 1}}
    first, again = (api.call("POST", "/tasks/exchange", asked).json()["tasks"] for _ in range(2))

    assert first[0]["id"] == again[0]["id"]
    assert waited(api)[0] == 1


def test_limits_are_told_with_what_is_used_of_them(api):
    assert api.call("PUT", "/limits/youtube", {"units": 100, "period": 60, "at_once": 3}).status_code == 200
    api.call("POST", "/limits/youtube/pause", {})
    lines = api.call("GET", "/metrics").text.splitlines()
    found = {
        line.split("{")[0].removeprefix("taskmanager_limit_"): float(line.split()[-1])
        for line in lines
        if 'limit="youtube"' in line
    }

    assert found == {"units": 100, "period_seconds": 60, "used": 0, "at_once": 3, "running": 0, "paused": 1}


def test_a_look_that_took_long_is_shown_again_for_a_while():
    looked = []

    def look(seconds):
        async def run():
            looked.append(seconds)
            await asyncio.sleep(seconds)
            return Stats(len(looked), {}, 0, 0, 0)

        return run

    async def play():
        quick, slow = Recent(), Recent()
        for _ in range(3):
            await quick.get(look(0.0))
        first = await slow.get(look(2 * SLOW))
        return first is await slow.get(look(2 * SLOW))

    assert asyncio.run(play())
    assert looked == [0.0, 0.0, 0.0, 2 * SLOW]
    assert REST * SLOW >= 1
