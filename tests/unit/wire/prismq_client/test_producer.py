"""A producer on the server in production: what it creates, finds and registers there."""

import pytest

from prismq_worker_sdk.errors import (
    NotSupported,
    RequestRefused,
    ServerUnreachable,
    SettingsError,
    Unauthorised,
)
from prismq_worker_sdk.model.task import TaskStatus
from prismq_worker_sdk.wire.dialects.prismq_client.values import RUN_KEY
from prismq_worker_sdk.wire.producer import TaskManagerClient
from tests.support.api import running_api
from tests.support.prismq_client import TYPE, running_prismq_client

SCHEMA = {
    "type": "object",
    "properties": {"q": {"type": "string"}, "n": {"type": "integer"}, "in": {"type": "array"}},
    "required": ["q"],
    "additionalProperties": False,
}


@pytest.fixture
def server():
    with running_prismq_client() as running:
        running.register()
        yield running


@pytest.fixture
def client(server):
    client = TaskManagerClient(server.url)
    yield client
    client.close()


def stored(server, task_id):
    return server.show(task_id)["params"]


def test_the_health_is_asked_once_and_then_remembered(server, client):
    client.submit(TYPE, {"n": 1})
    client.submit(TYPE, {"n": 2})

    paths = [path for _method, path in server.server.requests]
    assert paths.count("/health") == 1
    assert paths[-2:] == ["/tasks", "/tasks"]


def test_a_dialect_that_is_given_is_not_asked_for(server):
    client = TaskManagerClient(server.url, dialect="prismq-client")
    client.submit(TYPE, {"n": 1})
    client.close()

    assert "/health" not in [path for _method, path in server.server.requests]


def test_a_dialect_that_nobody_speaks_is_refused_at_once():
    with pytest.raises(SettingsError, match="dialect='v2' is none; give auto, v1 or prismq-client"):
        TaskManagerClient("http://127.0.0.1:9/api", dialect="v2")


def test_a_submitted_task_is_new_pending_and_as_it_was_sent(server, client):
    handle = client.submit(TYPE, {"text": "ž🐍", "in": [1.5, None]})

    assert (handle.created, handle.task.status) == (True, TaskStatus.PENDING)
    assert (handle.task.type, handle.task.params) == (TYPE, {"text": "ž🐍", "in": [1.5, None]})
    assert stored(server, handle.id) == handle.task.params
    assert client.get(handle.id).params == handle.task.params


def test_the_same_job_gives_the_old_task_and_how_it_stands(server, client):
    first = client.submit(TYPE, {"n": 1})
    again = client.submit(TYPE, {"n": 1})
    assert (again.created, again.id, again.task.status) == (False, first.id, TaskStatus.PENDING)

    server.claim()
    assert client.submit(TYPE, {"n": 1}).task.status is TaskStatus.PROCESSING
    server.complete(first.id, result={"n": 3})
    old = client.submit(TYPE, {"n": 1})
    assert (old.created, old.id, old.task.status) == (False, first.id, TaskStatus.COMPLETED)
    assert old.wait(0).result == {"n": 3}


def test_a_run_key_makes_another_task_once_and_never_reaches_the_one_who_looks(server, client):
    first = client.submit(TYPE, {"n": 1})
    second = client.submit(TYPE, {"n": 1}, run_key="monday")
    again = client.submit(TYPE, {"n": 1}, run_key="monday")

    assert (second.created, again.created) == (True, False)
    assert (again.id, first.id != second.id) == (second.id, True)
    assert stored(server, second.id) == {"n": 1, RUN_KEY: "monday"}
    assert client.get(second.id).params == {"n": 1} == second.task.params


def test_params_without_entries_are_sent_with_a_key_that_says_nothing(server, client):
    first, again = client.submit(TYPE, {}), client.submit(TYPE, {})

    assert (first.created, again.created) == (True, False)
    assert stored(server, first.id) == {RUN_KEY: ""}
    assert client.get(first.id).params == {}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("priority", 0, "oldest task first"),
        ("max_attempts", 2, "its own configuration"),
        ("delay_seconds", 1.5, "as soon as it is there"),
        ("dedupe_key", "k", "the same type and params, for ever; run_key tells runs apart"),
        ("parent_id", "7", "no parents"),
    ],
)
def test_what_cannot_be_said_there_is_refused_before_anything_is_created(server, client, name, value, why):
    with pytest.raises(NotSupported, match=why) as refused:
        client.submit(TYPE, {"n": 1}, **{name: value})

    assert f"{name} ({value!r} was given)" in str(refused.value)
    assert server.server.tasks() == []


