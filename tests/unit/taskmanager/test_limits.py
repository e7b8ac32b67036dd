"""Limits of the whole fleet: what waits for them, what is used of them, who may change them."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from urllib.parse import quote

import pytest

from prismq_worker_sdk.taskmanager.db import statements
from prismq_worker_sdk.taskmanager.db.statements import execute
from tests.support.api import TYPE, Api, running_api


def setting(api, name, **what):
    answer = api.call("PUT", f"/limits/{name}", what)
    assert answer.status_code == 200, answer.text
    return answer.json()


def using(api, *uses, task_type=TYPE):
    answer = api.call("PUT", f"/task-types/{task_type}/limits", {"limits": list(uses)})
    assert answer.status_code == 200, answer.text


def taken(api, most=100, types=(TYPE,), **more):
    body = {"worker_id": "w1", "claim": {"task_types": list(types), "max_tasks": most}, **more}
    answer = api.call("POST", "/tasks/exchange", body)
    assert answer.status_code == 200, answer.text
    return answer.json()["tasks"]


def ended(api, tasks, outcome="completed", **more):
    reports = [
        {"task_id": one["id"], "lease_token": one["lease_token"], "outcome": outcome, **more} for one in tasks
    ]
    answer = api.call("POST", "/tasks/exchange", {"worker_id": "w1", "reports": reports}).json()
    assert [one["verdict"] for one in answer["reports"]] == ["accepted"] * len(tasks)


def filled(api, number, task_type=TYPE, **params):
    tasks = [{"type": task_type, "params": {**params, "n": n}} for n in range(number)]
    for start in range(0, number, 1000):
        assert api.call("POST", "/tasks/batch", {"tasks": tasks[start : start + 1000]}).status_code == 200


def test_no_more_tasks_begin_in_a_period_than_the_limit_has_units(api):
    using(api, {"key": "api"})
    setting(api, "api", units=3, period=60)
    filled(api, 10)

    assert len(taken(api)) == 3
    assert taken(api) == []
    api.clock.turn(59)
    assert taken(api) == []
    api.clock.turn(2)
    assert len(taken(api)) == 3


def test_units_used_one_by_one_come_back_one_by_one(api):
    using(api, {"key": "api"})
    setting(api, "api", units=3, period=60)
    filled(api, 10)
    for _ in range(3):
        assert len(taken(api, most=1)) == 1
        api.clock.turn(10)

    api.clock.turn(31)
    assert [len(taken(api)), len(taken(api))] == [1, 0]
    api.clock.turn(10)
    assert [len(taken(api)), len(taken(api))] == [1, 0]


def test_in_no_window_more_is_used_than_allowed_and_nearly_all_of_it(api):
    using(api, {"key": "api"})
    setting(api, "api", units=10, period=10)
    filled(api, 400)
    at, begun = 0.0, []
    while at < 200:
        begun += [at] * len(taken(api, most=3))
        api.clock.turn(0.13)
        at += 0.13

    most = max(sum(start < one <= start + 10 for one in begun) for start in [-1, *begun])
    assert most <= 10
    assert len(begun) >= 0.95 * 200


def test_a_task_may_use_many_units_and_several_limits(api):
    using(api, {"key": "api", "units": 4}, {"key": "host"})
    setting(api, "api", units=10, period=60)
    setting(api, "host", units=1, period=10)
    filled(api, 10)

    assert len(taken(api)) == 1
    api.clock.turn(11)
    assert len(taken(api)) == 1
    api.clock.turn(11)
    assert taken(api) == []
    assert api.call("GET", "/limits/api").json()["used"] == 8


def test_types_that_use_one_limit_share_it_and_others_go_on(api):
    using(api, {"key": "api"})
    using(api, {"key": "api"}, task_type="Test.Other")
    setting(api, "api", units=2, period=60)
    filled(api, 2)
    filled(api, 2, "Test.Other")
    filled(api, 2, "Test.Free")
    types = (TYPE, "Test.Other", "Test.Free")

    assert Counter(one["type"] for one in taken(api, types=types)) == {TYPE: 2, "Test.Free": 2}
    assert taken(api, types=types) == []


def test_a_value_of_the_params_names_the_limit(api):
    using(api, {"path": "/site/host", "prefix": "host:"})
    setting(api, "host:a", units=1, period=60)
    for host in ("a", "a", "b", "b"):
        api.submit(params={"site": {"host": host}})
    api.submit(params={"site": None})

    found = [(one["params"]["site"] or {}).get("host") for one in taken(api)]
    assert sorted(found, key=str) == [None, "a", "b", "b"]


@pytest.mark.parametrize(
    ("value", "name"),
    [("x", "x"), (7, "7"), (True, "true"), (["a", 1], '["a",1]'), ({"b": 1, "a": 2}, '{"a":2,"b":1}')],
)
def test_any_value_names_a_limit_by_its_text_or_its_json(api, value, name):
    using(api, {"path": "/of"})
    setting(api, name, units=1, period=60)
    for _ in range(2):
        api.submit(params={"of": value})

    assert len(taken(api)) == 1


def test_no_more_run_at_once_than_the_limit_says(api):
    using(api, {"key": "db"})
    setting(api, "db", at_once=2)
    filled(api, 5)
    first = taken(api)

    assert len(first) == 2
    assert taken(api) == []
    assert api.call("GET", "/limits/db").json()["running"] == 2
    ended(api, first[:1])
    assert len(taken(api)) == 1


def test_a_task_that_ends_wakes_a_claim_that_waits_for_its_place(api):
    using(api, {"key": "db"})
    setting(api, "db", at_once=1)
    filled(api, 2)
    first = taken(api)
    waiting = {"worker_id": "w2", "request_id": "r", "claim": {"task_types": [TYPE], "wait_seconds": 20}}
    with ThreadPoolExecutor(1) as pool, Api(api.url).session as session:
        found = pool.submit(session.post, f"{api.url}/tasks/exchange", json=waiting, timeout=30)
        ended(api, first)
        assert len(found.result().json()["tasks"]) == 1


def test_a_claim_that_waits_hears_of_a_limit_that_is_changed(api):
    using(api, {"key": "api"})
    setting(api, "api", units=1, period=600)
    filled(api, 2)
    taken(api)
    waiting = {"worker_id": "w2", "request_id": "r", "claim": {"task_types": [TYPE], "wait_seconds": 20}}
    with ThreadPoolExecutor(1) as pool, Api(api.url).session as session:
        found = pool.submit(session.post, f"{api.url}/tasks/exchange", json=waiting, timeout=30)
        setting(api, "api", units=2, period=600)
        assert len(found.result().json()["tasks"]) == 1


def test_what_was_used_counts_on_when_a_limit_is_changed(api):
    using(api, {"key": "api"})
    setting(api, "api", units=3, period=86400)
    filled(api, 10)
    taken(api)

    assert setting(api, "api", units=4, period=60)["used"] == 3
    assert len(taken(api)) == 1
    api.clock.turn(61)
    assert len(taken(api)) == 4


def test_a_paused_limit_stops_its_tasks_for_everybody_until_its_time(api):
    using(api, {"key": "api"})
    filled(api, 2)
    paused = api.call("POST", "/limits/api/pause", {"seconds": 60, "reason": "429"}).json()

    assert (paused["units"], paused["pause_reason"]) == (None, "429")
    assert taken(api) == []
    api.clock.turn(61)
    assert len(taken(api)) == 2
    assert api.call("GET", "/limits/api").json()["paused_until"] is None


def test_a_pause_without_an_end_lasts_until_it_is_resumed(api):
    using(api, {"key": "api"})
    filled(api, 1)
    assert api.call("POST", "/limits/api/pause", {}).json()["paused_until"].startswith("9999-12-31")
    api.clock.turn(10_000_000)
    assert taken(api) == []

    assert api.call("POST", "/limits/api/resume").status_code == 200
    assert len(taken(api)) == 1


def test_a_handler_pauses_a_limit_in_the_exchange_of_its_worker_before_more_is_claimed(api):
    using(api, {"key": "api"})
    filled(api, 2)
    pause = {"name": "api", "seconds": 60, "reason": "HTTP 429"}

    assert taken(api, pauses=[pause]) == []
    taken(api, pauses=[{**pause, "seconds": 5}])
    api.clock.turn(30)
    assert taken(api) == []
    api.clock.turn(31)
    assert len(taken(api)) == 2
    acts = api.call("GET", "/audit?kind=limit&target=api").json()["audit"]
    assert [(one["who"], one["detail"]["seconds"]) for one in acts] == [("w1", 60)]


def test_a_repeat_of_a_claim_uses_nothing_again(api):
    using(api, {"key": "api"})
    setting(api, "api", units=4, period=60)
    filled(api, 4)
    first = taken(api, most=2, request_id="r")

    assert [one["id"] for one in taken(api, most=2, request_id="r")] == [one["id"] for one in first]
    assert api.call("GET", "/limits/api").json()["used"] == 2


def test_a_task_that_is_handed_out_again_uses_its_units_again_and_no_second_place(api):
    using(api, {"key": "api"})
    setting(api, "api", units=3, period=600, at_once=1)
    filled(api, 2)
    first = taken(api)
    api.clock.turn(61)

    assert [one["id"] for one in taken(api)] == [one["id"] for one in first]
    assert api.call("GET", "/limits/api").json()["used"] == 2
    api.clock.turn(61)
    taken(api)
    api.clock.turn(61)
    assert taken(api) == []


def test_a_released_task_gives_no_units_back(api):
    using(api, {"key": "api"})
    setting(api, "api", units=1, period=60)
    filled(api, 1)
    ended(api, taken(api), "released")

    assert taken(api) == []


def test_a_retry_and_a_child_use_what_their_type_uses(api):
    using(api, {"key": "api"})
    using(api, {"key": "api"}, task_type="Test.Child")
    setting(api, "api", units=2, period=60)
    filled(api, 2)
    first, second = taken(api)
    ended(api, [first], "failed", retryable=False)
    assert api.call("POST", f"/tasks/{first['id']}/retry").status_code == 200
    ended(api, [second], children=[{"key": "0", "type": "Test.Child"}])

    assert taken(api, types=(TYPE, "Test.Child")) == []
    api.clock.turn(61)
    assert len(taken(api, types=(TYPE, "Test.Child"))) == 2


def test_tasks_that_wait_use_what_is_said_of_their_type_later(api):
    filled(api, 700)
    setting(api, "api", units=5, period=60)
    using(api, {"key": "api"})
    assert len(taken(api)) == 5
    using(api, {"path": "/n", "prefix": "n:"})
    setting(api, "n:9", at_once=1)
    assert 50 < len(first := taken(api, most=128)) <= 100
    using(api)

    assert sum(len(taken(api, most=128)) for _ in range(6)) == 695 - len(first)


def test_a_delayed_task_uses_what_is_said_of_its_type_when_its_time_comes(api):
    api.submit(delay_seconds=60)
    using(api, {"key": "api"})
    api.call("POST", "/limits/api/pause", {})
    api.clock.turn(61)

    assert taken(api) == []


def test_where_there_are_many_lanes_every_one_has_its_turn(api):
    using(api, {"path": "/n"})
    filled(api, 300)

    assert len({one["params"]["n"] for _ in range(30) for one in taken(api, most=20)}) == 300


def test_the_order_of_priority_and_age_holds_across_lanes(api):
    using(api, {"path": "/host"})
    for host, priority in (("a", 0), ("b", 5), ("a", 5), ("c", 0)):
        api.submit(params={"host": host, "p": priority}, priority=priority)

    assert [(one["params"]["host"], one["params"]["p"]) for one in taken(api)] == [
        ("b", 5),
        ("a", 5),
        ("a", 0),
        ("c", 0),
    ]


def test_the_order_holds_across_lanes_when_few_of_many_tasks_are_claimed_at_once(api):
    using(api, {"path": "/host"})
    dice = Random(5)
    tasks = [
        {"type": TYPE, "params": {"n": n, "host": dice.choice("abcde")}, "priority": dice.randrange(3)}
        for n in range(60)
    ]
    assert api.call("POST", "/tasks/batch", {"tasks": tasks}).status_code == 200

    found = [one["params"]["n"] for _ in range(9) for one in taken(api, most=7)]
    assert found == sorted(range(60), key=lambda n: (-tasks[n]["priority"], n))


def test_lanes_that_share_a_limit_leave_the_rest_of_a_claim_to_others(api):
    using(api, {"key": "api"}, {"path": "/host"})
    setting(api, "api", units=3, period=60)
    using(api, {"path": "/host"}, task_type="Test.Other")
    filled(api, 4, host="a")
    filled(api, 4, host="b")
    filled(api, 4, "Test.Other", host="c")

    found = taken(api, most=6, types=(TYPE, "Test.Other"))
    assert [one["params"]["host"] for one in found] == ["a", "a", "a", "c", "c", "c"]


def test_a_claim_asks_the_database_as_often_for_forty_lanes_as_for_two(api, monkeypatch):
    asked = []
    monkeypatch.setattr(
        statements, "execute", lambda *given, **more: asked.append(1) or execute(*given, **more)
    )
    using(api, {"path": "/n"})
    numbers = []
    for lanes in (2, 40):
        for n in range(lanes):
            setting(api, str(n), units=100, period=60)
        filled(api, lanes)
        asked.clear()
        assert len(taken(api, most=lanes)) == lanes
        numbers.append(len(asked))

    assert numbers[0] == numbers[1]


def test_a_limit_that_is_deleted_holds_up_nobody(api):
    using(api, {"key": "api"})
    setting(api, "api", units=1, period=600)
    filled(api, 3)
    taken(api)
    assert api.call("DELETE", "/limits/api").json()["used"] == 1

    assert len(taken(api)) == 2
    assert api.call("GET", "/limits/api").status_code == 404


def test_a_type_is_published_with_what_it_uses_and_keeps_it_where_nothing_is_said(api):
    schema = {"version": "1", "param_schema": {}}
    use = {"path": "/a/b", "units": 2}
    assert api.call("PUT", f"/task-types/{TYPE}", {**schema, "limits": [use]}).json()["limits"] == [use]
    assert api.call("PUT", f"/task-types/{TYPE}", {**schema, "version": "2"}).json()["limits"] == [use]
    assert api.call("GET", f"/task-types/{TYPE}").json()["limits"] == [use]
    assert api.call("GET", "/task-types").json()["task_types"][0]["limits"] == [use]
    assert api.call("PUT", f"/task-types/{TYPE}", {**schema, "limits": []}).json()["limits"] == []


def test_limits_are_listed_by_pages_and_by_what_their_names_begin_with(api):
    for name in ("host:a", "host:b", "host%c", "other"):
        setting(api, name.replace("%", "%25"), at_once=1)

    page = api.call("GET", "/limits?limit=2").json()
    rest = api.call("GET", "/limits", params={"cursor": page["next_cursor"]}).json()
    assert [one["name"] for one in page["limits"] + rest["limits"]] == ["host%c", "host:a", "host:b", "other"]
    assert rest["next_cursor"] is None
    found = api.call("GET", "/limits", params={"prefix": "host:"}).json()["limits"]
    assert [one["name"] for one in found] == ["host:a", "host:b"]


def test_a_name_may_hold_what_an_address_holds(api):
    name = "https://api.example.com/v3/search"
    assert setting(api, name, at_once=1)["name"] == name
    assert api.call("POST", f"/limits/{name}/pause", {"seconds": 9}).json()["name"] == name
    assert api.call("GET", f"/limits/{name}").json()["at_once"] == 1


@pytest.mark.parametrize("name", ["a/pause", "a/resume", "pause", "resume/pause/resume", "a%2Fb?c#d"])
def test_a_name_that_reads_like_an_act_is_a_name(api, name):
    at = f"/limits/{quote(name, safe='')}"
    setting(api, "a", at_once=2)
    assert api.call("PUT", at, {"at_once": 1}).json()["name"] == name
    assert api.call("POST", f"{at}/pause", {"seconds": 9}).json()["name"] == name
    assert api.call("GET", at).json()["paused_until"] is not None
    assert api.call("POST", f"{at}/resume").json()["paused_until"] is None
    assert api.call("GET", "/limits/a").json()["paused_until"] is None
    assert api.call("DELETE", at).json()["name"] == name
    assert [one["name"] for one in api.call("GET", "/limits").json()["limits"]] == ["a"]


def test_acts_on_limits_are_written_down(api):
    setting(api, "api", at_once=1)
    api.call("POST", "/limits/api/pause", {"seconds": 5})
    api.call("POST", "/limits/api/resume")
    api.call("DELETE", "/limits/api")
    using(api, {"key": "api"})
    using(api, {"key": "api"})

    acts = api.call("GET", "/audit").json()["audit"]
    assert [(one["action"], one["target"]) for one in acts] == [
        ("set limits", TYPE),
        ("delete", "api"),
        ("resume", "api"),
        ("pause", "api"),
        ("set", "api"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/limits/api", {"units": 5}, 422),
        ("PUT", "/limits/api", {"period": 5}, 422),
        ("PUT", "/limits/api", {"units": 0, "period": 5}, 422),
        ("PUT", "/limits/api", {"units": 1, "period": 0}, 422),
        ("PUT", "/limits/api", {"units": 1.5, "period": 5}, 422),
        ("PUT", "/limits/api", {"at_once": True}, 422),
        ("PUT", "/limits/api", {"per_minute": 5}, 422),
        ("PUT", "/limits/api", [], 422),
        ("PUT", "/limits/" + "x" * 256, {"at_once": 1}, 422),
        ("PUT", "/limits/a%09b", {"at_once": 1}, 422),
        ("PUT", "/limits/", {"at_once": 1}, 422),
        ("POST", "/limits/api/pause", {"seconds": -1}, 422),
        ("POST", "/limits/api/pause", {"seconds": 5, "until": "2030-01-01T00:00:00Z"}, 422),
        ("POST", "/limits/api/pause", {"until": "2030-01-01T00:00:00"}, 422),
        ("POST", "/limits/api/pause", {"until": "soon"}, 422),
        ("POST", "/limits/api/resume", None, 404),
        ("DELETE", "/limits/api", None, 404),
        ("GET", "/limits/api", None, 404),
        ("GET", "/limits?limit=x", None, 422),
        ("PUT", f"/task-types/{TYPE}/limits", {"limits": [{}]}, 422),
        ("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "a", "path": "/b"}]}, 422),
        ("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"path": "b"}]}, 422),
        ("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "a", "prefix": "b"}]}, 422),
        ("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "a", "units": 0}]}, 422),
        ("PUT", f"/task-types/{TYPE}/limits", {"limits": [{"key": "a"}] * 17}, 422),
        ("PUT", "/task-types/no type/limits", {"limits": []}, 422),
        ("POST", "/tasks/exchange", {"worker_id": "w", "pauses": [{"name": "", "seconds": 5}]}, 422),
        ("POST", "/tasks/exchange", {"worker_id": "w", "pauses": [{"name": "a"}]}, 422),
        ("POST", "/tasks/exchange", {"worker_id": "w", "pauses": [{"name": "a", "seconds": 1}] * 101}, 422),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(api, method, path, body, status):
    answer = api.call(method, path, body)

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_eight_claimers_at_two_servers_never_exceed_a_limit_and_use_all_of_it(tmp_path):
    with running_api(tmp_path) as one, running_api(tmp_path) as two:
        using(one, {"key": "api"})
        setting(one, "api", units=30, period=600, at_once=25)
        filled(one, 100)
        start = threading.Barrier(8)

        def claim(number):
            own, got = Api((one, two)[number % 2].url), []
            with own.session:
                start.wait(30)
                for _ in range(10):
                    got += taken(own, most=number % 3 + 1)
            return got

        with ThreadPoolExecutor(8) as pool:
            got = [task for some in pool.map(claim, range(8)) for task in some]
        assert len({task["id"] for task in got}) == len(got) == 25
        ended(one, got)
        assert len(taken(two)) == 5
