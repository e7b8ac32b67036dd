"""Workers as the TaskManager shows them, over the API and on its page."""

import html
import re
import threading

import pytest
import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.taskmanager.db.service_tables import worker_statuses, worker_types
from prismq_worker_sdk.taskmanager.db.tables import workers
from prismq_worker_sdk.taskmanager.delivering import note_claimants
from prismq_worker_sdk.taskmanager.retention import delete_old
from prismq_worker_sdk.taskmanager.views import instant
from tests.support.api import TYPE, Api, running_api

DAY = 86400.0
HOSTILE = "<script>alert(1)</script>"
STATUS = {
    "version": "1.2.3",
    "host": "box-7",
    "pid": 42,
    "started_at": "2026-11-29T10:00:00.000Z",
    "state": "running",
    "slots": 4,
    "task_types": [TYPE],
    "closed": [],
    "plugins": [{"name": "shop", "version": "3.1"}],
}


def exchange(api, worker="w1", key=None, **said):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": worker, **said}, key=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def claim(api, worker="w1", **said):
    return exchange(api, worker, claim={"task_types": [TYPE]}, **said)


def shown(api, worker="w1"):
    found = [one for one in api.call("GET", "/workers").json()["workers"] if one["worker_id"] == worker]
    return found[0] if found else None


def page(api, query="", key=None):
    """The page of workers, as text without tags and as it came."""
    headers = {} if key is None else {"X-API-Key": key}
    answer = api.session.get(f"{api.url.removesuffix('/api')}/workers{query}", headers=headers, timeout=20)
    text = html.unescape(re.sub(r"<[^>]*>", " ", answer.text))
    return answer.status_code, " ".join(text.split()), answer.text


def count(api, table):
    number = sa.select(sa.func.count()).select_from(table)
    return api.chore(lambda state: state.reader.run(lambda db, _now: db.scalar(number)))


def test_what_a_worker_says_of_itself_is_shown_until_it_says_something_else(api):
    closed = [{"type": TYPE, "reason": "no licence"}, {"type": "Test.B", "reason": "quota", "seconds": 60}]
    exchange(api, status={**STATUS, "closed": closed, "more": 1})
    found = shown(api)["status"]
    until = found["closed"][1].pop("until")

    assert found == {
        **STATUS,
        "closed": [{**closed[0], "until": None}, {"type": "Test.B", "reason": "quota"}],
        "trouble": None,
    }
    assert until == instant(api.clock.utc().timestamp() + 60)
    exchange(api)
    assert shown(api)["status"]["host"] == "box-7"
    exchange(api, status={**STATUS, "host": "box-8"})
    assert shown(api)["status"]["host"] == "box-8"


def test_a_worker_that_says_nothing_of_itself_is_shown_without(api):
    claim(api)
    api.chore(note_claimants)
    found = shown(api)

    assert (found["status"], found["task_types"], found["why_idle"]) == (
        None,
        [TYPE],
        "no task of its types waits",
    )