def test_creations_that_meet_each_other_half_way_end_in_one_task():
    with running_prismq_client(duplicate_races=0.5, seed=3) as server:
        server.register()
        client = TaskManagerClient(server.url)
        ids = {client.submit(TYPE, {"n": 1}).id for _ in range(8)}
        client.close()

    assert len(ids) == 1


def test_params_that_do_not_fit_are_refused_naming_every_field(server, client):
    client.publish(TYPE, version="2", param_schema=SCHEMA, allow_breaking=True)
    with pytest.raises(RequestRefused, match=f"the params do not fit .* {TYPE}") as refused:
        client.submit(TYPE, {"n": "x", "in": {"a": 1}, "more": 1})

    assert refused.value.status == 400
    assert [str(fault) for fault in refused.value.faults] == [
        "/q: is missing",
        "/n: Type mismatch: expected integer, got string",
        "/in: Type mismatch: expected array, got object",
        "/more: is not allowed",
    ]


def test_a_whole_float_passes_for_an_integer(server, client):
    client.publish(TYPE, version="2", param_schema=SCHEMA, allow_breaking=True)
    handle = client.submit(TYPE, {"q": "x", "n": 1.0})

    assert handle.created
    assert stored(server, handle.id) == {"q": "x", "n": 1}


def test_a_type_that_is_not_registered_is_refused_with_what_to_do(client):
    with pytest.raises(RequestRefused, match=r"no task type 'Test\.New'; register it with") as refused:
        client.submit("Test.New", {"n": 1})

    assert refused.value.status == 404


@pytest.mark.parametrize(("params", "run_key"), [({"n": 1}, "k"), ({}, None)])
def test_a_schema_that_refuses_the_run_key_is_told_with_the_way_out(server, client, params, run_key):
    server.register(schema={"type": "object", "properties": {"n": {}}, "additionalProperties": False})
    with pytest.raises(RequestRefused, match=f"refuses the property {RUN_KEY}.*plugins --publish"):
        client.submit(TYPE, params, run_key=run_key)

    client.publish(
        TYPE,
        version="2",
        param_schema={"type": "object", "properties": {"n": {}}, "additionalProperties": False},
        allow_breaking=True,
    )
    assert client.submit(TYPE, params, run_key=run_key).created


def test_params_that_are_too_large_are_refused_and_not_sent(server, client):
    with pytest.raises(RequestRefused, match="70011 bytes there, 65535 at most") as refused:
        client.submit(TYPE, {"text": "y" * 70_000})

    assert refused.value.status == 413
    assert server.server.tasks() == []


@pytest.mark.parametrize(
    "task_id", ["99", "0", "1abc", "01", "5f0c1d3e-9f0a-4d2a-8f11-0242ac120002", "", "..", "1/x"]
)
def test_no_id_leads_to_a_foreign_task(server, client, task_id):
    server.create()
    asked = len(server.server.requests)
    with pytest.raises(RequestRefused, match=f"there is no task {task_id}") as refused:
        client.get(task_id)

    assert refused.value.status == 404
    assert task_id.isdecimal() or len(server.server.requests) <= asked + 1


@pytest.mark.parametrize("repaired", [False, True])
def test_a_task_is_found_in_either_form_of_the_answer(repaired):
    with running_prismq_client(repaired_items=repaired) as server:
        task_id = str(server.create({"n": 1}))
        client = TaskManagerClient(server.url)
        assert client.get(task_id).id == task_id
        with pytest.raises(RequestRefused, match="there is no task 99"):
            client.get("99")
        client.publish("Test.New", version="1", param_schema=SCHEMA)
        assert client.publish("Test.New", version="1", param_schema=SCHEMA)["unchanged"]
        client.close()


def test_a_task_is_shown_in_the_words_of_the_server_with_its_result_as_it_was_returned(server, client):
    task_id = server.create()
    server.claim()
    assert client.show(str(task_id))["status"] == "claimed"
    server.complete(task_id, result={"prismq_json": "{}"})
    shown = client.show(str(task_id))

    assert (shown["id"], shown["status"], shown["result"]) == (task_id, "completed", {})
    assert "history" not in shown


