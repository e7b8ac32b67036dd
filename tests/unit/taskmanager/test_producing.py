import pytest

from prismq_worker_sdk.taskmanager import producing
from prismq_worker_sdk.taskmanager.db.database import connect
from tests.support.api import TYPE

SCHEMA = {
    "type": "object",
    "properties": {"q": {"type": "string", "minLength": 1}, "n": {"type": "integer", "maximum": 50}},
    "required": ["q"],
    "additionalProperties": False,
}


def publish(api, schema, version="1", **more):
    return api.call("PUT", f"/task-types/{TYPE}", {"version": version, "param_schema": schema, **more})


def create(api, **body):
    return api.call("POST", "/tasks", {"type": TYPE, **body})


def test_a_dedupe_key_gives_the_unfinished_task_that_has_it(api):
    first = create(api, dedupe_key="k")
    again = create(api, dedupe_key="k")
    other = create(api, dedupe_key="other")

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert again.json()["id"] == first.json()["id"]
    api.claim()
    api.complete(first.json()["id"])
    assert create(api, dedupe_key="k").status_code == 201


def test_r22_a_dedupe_key_of_a_child_holds_for_ever(api):
    first = create(api, dedupe_key="child:1", parent_id="p")
    api.claim()
    api.complete(first.json()["id"])

    assert create(api, dedupe_key="child:1", parent_id="p").status_code == 200
    assert create(api, dedupe_key="child:1", parent_id="another").status_code == 201


def test_params_are_checked_against_the_registered_schema_one_entry_for_each_fault(api):
    assert publish(api, SCHEMA).status_code == 200
    refused = create(api, params={"n": 51, "more": 1})

    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/q", "/n", "/more"}
    assert create(api, params={"q": "x", "n": 50}).status_code == 201


def test_a_type_that_is_not_registered_takes_any_object(api):
    assert create(api, params={"anything": [1]}).status_code == 201


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"required": ["q", "n"]}, "/n becomes required"),
        ({"properties": {"q": {"type": "string", "minLength": 1}}}, "/n is taken away"),
        ({"properties": SCHEMA["properties"] | {"n": {"type": "integer", "maximum": 40}}}, "lower maximum"),
        ({"properties": SCHEMA["properties"] | {"n": {"type": "string"}}}, "changes its type"),
    ],
)
def test_a_change_that_breaks_producers_is_refused_unless_it_is_allowed(api, change, named):
    publish(api, SCHEMA)
    refused = publish(api, SCHEMA | change, version="2")

    assert refused.status_code == 409
    assert named in refused.json()["detail"]
    assert publish(api, SCHEMA | change, version="2", allow_breaking=True).json()["version"] == "2"


def test_a_change_that_breaks_nobody_is_taken(api):
    publish(api, SCHEMA)
    wider = SCHEMA["properties"] | {"n": {"type": "integer", "maximum": 60}, "lang": {"type": "string"}}

    assert publish(api, SCHEMA | {"properties": wider}, version="2").status_code == 200


@pytest.mark.parametrize(
    "bad",
    [{"type": "nonsense"}, {"type": "array"}, {"properties": {"q": {"pattern": "("}}}, {"required": 7}],
)
def test_what_is_no_schema_of_params_is_refused(api, bad):
    assert publish(api, bad).status_code == 422


def test_a_result_schema_may_be_of_any_type_but_must_be_a_schema(api):
    assert publish(api, SCHEMA, result_schema={"type": "array"}).status_code == 200
    assert publish(api, SCHEMA, result_schema={"type": "nonsense"}).status_code == 422


def test_registered_types_are_shown_and_unknown_ones_are_not_found(api):
    publish(api, SCHEMA)

    assert api.call("GET", f"/task-types/{TYPE}").json()["param_schema"] == SCHEMA
    assert [one["name"] for one in api.call("GET", "/task-types").json()["task_types"]] == [TYPE]
    assert api.call("GET", "/task-types/Test.None").status_code == 404


def test_tasks_are_listed_newest_first_and_filtered(api):
    ids = [api.submit(params={"n": n}) for n in range(3)]
    other = api.submit("Test.Other", {"q": "100%_sure"})
    api.claim("w7")

    def listed(query):
        return [task["id"] for task in api.call("GET", f"/tasks?{query}").json()["tasks"]]

    assert listed("") == [other, *reversed(ids)]
    assert listed(f"type={TYPE}&status=pending") == [ids[2], ids[1]]
    assert listed("worker_id=w7") == [ids[0]]
    assert listed("q=100%25_sure") == [other]
    assert listed("q=100_xsure") == []
    assert listed(f"q={ids[1]}") == [ids[1]]


def test_pages_do_not_shift_when_tasks_come_meanwhile(api):
    ids = [api.submit() for _ in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        page = api.call("GET", f"/tasks?limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [task["id"] for task in page["tasks"]]
        cursor = page["next_cursor"]
        api.submit()

    assert seen == list(reversed(ids))


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "status=gone", "cursor=%21%21"])
def test_a_query_that_makes_no_sense_is_refused(api, query):
    assert api.call("GET", f"/tasks?{query}").status_code == 422


def test_numbers_are_told_for_each_type_also_for_prometheus(api):
    for _ in range(3):
        api.submit()
    api.clock.turn(7)
    task = api.claim()
    api.complete(task["id"])
    api.claim()
    numbers = api.call("GET", "/stats").json()["types"][TYPE]

    assert (numbers["pending"], numbers["processing"], numbers["completed"]) == (1, 1, 1)
    assert numbers["oldest_pending_seconds"] == pytest.approx(7)
    assert numbers["completed_last_hour"] == 1
    text = api.call("GET", "/metrics").text
    assert f'taskmanager_tasks{{type="{TYPE}",status="pending"}} 1' in text


@pytest.mark.parametrize(
    ("look", "index"),
    [
        (producing.UNFINISHED_TWIN, "tasks_by_key (dedupe_key=? AND type=?)"),
        (producing._TWIN_CHILD, "tasks_by_child_key (parent_id=? AND dedupe_key=?)"),
    ],
)
def test_a_dedupe_key_is_looked_up_at_once_however_many_tasks_had_it_or_have_its_parent(look, index):
    database = connect("sqlite://")
    with database.writing.begin() as db:
        text, names = look._for(db.dialect)
        plan = [step[3] for step in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("x",) * len(names))]
    database.close()

    assert len(plan) == 1
    assert index in plan[0]
