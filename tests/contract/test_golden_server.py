import pytest

from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from tests.support.api import running_api
from tests.support.golden import ANOTHER, KEY, TASK, WORKER, hold, named, served, states

TYPE, PARAMS = TASK["type"], TASK["params"]
TIMEOUT = 300.0
KEYED = "a key is wanted"


def pending(api, task_type=TYPE):
    return api.submit(task_type, PARAMS, max_attempts=1)


def held(api, worker):
    task_id = api.submit(TYPE, PARAMS, max_attempts=2)
    assert api.claim(worker, [TYPE])["id"] == task_id
    return task_id


def lapsed(api, worker):
    task_id = held(api, worker)
    api.clock.turn(TIMEOUT + 1)
    return task_id


def handed_on(api):
    task_id = lapsed(api, WORKER)
    assert api.claim(ANOTHER, [TYPE])["id"] == task_id
    return task_id


def ended(api, how):
    task_id = pending(api)
    api.claim(WORKER, [TYPE])
    assert how(task_id, WORKER) == 200
    return task_id


STATES = {
    "nothing": lambda _api: None,
    KEYED: lambda _api: None,
    "a pending task": pending,
    "a pending task of another type": lambda api: pending(api, "Golden.Unasked"),
    "a task held by this worker": lambda api: held(api, WORKER),
    "a task held by another": lambda api: held(api, ANOTHER),
    "a task whose claim lapsed": lambda api: lapsed(api, ANOTHER),
    "a task handed on to another": handed_on,
    "a task completed by this worker": lambda api: ended(api, api.complete),
    "a task failed by this worker": lambda api: ended(api, api.fail),
}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("open"), claim_timeout=TIMEOUT) as api:
        yield api


@pytest.fixture(scope="module")
def shut_server(tmp_path_factory):
    keys = (ApiKey.of(KEY, Scope.WORKER),)
    with running_api(tmp_path_factory.mktemp("shut"), claim_timeout=TIMEOUT, keys=keys) as api:
        yield api


@pytest.fixture
def empty_server(open_server):
    """The open server, with an end made of every task that was left on it."""
    for status in ("pending", "processing"):
        for left in open_server.call("GET", f"/tasks?status={status}").json()["tasks"]:
            open_server.call("POST", f"/tasks/{left['id']}/cancel")
    open_server.clock.turn(TIMEOUT + 1)
    return open_server


@pytest.mark.parametrize("exchange", served(STATES.keys() - {KEYED}), ids=named)
def test_the_embedded_taskmanager_gives_the_golden_answer(empty_server, exchange):
    task_id = STATES[exchange["given"]](empty_server)
    hold(empty_server.session, empty_server.url, exchange, {"{id}": task_id} if task_id else {})


@pytest.mark.parametrize("exchange", served({KEYED}), ids=named)
def test_the_embedded_taskmanager_that_wants_a_key_gives_the_golden_answer(shut_server, exchange):
    hold(shut_server.session, shut_server.url, exchange, {})


def test_the_embedded_taskmanager_is_held_to_every_state_but_the_one_it_tells_otherwise():
    assert states() - set(STATES) == {"nothing, told with 404"}
