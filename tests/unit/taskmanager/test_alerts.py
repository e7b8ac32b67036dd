"""What fires, what is resolved, and that a webhook is told each change once."""

import json

import pytest

from prismq_worker_sdk.taskmanager import alerts, delivering
from prismq_worker_sdk.taskmanager.counting import keep_counting
from prismq_worker_sdk.taskmanager.delivering import deliver, look_at_alerts, note_claimants
from prismq_worker_sdk.taskmanager.webhooks import NotDelivered
from tests.support.api import TYPE, running_api

URL = "https://hooks.example/prismq"


@pytest.fixture
def sent(monkeypatch):
    """What webhooks were told; `fail` makes them refuse."""

    class Sent(list):
        fail = False

        def send(self, _hook, message_id, body, _now, _allowed):
            self.append((message_id, json.loads(body)))
            if self.fail:
                raise NotDelivered("it answered 500")
            return 200

        @property
        def told(self):
            return [(body["type"], body["data"]["alert"], body["data"]["task_type"]) for _id, body in self]

    found = Sent()
    monkeypatch.setattr(delivering, "send", found.send)
    return found


def put(api, rule, name="a1", **more):
    more = {"seconds": 100, "hold_seconds": 60, "url": URL, **more}
    return api.call("PUT", f"/alerts/{name}", {"rule": rule, **more})


def pass_time(api, seconds, step=30):
    for _ in range(int(seconds / step)):
        api.clock.turn(step)
        api.chore(note_claimants)
        api.chore(look_at_alerts)
        api.chore(deliver)


def end(api, number, how):
    for _ in range(number):
        task_id = api.submit(max_attempts=1)
        api.claim()
        assert getattr(api, how)(task_id) == 200


def states(api, name="a1"):
    return {one["task_type"]: one["state"] for one in api.call("GET", f"/alerts/{name}").json()["states"]}


def test_too_many_failures_of_a_type_are_told_and_so_is_their_end(api, sent):
    put(api, "failures", share=0.5, seconds=600)
    end(api, 10, "fail")
    pass_time(api, 30)
    assert states(api) == {TYPE: "pending"}
    assert sent == []
    pass_time(api, 90)
    assert states(api) == {TYPE: "firing"}
    assert sent.told == [("alert.firing", "a1", TYPE)]

    api.chore(keep_counting)
    pass_time(api, 900)
    assert states(api) == {TYPE: "resolved"}
    assert sent.told[1:] == [("alert.resolved", "a1", TYPE)]


def test_few_failures_or_a_small_share_of_them_are_told_to_nobody(api, sent):
    put(api, "failures", share=0.5, seconds=600)
    end(api, 4, "fail")
    pass_time(api, 120)
    end(api, 6, "complete")
    end(api, 2, "fail")
    pass_time(api, 120)
    assert (sent, states(api)) == ([], {})


def test_a_task_that_waits_too_long_is_told(api, sent):
    put(api, "oldest")
    task_id = api.submit()
    pass_time(api, 90)
    assert states(api) == {}
    pass_time(api, 120)
    assert sent.told == [("alert.firing", "a1", TYPE)]
    assert sent[0][1]["data"]["text"].startswith(f"a1 firing: a task of {TYPE} has waited for ")

    assert api.claim()["id"] == task_id
    pass_time(api, 90)
    assert sent.told[1:] == [("alert.resolved", "a1", TYPE)]


def test_an_alert_for_a_type_is_for_no_other(api, sent):
    put(api, "oldest", task_type="Test.Other")
    api.submit()
    pass_time(api, 300)
    assert (sent, states(api)) == ([], {})


def test_no_worker_is_told_until_one_claims_the_type(api, sent):
    put(api, "no_worker")
    api.submit()
    api.claim(types=["Test.Other"])
    pass_time(api, 240)
    assert sent.told == [("alert.firing", "a1", TYPE)]

    api.claim()
    pass_time(api, 120)
    assert sent.told[1:] == [("alert.resolved", "a1", TYPE)]


