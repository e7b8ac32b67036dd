import json
import re
import threading
import traceback
from dataclasses import replace

import pytest
from pydantic import SecretStr

from prismq_worker_sdk.errors import (
    Fault,
    NotATaskManager,
    NotSupported,
    RequestRefused,
    ServerUnreachable,
    SettingsError,
    Unauthorised,
)
from prismq_worker_sdk.model.task import TaskStatus
from prismq_worker_sdk.taskmanager.config import ApiKey, Scope
from prismq_worker_sdk.wire.producer import Submission, TaskManagerClient
from prismq_worker_sdk.wire.producer_backend import LogPage
from prismq_worker_sdk.wire.transport import Timeouts
from tests.support.api import TYPE, running_api
from tests.support.base_server import BaseServer
from tests.support.family import Family
from tests.support.raw_server import answer, raw_server, says

CANARY = "CANARY-7f3a9c"
SOON = Timeouts(default=1.0, calls={})
SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 1}, "max/results": {"type": "integer"}},
    "required": ["query"],
    "additionalProperties": False,
}
CALLS = {
    "submit": lambda client: client.submit(TYPE, {}),
    "submit_many": lambda client: client.submit_many([Submission(task_type=TYPE, params={})]),
    "get": lambda client: client.get("t1"),
    "show": lambda client: client.show("t1"),
    "tasks": lambda client: client.tasks(),
    "children": lambda client: client.children("t1"),
    "logs": lambda client: client.logs("t1"),
    "cancel": lambda client: client.cancel("t1"),
    "retry": lambda client: client.retry("t1"),
    "publish": lambda client: client.publish(TYPE, version="1", param_schema={}),
    "task_types": lambda client: client.task_types(),
    "stats": lambda client: client.stats(),
    "schedules": lambda client: client.schedules.list(),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def client(api):
    client = TaskManagerClient(api.url)
    yield client
    client.close()


@pytest.fixture
def kind(request):
    """A task type that no other test uses."""
    return "Test." + re.sub(r"\W", "_", request.node.name)[:200]


def always(data):
    """The same answer to the health and to the call."""
    return says(data, data)


def whole_text(error):
    return "".join(traceback.format_exception(error))


def test_a_submitted_task_is_created_with_everything_that_was_said(api, client, kind):
    parent = client.submit(kind, {}).id
    handle = client.submit(
        kind, {"text": "ü"}, priority=7, max_attempts=2, delay_seconds=60, dedupe_key="k", parent_id=parent
    )

    assert handle.created
    assert handle.id == handle.task.id
    assert handle.task.status is TaskStatus.PENDING
    assert (handle.task.type, handle.task.params, handle.task.parent_id) == (kind, {"text": "ü"}, parent)
    assert (handle.task.priority, handle.task.max_attempts) == (7, 2)
    assert (handle.task.not_before - handle.task.created_at).total_seconds() == 60
    assert client.get(handle.id) == handle.task


def test_a_dedupe_key_gives_the_unfinished_task_that_has_it(api, client, kind):
    first = client.submit(kind, {"n": 1}, dedupe_key="k")
    again = client.submit(kind, {"n": 2}, dedupe_key="k")
    assert (again.created, again.id, again.task.params) == (False, first.id, {"n": 1})

    api.claim(types=[kind])
    api.complete(first.id)
    assert client.submit(kind, {"n": 3}, dedupe_key="k").created


def test_waiting_ends_with_the_result(api, client, kind):
    handle = client.submit(kind, {})
    looks = []

    def works(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            api.claim(types=[kind])
            api.complete(handle.id, result={"n": [1, None]})

    waiting = TaskManagerClient(api.url, sleep=works)
    done = waiting.wait(handle.id)
    waiting.close()

    assert (done.status, done.result) == (TaskStatus.COMPLETED, {"n": [1, None]})
    assert len(looks) == 3
    assert looks == sorted(looks)


def test_a_handle_waits_for_its_own_task_while_a_worker_works(api, client, kind):
    handle = client.submit(kind, {})
    worker = threading.Thread(
        target=lambda: (api.claim(types=[kind]), api.complete(handle.id, result="done"))
    )
    worker.start()
    done = handle.wait(30)
    worker.join()

    assert (done.id, done.result) == (handle.id, "done")


def test_waiting_ends_with_the_failure(api, client, kind):
    handle = client.submit(kind, {}, max_attempts=1)
    api.claim(types=[kind])
    api.fail(handle.id, error="it broke")
    done = handle.wait(30)

    assert (done.status, done.error) == (TaskStatus.FAILED, "it broke")


def test_waiting_for_a_task_that_is_not_finished_in_time_ends_with_a_timeout(client, kind):
    handle = client.submit(kind, {})

    with pytest.raises(TimeoutError, match=f"task {handle.id} is still pending after 0 s"):
        handle.wait(0)
    assert client.get(handle.id).status is TaskStatus.PENDING


def test_waiting_never_sleeps_beyond_its_timeout(api, client, kind):
    handle = client.submit(kind, {})
    looks = []
    waiting = TaskManagerClient(api.url, sleep=looks.append)
    with pytest.raises(TimeoutError):
        waiting.wait(handle.id, timeout=0.2)
    waiting.close()

    assert max(looks, default=0) <= 0.2


def test_waiting_for_children_ends_with_how_they_stand(api, kind):
    family = Family(api)
    waits = []

    def works(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            family.completes(family.claim(kind)[0], 2, child=f"{kind}.Child", then=f"{kind}.Last")
        if len(waits) == 5:
            good, bad = family.claim(f"{kind}.Child", 2)
            family.report(bad, outcome="failed", retryable=False)
            family.report(good)

    client = TaskManagerClient(api.url, sleep=works)
    handle = client.submit(kind, {})
    found = handle.wait_children()
    (last,) = client.tasks(task_type=f"{kind}.Last").tasks
    client.close()

    assert found.counts == {"pending": 0, "processing": 0, "completed": 1, "failed": 1}
    assert (found.ended, found.follower, found.tasks) == (True, last.id, ())
    assert len(waits) == 5
    assert waits == sorted(waits)


@pytest.mark.parametrize("state", ["is still pending", "has 1 children that have not ended"])
def test_waiting_for_children_says_what_it_waited_for(api, client, kind, state):
    handle = client.submit(kind, {})
    if "children" in state:
        client.submit(kind, {}, parent_id=handle.id)
        api.claim(types=[kind])
        api.complete(handle.id)

    with pytest.raises(TimeoutError, match=f"{handle.id} {state} after 0 s"):
        handle.wait_children(0)


def test_the_children_of_a_task_come_in_pages(client, kind):
    parent = client.submit(kind, {}).id
    made = [client.submit(kind, {"n": n}, parent_id=parent).id for n in range(3)]
    first = client.children(parent, limit=2)
    rest = client.children(parent, limit=2, cursor=first.next_cursor)

    assert [task.id for task in (*first.tasks, *rest.tasks)] == made[::-1]
    assert (first.parent, first.open, first.follower, first.ended) == (TaskStatus.PENDING, 3, None, False)
    with pytest.raises(RequestRefused, match="no task nowhere"):
        client.children("nowhere")


@pytest.mark.parametrize(
    "said", [{}, {"status": "odd"}, {"counts": {"odd": 1}}, {"counts": 1}, {"open": "x"}, {"open": None}]
)
def test_numbers_of_children_that_cannot_be_read_are_foreign(said):
    page = {"tasks": [], "status": "completed", "counts": {}, "open": 0, "then": None, **said}
    body = json.dumps(page if said else {"tasks": []}).encode()
    with raw_server(says(answer(200, body))) as server:
        client = TaskManagerClient(server.url, dialect="v1")
        with pytest.raises(NotATaskManager):
            client.children("t")
        client.close()


def test_pages_follow_each_other_newest_first_without_a_gap(client, kind):
    made = [client.submit(kind, {"n": n}).id for n in range(5)]

    seen, cursor = [], None
    while True:
        page = client.tasks(task_type=kind, limit=2, cursor=cursor)
        seen.append([task.id for task in page.tasks])
        cursor = page.next_cursor
        if cursor is None:
            break
        client.submit(kind, {})

    assert seen == [made[:2:-1], made[2:0:-1], made[:1]]


def test_tasks_are_found_by_what_they_are(api, client, kind):
    mine = client.submit(f"{kind}.Mine", {"text": "needle & hay"})
    client.submit(kind, {})
    api.claim("w2", [kind])

    def found(**wanted):
        return [task.type for task in client.tasks(**wanted).tasks]

    assert found(task_type=f"{kind}.Mine") == [f"{kind}.Mine"]
    assert found(status="processing", q=kind) == [kind]
    assert found(worker_id="w2") == [kind]
    assert found(q="needle & hay") == [f"{kind}.Mine"]
    assert found(q="nothing like it") == []
    assert client.show(mine.id)["history"] == []


def test_a_task_is_cancelled_and_tried_again(client, kind):
    handle = client.submit(kind, {})

    assert client.cancel(handle.id).status is TaskStatus.FAILED
    assert client.retry(handle.id).status is TaskStatus.PENDING
    with pytest.raises(RequestRefused) as refused:
        client.retry(handle.id)
    assert refused.value.status == 409


def test_params_that_do_not_fit_are_refused_naming_every_field(client, kind):
    client.publish(kind, version="1", param_schema=SCHEMA)
    with pytest.raises(RequestRefused) as refused:
        client.submit(kind, {"query": "", "max/results": "ten", "more": 1})

    assert refused.value.status == 422
    assert {fault.pointer for fault in refused.value.faults} == {"/query", "/max~1results", "/more"}
    assert all(isinstance(fault, Fault) and fault.message for fault in refused.value.faults)
    assert client.tasks(task_type=kind).tasks == ()


def test_published_task_types_and_numbers_are_told(client, kind):
    results = {"type": "object", "properties": {"total": {"type": "integer"}}}
    client.publish(kind, version="1", param_schema=SCHEMA, result_schema=results)
    client.submit(kind, {"query": "x"})

    assert [one["result_schema"] for one in client.task_types() if one["name"] == kind] == [results]
    assert (kind, "1") in [(found["name"], found["version"]) for found in client.task_types()]
    assert client.stats()["types"][kind]["pending"] == 1
    with pytest.raises(RequestRefused) as refused:
        client.publish(kind, version="2", param_schema={**SCHEMA, "required": ["query", "max/results"]})
    assert refused.value.status == 409


def test_what_handlers_logged_is_given_by_pages_that_can_be_followed(api, client, kind):
    task_id = client.submit(kind, {}).id
    wanted = {"task_types": [kind], "max_tasks": 1}
    body = {"worker_id": "w1", "claim": wanted}
    (task,) = api.call("POST", "/tasks/exchange", body).json()["tasks"]
    assert client.logs(task_id) == LogPage(())
    lines = [{"at": 0, "level": "info", "text": text} for text in ("one", "zwei ü")]
    log = {"first": 1, "lines": lines, "logged": 5}
    lease = {"task_id": task_id, "lease_token": task["lease_token"], "log": log}
    api.call("POST", "/tasks/exchange", {"worker_id": "w1", "leases": [lease]})

    page = client.logs(task_id, attempt=1, limit=1)
    ((at, text),) = [(line.at, line.text) for line in page.lines]
    assert (at, text, page.dropped) == (client.get(task_id).created_at, "one", {1: 3})
    second = client.logs(task_id, cursor=page.next_cursor)
    assert [(line.attempt, line.level, line.text) for line in second.lines] == [(1, "info", "zwei ü")]
    assert client.logs(task_id, cursor=second.next_cursor).lines == ()
    assert client.logs(task_id, attempt=2).lines == ()


@pytest.mark.parametrize(
    "body",
    [b'{"lines": 5}', b'{"lines": [{}], "attempts": []}', b'{"lines": [], "attempts": [{"attempt": []}]}'],
)
def test_an_answer_that_is_no_log_is_no_taskmanagers(body):
    with raw_server(says(answer(200, body))) as server:
        client = TaskManagerClient(server.url, dialect="v1")
        with pytest.raises(NotATaskManager):
            client.logs("t1")
        client.close()


@pytest.mark.parametrize("name", ["get", "logs", "cancel", "retry"])
def test_a_task_that_does_not_exist_is_refused_by_its_id(client, name):
    with pytest.raises(RequestRefused, match="there is no task 00000000") as refused:
        getattr(client, name)("00000000-0000-0000-0000-000000000000")

    assert refused.value.status == 404


@pytest.mark.parametrize("task_id", ["..", "", "a/b", "?q=1"])
def test_no_id_leads_to_another_call(client, kind, task_id):
    client.submit(kind, {})

    with pytest.raises((ValueError, RequestRefused)):
        client.get(task_id)


@pytest.mark.parametrize("name", CALLS)
def test_a_server_of_the_base_alone_cannot_do_what_a_producer_asks(name):
    with raw_server(always(answer(404, b'{"detail": "Not Found"}'))) as server:
        client = TaskManagerClient(server.url, dialect="v1")
        with pytest.raises(NotSupported, match="only the base protocol"):
            CALLS[name](client)
        client.close()


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [404, 302, 405])
def test_r33_something_else_at_the_address_is_told_as_such(name, status):
    with raw_server(always(answer(status, b"<html>", content_type="text/html", location="/login"))) as server:
        client = TaskManagerClient(server.url)
        with pytest.raises((NotATaskManager, ServerUnreachable)) as wrong:
            CALLS[name](client)
        client.close()

    assert server.url in str(wrong.value)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in {"show", "publish", "stats"}])
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b"null", b"{}", b'{"tasks": 1}', b'{"tasks": [7]}'])
def test_r33_json_that_is_no_task_is_no_taskmanagers(name, body):
    with raw_server(always(answer(200, body))) as server:
        client = TaskManagerClient(server.url)
        with pytest.raises(NotATaskManager, match=server.url):
            CALLS[name](client)
        client.close()


