import pytest
import requests

from tests.support.base_server import BaseServer
from tests.support.golden import ANOTHER, KEY, TASK, WORKER, hold, named, served, states
from tests.support.processes import control

OPTIONS = {"a key is wanted": {"key": KEY}, "nothing, told with 404": {"empty": 404}}


def call(url, path, **body):
    answer = requests.post(url + path, json=body, timeout=20, proxies={"http": ""})
    assert answer.status_code == 200, answer.text
    return answer.json()


def pending(url, task_type=TASK["type"]):
    return control(url, add=[{"type": task_type, "params": TASK["params"]}])["added"][0]


def claimed(url, worker):
    return call(url, "/tasks/claim", worker_id=worker, task_types=[TASK["type"]])["id"]


def held(url, worker):
    task_id = pending(url)
    assert claimed(url, worker) == task_id
    return task_id


def lapsed(url, worker):
    task_id = held(url, worker)
    control(url, expire=[task_id])
    return task_id


def handed_on(url):
    task_id = lapsed(url, WORKER)
    assert claimed(url, ANOTHER) == task_id
    return task_id


def ended(url, how, **said):
    task_id = held(url, WORKER)
    call(url, f"/tasks/{task_id}/{how}", worker_id=WORKER, **said)
    return task_id


STATES = {
    "nothing": lambda _url: None,
    "nothing, told with 404": lambda _url: None,
    "a key is wanted": lambda _url: None,
    "a pending task": pending,
    "a pending task of another type": lambda url: pending(url, "Golden.Unasked"),
    "a task held by this worker": lambda url: held(url, WORKER),
    "a task held by another": lambda url: held(url, ANOTHER),
    "a task whose claim lapsed": lambda url: lapsed(url, ANOTHER),
    "a task handed on to another": handed_on,
    "a task completed by this worker": lambda url: ended(url, "complete", result=1),
    "a task failed by this worker": lambda url: ended(url, "fail", error="x"),
}


@pytest.mark.parametrize("exchange", served(STATES), ids=named)
def test_the_strict_server_of_the_tests_gives_the_golden_answer(exchange):
    with BaseServer(**OPTIONS.get(exchange["given"], {})) as server, requests.Session() as session:
        session.trust_env = False
        task_id = STATES[exchange["given"]](server.url)
        hold(session, server.url, exchange, {"{id}": task_id} if task_id else {})
        assert control(server.url)["violations"] == []


def test_the_strict_server_can_be_brought_into_every_state():
    assert states() == set(STATES)