def test_a_worker_of_the_base_protocol_is_shown_by_its_claims_and_cannot_be_steered(api):
    task_id = api.submit()
    api.claim("base")
    api.chore(note_claimants)
    found = shown(api, "base")

    assert (found["first_seen"], found["running"], found["task_types"]) == (None, [task_id], [TYPE])
    assert api.call("POST", "/workers/base/quiet").status_code == 404
    _status, text, source = page(api)
    assert "base protocol: only its claims are known" in text
    assert "data-act" not in source


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "asleep"},
        {"pid": -1},
        {"slots": "4"},
        {"started_at": "today"},
        {"host": "x" * 501},
        {"closed": [{"type": TYPE, "reason": "x", "seconds": 1e300}]},
        {"closed": [{"type": TYPE, "reason": "x"}] * 101},
        {"task_types": ["no type"]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_status_that_makes_no_sense_is_refused_and_named(api, wrong):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": "w1", "status": {**STATUS, **wrong}})

    assert answer.status_code == 422
    assert f"/status/{next(iter(wrong))}" in answer.json()["errors"][0]["pointer"]
    assert shown(api) is None


def test_a_call_that_ends_a_wait_is_heard_too(api):
    wanted, own = {"claim": {"task_types": [TYPE], "wait_seconds": 20}, "request_id": "r1"}, Api(api.url)
    waiting = threading.Thread(target=lambda: exchange(own, **wanted))
    with own.session:
        waiting.start()
        while shown(api) is None:
            pass
        exchange(api, status={**STATUS, "state": "stopping"}, **wanted)
        waiting.join(20)

    assert shown(api)["status"]["state"] == "stopping"
    assert shown(api)["why_idle"] == "it is stopping"


def test_a_claim_with_a_status_waits_for_work_all_the_same(api):
    own, found = Api(api.url), []
    wanted = {"claim": {"task_types": [TYPE], "wait_seconds": 20}, "status": STATUS}
    waiting = threading.Thread(target=lambda: found.append(exchange(own, **wanted)))
    with own.session:
        waiting.start()
        while shown(api) is None or shown(api)["status"] is None:
            pass
        task_id = api.submit()
        waiting.join(20)

    assert [task["id"] for task in found[0]["tasks"]] == [task_id]


@pytest.mark.parametrize(
    ("pause", "wanted"),
    [
        (("/task-types/{type}/pause", {}), "paused for the whole fleet until it is resumed"),
        (
            ("/task-types/{type}/pause", {"reason": "deploy", "seconds": 60}),
            "paused for the whole fleet (deploy); ends 2",
        ),
        (("/limits/api/pause", {"reason": "429", "seconds": 60}), "limit api is paused (429); ends 2"),
        (("/limits/api/pause", {}), "limit api is paused until it is resumed"),
    ],
)
def test_a_pause_is_told_as_the_reason_why_a_worker_idles(api, pause, wanted):
    api.call("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "api"}]})
    api.submit()
    path, body = pause
    assert api.call("POST", path.format(type=TYPE), body).status_code == 200
    claim(api, status=STATUS)

    assert shown(api)["why_idle"].startswith(wanted)
    assert wanted.removesuffix(" 2") in page(api)[1]


def test_limits_that_leave_no_room_are_told_as_the_reason_why_a_worker_idles(api):
    api.call("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"path": "/site"}]})
    api.call("PUT", "/limits/here", {"at_once": 1})
    for _ in range(2):
        api.submit(params={"site": "here"})
    assert claim(api, "w2")["tasks"]
    claim(api, status=STATUS)

    assert shown(api)["why_idle"] == "its limits leave no room now"


def test_a_pause_of_its_own_is_told_until_it_is_over(api):
    closed = [{"type": TYPE, "reason": "quota", "seconds": 60}]
    exchange(api, status={**STATUS, "closed": closed})
    assert shown(api)["why_idle"].startswith("paused by the worker (quota); ends 2")
    api.clock.turn(61)

    assert shown(api)["why_idle"] == "no task of its types waits"


def test_an_order_is_told_as_the_reason_why_a_worker_idles(api):
    exchange(api, status=STATUS)
    assert api.call("POST", "/workers/w1/quiet").json()["why_idle"] == "told to be quiet, until it is resumed"
    assert api.call("POST", "/workers/w1/terminate").json()["why_idle"] == "told to end"
    assert api.call("POST", "/workers/w1/resume").json()["why_idle"] == "no task of its types waits"


def test_a_worker_whose_id_has_a_slash_can_be_steered(api):
    exchange(api, "rack/7?")

    assert api.call("POST", "/workers/rack%2F7%3F/quiet").json()["wanted"] == "quiet"
    assert "POST /api/workers/rack%2F7%3F/resume" in page(api)[2]


def test_workers_that_were_not_heard_of_for_a_week_are_forgotten_with_all_that_they_said(api):
    claim(api, "gone", status=STATUS)
    claim(api, "here", status=STATUS)
    api.chore(note_claimants)
    api.clock.turn(6 * DAY)
    exchange(api, "here")
    api.clock.turn(1.5 * DAY)
    api.chore(delete_old)

    assert [one["worker_id"] for one in api.call("GET", "/workers").json()["workers"]] == ["here"]
    assert [count(api, one) for one in (workers, worker_types, worker_statuses)] == [1, 0, 1]
    assert shown(api, "here")["status"]["host"] == "box-7"


def test_the_page_shows_what_a_worker_is_and_what_it_runs(api):
    task_id = api.submit()
    (task,) = claim(api, status=STATUS)["tasks"]
    lease = {"task_id": task_id, "lease_token": task["lease_token"], "progress": 40}
    exchange(api, leases=[lease])
    status, text, source = page(api)

    assert status == 200
    assert "1.2.3 on box-7, process 42" in text
    assert "shop 3.1" in text
    assert "1 used, 3 free" in text
    assert f'href="/tasks/{task_id}"' in source
    assert "40 %" in text
    assert "no task of its types waits" in text


def test_tasks_beyond_those_that_are_shown_are_counted(api):
    for _ in range(12):
        api.submit()
    exchange(api, claim={"task_types": [TYPE], "max_tasks": 12}, status={**STATUS, "slots": 12})

    assert "and 2 more" in page(api)[1]


def test_workers_are_found_by_a_part_of_their_id(api):
    for worker in ("red-1", "red-2", "blue-1"):
        exchange(api, worker)
    text = page(api, "?id=red")[1]

    assert "red-1" in text
    assert "red-2" in text
    assert "blue-1" not in text
    assert "These are the 2 heard of last with this in their id, of 3." in text
    assert "No worker whose id has this in it." in page(api, "?id=green")[1]


def test_workers_stay_at_their_places_on_the_page_whoever_calls(api):
    for worker in ("gone-1", "gone-2"):
        exchange(api, worker)
        api.clock.turn(121)
    for worker in ("c", "a", "b"):
        api.clock.turn(1)
        exchange(api, worker)

    ids = re.findall(r'<tr id="worker-([^"]+)"', page(api)[2])
    assert ids == ["a", "b", "c", "gone-2", "gone-1"]


def test_the_page_without_workers_says_how_one_is_started(api):
    assert "prismq-worker run" in page(api)[1]


def test_what_a_worker_says_stays_text(api):
    hostile = dict.fromkeys(("version", "host", "trouble"), HOSTILE)
    plugins = [{"name": HOSTILE, "version": HOSTILE}]
    exchange(api, HOSTILE, status={**STATUS, **hostile, "plugins": plugins})
    status, text, source = page(api)

    assert (status, source.count("<script>")) == (200, 0)
    assert f"not ready: {HOSTILE}" in html.unescape(source)
    assert text


def test_who_may_not_steer_sees_no_button_and_who_may_not_see_all_sees_nothing(tmp_path):
    secrets = {scope: f"secret-of-{scope}-0123456789" for scope in ("reader", "admin", "bound")}
    keys = (ApiKey.of(secrets["reader"], Scope.READER), ApiKey.of(secrets["admin"], Scope.ADMIN))
    with running_api(tmp_path, keys=keys) as api:
        exchange(api, key=secrets["admin"], status=STATUS)
        assert "data-act" not in page(api, key=secrets["reader"])[2]
        assert "/api/workers/w1/quiet" in page(api, key=secrets["admin"])[2]
        made = {"name": "bound", "scope": "reader", "task_types": [TYPE]}
        bound = api.call("POST", "/keys", made, key=secrets["admin"]).json()["key"]
        api.chore(lambda state: state.look_at_keys())

        assert page(api, key=bound)[0] == 403


def test_reasons_of_handlers_are_hidden_where_payloads_are(tmp_path):
    reader, worker = "secret-of-reader-0123456789", "secret-of-worker-0123456789"
    keys = (ApiKey.of(reader, Scope.READER), ApiKey.of(worker, Scope.WORKER))
    closed = [{"type": TYPE, "reason": "page of Jane Doe", "seconds": 60}]
    with running_api(tmp_path, keys=keys, hide_payloads=True) as api:
        exchange(api, key=worker, status={**STATUS, "closed": closed})
        told = {key: api.call("GET", "/workers", key=key).text for key in (reader, worker)}

        assert "Jane" in told[worker]
        assert "Jane" not in told[reader]
        assert "paused by the worker (hidden from this key)" in told[reader]
        assert "Jane" not in page(api, key=reader)[2]