@pytest.mark.parametrize("name", ["show", "publish", "stats"])
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b"null"])
def test_r33_json_that_is_no_object_is_no_taskmanagers(name, body):
    with raw_server(always(answer(200, body))) as server:
        client = TaskManagerClient(server.url)
        with pytest.raises(NotATaskManager, match=server.url):
            CALLS[name](client)
        client.close()


@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_is_not_there_is_unreachable(name):
    with raw_server(says(b"")) as server:
        url = server.url

    with pytest.raises(ServerUnreachable, match="did not answer: the connection was refused"):
        CALLS[name](TaskManagerClient(url))


@pytest.mark.parametrize(
    "data",
    [answer(503, b"{}"), answer(429, b"", retry_after="1"), answer(200, b"<html>"), b"", answer()[:-3]],
)
def test_a_server_in_trouble_is_unreachable(data):
    with raw_server(always(data)) as server:
        client = TaskManagerClient(server.url, timeouts=SOON)
        with pytest.raises((ServerUnreachable, NotATaskManager)):
            client.get("t1")
        client.close()


def test_a_strict_base_server_has_nothing_for_producers():
    with BaseServer() as server:
        client = TaskManagerClient(server.url)
        with pytest.raises(RequestRefused) as refused:
            client.submit(TYPE, {})
        client.close()

    assert refused.value.status == 400