def test_a_worker_that_claims_or_exchanges_or_works_on_the_type_is_one(api, sent):
    put(api, "no_worker")
    api.submit()
    api.submit()
    claim = {"task_types": [TYPE], "max_tasks": 1}
    (task,) = api.call("POST", "/tasks/exchange", {"worker_id": "w1", "claim": claim}).json()["tasks"]
    held = {"task_id": task["id"], "lease_token": task["lease_token"]}
    for _ in range(12):  # it renews, and claims nothing, since its slot is busy
        api.call("POST", "/tasks/exchange", {"worker_id": "w1", "leases": [held]})
        pass_time(api, 30)
    assert (sent, states(api)) == ([], {})

    report = {**held, "outcome": "completed", "result": 1}
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "reports": [report]})
    for _ in range(12):
        api.call("POST", "/tasks/exchange", {"worker_id": "w1"})
        pass_time(api, 30)
    assert sent == []
    pass_time(api, 240)
    assert sent.told == [("alert.firing", "a1", TYPE)]


def test_a_task_whose_worker_is_gone_waits_too(api, sent):
    put(api, "no_worker")
    api.submit()
    api.claim()
    pass_time(api, 300)
    assert sent == []
    pass_time(api, 300)
    assert sent.told == [("alert.firing", "a1", TYPE)]


def test_nothing_is_written_while_all_is_well(api, sent):
    put(api, "oldest")
    put(api, "failures", "a2", share=0.5)
    end(api, 10, "complete")
    api.submit()

    def found():
        return [one.type for one in api.chore(lambda state: state.reader.run(alerts.look))]

    assert found() == []
    pass_time(api, 300)
    assert found() == [TYPE]
    api.claim()
    pass_time(api, 120)
    assert (states(api), found()) == ({TYPE: "resolved"}, [])


def test_a_paused_type_is_neither_late_nor_alone(api, sent):
    put(api, "oldest")
    put(api, "no_worker", "a2")
    api.submit()
    api.call("POST", f"/task-types/{TYPE}/pause", {})
    pass_time(api, 300)
    assert sent == []


def test_two_servers_tell_a_change_once(tmp_path, sent):
    with running_api(tmp_path) as one, running_api(tmp_path, one.clock) as two:
        put(one, "oldest")
        one.submit()
        for _ in range(10):
            one.clock.turn(30)
            found = [api.chore(lambda state: state.reader.run(alerts.look)) for api in (one, two)]
            for api, some in zip((one, two), found, strict=True):
                api.chore(
                    lambda state, some=some: state.run(lambda db, now: alerts.apply(db, some, "i", now))
                )
            two.chore(deliver)
            one.chore(deliver)
    assert sent.told == [("alert.firing", "a1", TYPE)]


def test_what_is_refused_is_sent_again_under_its_id_for_a_day(api, sent):
    sent.fail = True
    put(api, "oldest")
    api.submit()
    pass_time(api, 240)
    assert 2 <= len(sent) <= 8
    assert len({message_id for message_id, _body in sent}) == 1
    delivery = api.call("GET", "/alerts/a1").json()["last_delivery"]
    assert (delivery["state"], delivery["error"]) == ("waiting", "it answered 500")

    pass_time(api, 25 * 3600, step=1800)
    tries = len(sent)
    assert api.call("GET", "/alerts/a1").json()["last_delivery"]["state"] == "failed"
    pass_time(api, 7200, step=1800)
    assert len(sent) == tries


def test_a_webhook_that_fails_is_tried_once_a_run_and_holds_up_no_other_alert(api, sent, monkeypatch):
    types = [f"Test.Type{n}" for n in range(6)]
    for name in ("broken", "well"):
        put(api, "oldest", name, hold_seconds=0, url=f"https://{name}.example")
    for one in types:
        api.submit(one)
    api.clock.turn(200)

    def send(hook, message_id, body, _now, _allowed):
        sent.append((message_id, json.loads(body)))
        if "broken" in hook.url:
            raise NotDelivered("it answered 500")

    monkeypatch.setattr(delivering, "send", send)
    api.chore(look_at_alerts)
    api.chore(deliver)

    assert sorted(one for _, name, one in sent.told if name == "well") == types
    assert len([one for _, name, one in sent.told if name == "broken"]) == 1