def test_waiting_ends_with_the_result_or_the_failure(server, client):
    done, broken = client.submit(TYPE, {"n": 1}), client.submit(TYPE, {"n": 2})
    while task := server.claim():
        if str(task["id"]) == done.id:
            server.complete(task["id"], result=5)
        else:
            server.fail(task["id"])

    assert (done.wait(0).status, done.wait(0).result) == (TaskStatus.COMPLETED, 5)
    assert (broken.wait(0).status, broken.wait(0).error) == (TaskStatus.FAILED, "it broke")


def test_pages_follow_each_other_by_their_offset(server, client):
    made = {str(server.create({"n": n})) for n in range(5)}

    seen, cursors, cursor = [], [], None
    while True:
        page = client.tasks(limit=2, cursor=cursor)
        seen += [task.id for task in page.tasks]
        cursor = page.next_cursor
        cursors.append(cursor)
        if cursor is None:
            break

    assert (set(seen), len(seen)) == (made, 5)
    assert cursors == ["2", "4", None]


def test_tasks_are_found_by_status_and_by_their_very_type(server, client):
    running = str(server.create({"n": 1}, TYPE))
    server.claim()
    server.register("Test.S_me")
    other = str(server.create({"n": 1}, "Test.S_me"))

    def found(**wanted):
        return [task.id for task in client.tasks(**wanted).tasks]

    assert found(status="processing") == [running]
    assert found(status="completed") == []
    assert found(task_type="test.s_me") == [other]
    assert found(task_type=TYPE.upper()) == [running]
    assert found(task_type="Test.%") == []


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"limit": 0}, "limit=0"),
        ({"limit": -1}, "limit=-1"),
        ({"cursor": "abc"}, "cursor='abc'"),
        ({"cursor": "9" * 19}, "cursor="),
        ({"status": "claimed"}, "status='claimed' is none; give one of pending, processing"),
    ],
)
def test_a_page_that_the_server_would_misread_is_not_asked_for(server, client, wanted, told):
    client.tasks()
    asked = len(server.server.requests)
    with pytest.raises(RequestRefused, match=told):
        client.tasks(**wanted)

    assert len(server.server.requests) == asked


def test_params_that_no_worker_could_read_are_not_sent(server, client):
    def nested(levels):
        return {"x": nested(levels - 1)} if levels else {}

    client.submit(TYPE, nested(255))
    asked = len(server.server.requests)
    with pytest.raises(RequestRefused, match="its params are nested deeper than 256 levels"):
        client.submit(TYPE, nested(256))

    assert len(server.server.requests) == asked


def test_a_failed_task_is_tried_again_as_another_one_that_is_created_once(server, client):
    first = client.submit(TYPE, {"n": 1}, run_key="monday").id
    for _ in range(3):
        server.claim()
        server.complete(int(first), success=False, error="it broke")
    again = client.retry(first)

    assert (again.status, again.params) == (TaskStatus.PENDING, {"n": 1})
    assert again.id not in {first, None}
    assert client.retry(first).id == again.id
    assert stored(server, int(again.id)) == {"n": 1, RUN_KEY: f"retry:{first}"}
    assert client.get(first).status is TaskStatus.FAILED


def test_only_a_failed_task_is_tried_again(server, client):
    pending = client.submit(TYPE, {"n": 1}).id

    with pytest.raises(RequestRefused, match=f"task {pending} is pending; only a failed one is tried again"):
        client.retry(pending)
    with pytest.raises(RequestRefused, match="there is no task 4711"):
        client.retry("4711")


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda client: client.cancel("1"), "cannot cancel a task"),
        (lambda client: client.stats(), "keeps no statistics"),
        (lambda client: client.task_types(), "cannot list its task types"),
        (lambda client: client.tasks(worker_id="w1"), "cannot look for tasks by worker_id"),
        (lambda client: client.tasks(q="x"), "cannot look for tasks by q"),
    ],
)
def test_what_the_server_lacks_is_told_in_a_sentence(server, client, ask, told):
    with pytest.raises(NotSupported, match=f"{server.url} {told}"):
        ask(client)


def test_a_type_is_registered_in_the_words_that_the_server_understands(client):
    assert client.publish("Test.New", version="1", param_schema=SCHEMA, result_schema={})["created"] is True
    found = client.publish("Test.New", version="1", param_schema=SCHEMA)

    assert (found["unchanged"], found["version"]) == (True, "1")
    assert found["param_schema"]["properties"][RUN_KEY] == {"type": "string"}