def test_a_key_opens_the_server_and_its_scope_bounds_it(tmp_path):
    keys = (ApiKey.of("producer-key", Scope.PRODUCER), ApiKey.of("worker-key", Scope.WORKER))
    with running_api(tmp_path, keys=keys) as api:
        client = TaskManagerClient(api.url, api_key=SecretStr("producer-key"))
        assert client.submit(TYPE, {}).created
        client.close()
        for key in (None, "another-key", "worker-key"):
            shut = TaskManagerClient(api.url, api_key=key)
            with pytest.raises(Unauthorised, match="TASKMANAGER_API_KEY"):
                shut.submit(TYPE, {})
            shut.close()


@pytest.mark.parametrize(
    "data",
    [
        answer(401, f'{{"detail": "{CANARY} is wrong"}}'.encode()),
        answer(302, b"", location=f"/{CANARY}"),
        answer(404, b"", content_type=CANARY),
        answer(422, f'{{"detail": "{CANARY}", "errors": [{{"pointer": "/{CANARY}"}}]}}'.encode()),
        answer(500, f'{{"detail": "{CANARY}"}}'.encode()),
        f"{CANARY}\r\n\r\n".encode(),
        b"",
    ],
)
def test_a_server_that_repeats_the_key_does_not_bring_it_into_an_error(data):
    with raw_server(always(data)) as server:
        client = TaskManagerClient(server.url, api_key=CANARY, timeouts=SOON)
        with pytest.raises(Exception) as wrong:
            client.submit(TYPE, {})
        client.close()

    assert server.asked[0].headers["x-api-key"] == CANARY
    assert CANARY not in whole_text(wrong.value) + repr(getattr(wrong.value, "faults", ()))