def test_what_comes_through_in_the_end_is_over(api, sent):
    sent.fail = True
    put(api, "oldest")
    api.submit()
    pass_time(api, 210)
    sent.fail = False
    pass_time(api, 600)
    tries = len(sent)
    delivery = api.call("GET", "/alerts/a1").json()["last_delivery"]
    assert (delivery["state"], delivery["error"], delivery["tries"]) == ("delivered", None, tries)
    pass_time(api, 600)
    assert len(sent) == tries


def test_an_alert_that_was_taken_away_or_changed_begins_anew(api, sent):
    put(api, "oldest")
    api.submit()
    pass_time(api, 240)
    assert put(api, "oldest", seconds=200).status_code == 200
    assert states(api) == {}
    api.call("DELETE", "/alerts/a1")
    pass_time(api, 300)
    assert len(sent) == 1
    assert api.call("GET", "/alerts/a1").status_code == 404


@pytest.mark.parametrize("again", [False, True])
def test_what_was_found_of_an_alert_that_was_taken_away_or_changed_meanwhile_is_dropped(api, sent, again):
    put(api, "oldest", hold_seconds=0)
    api.submit()
    api.clock.turn(200)
    found = api.chore(lambda state: state.reader.run(alerts.look))
    if again:
        put(api, "oldest", seconds=1000)
    else:
        api.call("DELETE", "/alerts/a1")
    assert len(found) == 1

    assert api.chore(lambda state: state.run(lambda db, now: alerts.apply(db, found, "i", now))) == 0
    if not again:
        put(api, "oldest", seconds=1000)
    assert states(api) == {}


def test_the_secret_is_shown_once(api):
    made = put(api, "oldest")
    assert made.status_code == 201
    secret = made.json()["secret"]
    again = put(api, "oldest")
    assert (again.status_code, "secret" in again.json()) == (200, False)
    assert secret not in api.call("GET", "/alerts").text + api.call("GET", "/audit").text + again.text


def test_a_test_says_whether_the_webhook_took_it(api, sent):
    put(api, "oldest")
    assert api.call("POST", "/alerts/a1/test").json() == {"delivered": True, "error": None}
    assert sent[0][1]["type"] == "alert.test"
    sent.fail = True
    assert api.call("POST", "/alerts/a1/test").json() == {"delivered": False, "error": "it answered 500"}
    assert api.call("POST", "/alerts/none/test").status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"rule": "odd"},
        {"seconds": 1},
        {"seconds": "100"},
        {"hold_seconds": -1},
        {"share": 0.5},
        {"rule": "failures"},
        {"rule": "failures", "share": 1},
        {"rule": "failures", "share": 0.5, "at_least": 0},
        {"task_type": "no type!"},
        {"url": "http://127.0.0.1/"},
        {"url": "https://[::ffff:10.0.0.1]/"},
        {"url": "file:///etc/passwd"},
        {"secret": "whsec_short"},
        {"secret": "plain"},
        {"odd": 1},
    ],
)
def test_an_alert_that_makes_no_sense_is_refused(api, more):
    answer = api.call("PUT", "/alerts/a1", {"rule": "oldest", "seconds": 100, "url": URL, **more})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("name", ["-a", "a%20b", "%C3%BC", "x" * 129])
def test_a_name_that_is_none_is_refused(api, name):
    assert put(api, "oldest", name).status_code == 422


def test_a_network_is_opened_by_hand(tmp_path):
    with running_api(tmp_path, webhook_allow=("127.0.0.0/8",)) as api:
        assert put(api, "oldest", url="http://127.0.0.1:9/").status_code == 201
        assert api.call("POST", "/alerts/a1/test").json()["delivered"] is False