def test_the_same_schema_is_written_only_for_another_version_or_a_type_that_is_off(server, client):
    for version in ("1", "1", "2"):
        client.publish("Test.New", version=version, param_schema=SCHEMA)
    server.server.switch_type("Test.New", active=False)
    client.publish("Test.New", version="2", param_schema=SCHEMA)

    writes = [path for method, path in server.server.requests if method == "POST" and "Test" not in path]
    assert writes.count("/task-types/register") == 1 + 3
    assert client.submit("Test.New", {"q": "x"}).created


@pytest.mark.parametrize("name", ["Test.New", "TEST.new"])
def test_another_schema_is_overwritten_only_when_that_is_allowed(client, name):
    client.publish("Test.New", version="1", param_schema=SCHEMA)
    with pytest.raises(RequestRefused, match=r"another schema.*overwrite.*allow_breaking=True") as refused:
        client.publish(name, version="2", param_schema={"type": "object"})
    assert refused.value.status == 409

    assert client.publish(name, version="2", param_schema={"type": "object"}, allow_breaking=True)["updated"]


@pytest.mark.parametrize("name", ["api.New", "Test New"])
def test_a_name_that_cannot_be_asked_for_is_registered_only_when_that_is_allowed(server, client, name):
    with pytest.raises(RequestRefused, match="cannot be asked for the name") as refused:
        client.publish(name, version="1", param_schema=SCHEMA)
    assert refused.value.status == 409
    assert client.publish(name, version="1", param_schema=SCHEMA, allow_breaking=True)["created"] is True


def test_the_wrong_key_is_told_as_such():
    with running_prismq_client(key="right") as server:
        for key in (None, "wrong"):
            client = TaskManagerClient(server.url, api_key=key)
            with pytest.raises(Unauthorised, match="TASKMANAGER_API_KEY"):
                client.tasks()
            client.close()
        client = TaskManagerClient(server.url, api_key="right")
        assert client.tasks().tasks == ()
        client.close()


def test_a_request_limit_is_told_with_the_time_that_it_takes_and_kept():
    limited = r"takes no more requests for now: .*; try again in \d+ s"
    with running_prismq_client(rate_limit=4) as server:
        client = TaskManagerClient(server.url)
        for _ in range(4):
            client.tasks()
        with pytest.raises(ServerUnreachable, match=limited) as told:
            client.tasks()
        asked = len(server.server.requests)
        with pytest.raises(ServerUnreachable, match=limited):
            client.tasks()
        client.close()

    assert 0 < told.value.retry_after <= 61  # in the second after its window
    assert len(server.server.requests) == asked


def test_waiting_goes_on_when_the_server_wants_a_pause(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr("prismq_worker_sdk.wire.producer.time.monotonic", lambda: seconds[0])
    slept = []

    def sleep(time):
        slept.append(time)
        seconds[0] += time

    with running_prismq_client(rate_limit=4) as server:
        task_id = str(server.create())
        client = TaskManagerClient(server.url, sleep=sleep)
        with pytest.raises(TimeoutError, match=f"task {task_id} is still pending after 50 s"):
            client.wait(task_id, 50)
        client.close()

    assert max(slept) > 2
    assert sum(slept) == pytest.approx(50)


def test_a_v1_server_is_told_no_run_key(tmp_path):
    with running_api(tmp_path) as api:
        client = TaskManagerClient(api.url)
        first, second = (client.submit(TYPE, {"n": 1}, run_key="k") for _ in range(2))
        client.close()

    assert (first.created, second.created, first.id == second.id) == (True, True, False)
    assert first.task.params == {"n": 1}


@pytest.mark.parametrize("params", [{"n": float("nan")}, {"t": "\ud800"}, {"b": b"x"}, {"s": {1}}])
def test_params_that_are_no_json_are_refused_before_anything_is_sent(params):
    with pytest.raises(RequestRefused, match="cannot be sent as JSON"):
        TaskManagerClient("http://127.0.0.1:9/api").submit("Test.Some", params)


def test_a_run_key_that_utf8_cannot_carry_is_refused():
    with pytest.raises(RequestRefused, match="cannot be sent as JSON"):
        TaskManagerClient("http://127.0.0.1:9/api").submit("Test.Some", {"n": 1}, run_key="\ud800")