def test_a_key_that_no_header_can_carry_is_refused_at_once_without_showing_it():
    with pytest.raises(SettingsError) as refused:
        TaskManagerClient("http://127.0.0.1:9/api", api_key=f"{CANARY}\n")

    assert CANARY not in whole_text(refused.value)


@pytest.mark.parametrize("url", ["localhost:8000", "http://me:CANARY@localhost/api", ""])
def test_a_wrong_address_is_refused_at_once(url):
    with pytest.raises(SettingsError) as refused:
        TaskManagerClient(url)

    assert "CANARY" not in str(refused.value)


def many(kind, *params, **more):
    return [Submission(task_type=kind, params=one, **more) for one in params]


def test_many_tasks_are_created_in_one_call_and_answered_in_the_order_given(client, kind):
    handles = client.submit_many(many(kind, *({"n": n} for n in range(5)), priority=2))

    assert [handle.task.params["n"] for handle in handles] == list(range(5))
    assert all(handle.created for handle in handles)
    assert [client.get(handle.id).priority for handle in handles] == [2] * 5


def test_one_of_many_that_is_refused_is_an_error_among_handles_and_stops_no_other(client, kind):
    client.publish(kind, version="1", param_schema=SCHEMA)
    known = many(kind, {"query": "a"}, dedupe_key="k")
    first, bad, again = client.submit_many([*known, *many(kind, {"max/results": "x"}), *known])

    assert isinstance(bad, RequestRefused)
    assert {fault.pointer for fault in bad.faults} == {"/query", "/max~1results"}
    assert (bad.status, first.created, again.created, again.id) == (422, True, False, first.id)


def test_more_than_a_call_takes_goes_in_several(api, kind, monkeypatch):
    client = TaskManagerClient(api.url)
    assert client.submit_many([]) == []
    client._capabilities = replace(client._capabilities, max_submits=2)
    handles = client.submit_many(many(kind, *({"n": n} for n in range(5))))
    client._capabilities = replace(client._capabilities, max_submits=100, max_submit_bytes=1000)
    handles += client.submit_many(many(kind, *({"n": n, "text": "x" * 300} for n in range(5, 10))))
    client.close()

    assert [handle.task.params["n"] for handle in handles] == list(range(10))


@pytest.mark.parametrize("dialect", ["auto", "v1"])
def test_a_server_that_announces_no_whole_batch_gets_one_task_a_call(dialect, kind):
    one = b'{"id": "t1", "type": "T.T", "params": {}}'
    health = answer(
        200, b'{"status": "healthy", "capabilities": {"manage": true, "batch": {"max_tasks": 9}}}'
    )
    with raw_server(says(health, answer(201, one), answer(422, b'{"detail": "no"}'))) as server:
        client = TaskManagerClient(server.url, dialect=dialect)
        good, bad = client.submit_many(many(kind, {}, {}))
        client.close()

    assert (good.id, bad.status) == ("t1", 422)
    assert [asked.path for asked in server.asked] == ["/api/health", "/api/tasks", "/api/tasks"]


def test_r35_a_batch_that_the_server_has_no_longer_goes_one_by_one(kind):
    one = b'{"id": "t1", "type": "T.T", "params": {}}'
    can = b'{"status": "healthy", "capabilities": {"manage": true, "batch": {"max_tasks": 9, "max_bytes": 9999}}}'
    with raw_server(says(answer(200, can), answer(405, b'{"detail": "no"}'), answer(201, one))) as server:
        client = TaskManagerClient(server.url)
        (handle,) = client.submit_many(many(kind, {}))
        client.close()

    assert handle.id == "t1"
    assert [asked.path for asked in server.asked] == ["/api/health", "/api/tasks/batch", "/api/tasks"]


@pytest.mark.parametrize("body", [b"[]", b'{"tasks": []}', b'{"tasks": [{"status": 201}]}', b'{"tasks": 1}'])
def test_an_answer_to_many_that_makes_no_sense_is_no_taskmanagers(kind, body):
    can = b'{"status": "healthy", "capabilities": {"manage": true, "batch": {"max_tasks": 9, "max_bytes": 9999}}}'
    with raw_server(says(answer(200, can), answer(200, body))) as server:
        client = TaskManagerClient(server.url)
        with pytest.raises(NotATaskManager):
            client.submit_many(many(kind, {}))
        client.close()


def test_a_schedule_is_set_seen_steered_and_taken_away(client, kind):
    made = client.schedules.set("s.1", kind, {"n": 1}, every_seconds=3600, priority=2)
    task = client.schedules.run("s.1")

    assert (made["type"], made["params"], made["priority"]) == (kind, {"n": 1}, 2)
    assert client.get(task["id"]).params == {"n": 1}
    assert client.schedules.pause("s.1")["paused"] is True
    assert client.schedules.resume("s.1")["paused"] is False
    assert len(client.schedules.show("s.1")["next_times"]) == 5
    assert [one["name"] for one in client.schedules.list()] == ["s.1"]
    assert client.schedules.delete("s.1")["name"] == "s.1"
    with pytest.raises(RequestRefused, match=r"there is no schedule s\.1"):
        client.schedules.show("s.1")


def test_a_schedule_whose_params_are_no_json_is_refused_before_it_is_sent(client, kind):
    with pytest.raises(RequestRefused, match="cannot be sent as JSON"):
        client.schedules.set("s", kind, {"n": float("nan")}, every_seconds=60)
