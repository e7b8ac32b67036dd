"""The stand-in of the server in production: its faults, one by one and switched on."""

from dataclasses import replace

import pytest

from tests.support.prismq_client import good, running_prismq_client

DEADLOCK = "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found"


def change(api, **options):
    api.server.deployment = replace(api.server.deployment, **options)


def is_deadlock(said):
    return said.status == 500 and said.error.startswith(DEADLOCK)


def claim(api):
    return api.post("/tasks/claim", {"worker_id": "w1", "task_type_id": api.type_id})


def test_a_claim_that_meets_a_deadlock_claims_nothing():
    with running_prismq_client(deadlocks=1.0) as api:
        task_id = api.create()

        assert is_deadlock(claim(api))
        assert (api.show(task_id)["status"], api.show(task_id)["attempts"]) == ("pending", 0)
        assert api.steps(task_id) == [("created", None)]


@pytest.mark.parametrize("success", [True, False])
def test_a_complete_that_meets_a_deadlock_leaves_the_task_claimed(success):
    with running_prismq_client() as api:
        task_id = api.create()
        api.claim()
        change(api, deadlocks=1.0)

        assert is_deadlock(api.complete(task_id, success=success, result=5, error="it broke"))
        assert api.show(task_id)["status"] == "claimed"
        assert (api.show(task_id)["result"], api.show(task_id)["error_message"]) == (None, None)
        change(api, deadlocks=0.0)
        assert api.complete(task_id, success=success).status == 200


def test_a_failure_that_a_deadlock_stops_half_way_is_final_and_a_repeat_does_not_mend_it():
    with running_prismq_client(half_failures=1.0, max_attempts=2) as api:
        task_id = api.create()
        api.claim()

        assert is_deadlock(api.complete(task_id, success=False, error="it broke"))
        again = api.complete(task_id, success=False, error="it broke")
        assert (again.status, again.error) == (400, "Task is not in claimed state")
        found = api.show(task_id)
        assert (found["status"], found["claimed_by"], found["attempts"]) == ("failed", "w1", 1)
        assert found["error_message"] == "it broke"
        assert api.claim() is None


def test_a_result_and_the_last_failure_are_one_step_that_nothing_halves():
    with running_prismq_client(half_failures=1.0, max_attempts=1) as api:
        for number, success in enumerate((True, False)):
            task_id = api.create({"n": number})
            api.claim()
            assert api.complete(task_id, success=success).status == 200


def test_an_empty_queue_meets_no_deadlock():
    with running_prismq_client(deadlocks=1.0) as api:
        api.register()

        assert api.claim() is None


def test_the_same_seed_meets_the_same_deadlocks():
    def seen(seed):
        with running_prismq_client(deadlocks=0.5, seed=seed) as api:
            for number in range(20):
                api.create({"n": number})
            return [is_deadlock(claim(api)) for _ in range(20)]

    assert seen(1) == seen(1)
    assert seen(1) != seen(2)
    assert set(seen(1)) == {True, False}


def test_a_create_that_met_the_first_one_half_way_finds_it_when_it_is_repeated():
    with running_prismq_client(duplicate_races=1.0) as api:
        task_id = api.create()
        raced = api.post("/tasks", {"type": "Test.Some", "params": {"n": 1}})
        change(api, duplicate_races=0.0)

        assert raced.status == 500
        assert "1062 Duplicate entry" in raced.error
        assert api.create() == task_id


@pytest.mark.parametrize("field", ["result", "error"])
def test_what_does_not_fit_is_lost_and_the_task_stays_claimed(field):
    with running_prismq_client() as api:
        task_id = api.create()
        api.claim()
        said = api.complete(task_id, **{field: "x" * 65_536})

        assert (said.status, said.error[:15]) == (500, "SQLSTATE[22001]")
        assert api.show(task_id)["status"] == "claimed"
        assert good(api.complete(task_id, **{field: "x"}))["status"] == "completed"


def test_a_connection_of_three_bytes_refuses_emoji_and_a_lax_database_spoils_them():
    with running_prismq_client(utf8mb4=False) as api:
        task_id = api.create()
        api.claim()
        said = api.complete(task_id, result={"a": "\U0001f3ac"})
        assert (said.status, said.error[:15]) == (500, "SQLSTATE[22007]")
        change(api, strict=False)
        assert api.complete(task_id, result={"a": "\U0001f3ac"}).status == 200
        assert api.show(task_id)["result"] == {"a": "????"}


def test_a_lax_database_cuts_what_is_too_long_and_a_result_that_is_cut_is_null():
    with running_prismq_client(strict=False) as api:
        task_id = api.create()
        api.claim()
        assert api.complete(task_id, result=["x" * 65_536], error="y" * 65_536).status == 200
        shown = api.show(task_id)

    assert (shown["status"], shown["result"], len(shown["error_message"])) == ("completed", None, 65_535)


def test_a_worker_whose_name_does_not_fit_claims_nothing():
    with running_prismq_client() as api:
        task_id = api.create()
        said = api.post("/tasks/claim", {"worker_id": "w" * 256, "task_type_id": api.type_id})

        assert (said.status, said.error[:15]) == (500, "SQLSTATE[22001]")
        assert api.show(task_id)["attempts"] == 0
        assert api.claim("w" * 255)["id"] == task_id


def test_an_id_with_letters_after_it_shows_a_task_and_changes_none():
    with running_prismq_client() as api:
        task_id = api.create()
        api.claim()

        assert api.show(f"{task_id}-other")["id"] == task_id
        for said in (api.complete(f"{task_id}x"), api.progress(f"{task_id}x", 50)):
            assert (said.status, said.error[:15]) == (500, "SQLSTATE[22007]")
        assert api.show(task_id)["status"] == "claimed"


def test_warnings_that_are_shown_stand_before_the_json():
    with running_prismq_client(display_errors=True) as api:
        task_id = api.create()
        api.claim()
        said = api.complete(task_id, success=False, error=["a"])
        before, start, rest = said.body.partition(b'{"success"')

        assert (said.status, said.headers["content-type"]) == (200, "application/json")
        assert b"Warning: Array to string conversion" in before
        assert rest.endswith(b"}")
        assert start
        assert api.show(task_id)["error_message"] == "Array"


def test_a_repaired_deployment_speaks_as_documented():
    with running_prismq_client(repaired_empty=True, repaired_items=True) as api:
        api.register()
        empty = claim(api)
        task_id = api.create()

        assert (empty.status, empty.error) == (404, "No available tasks")
        assert good(api.get(f"/tasks/{task_id}"))["id"] == task_id
        assert good(api.get("/task-types/Test.Some"))["name"] == "Test.Some"
        assert (api.get("/tasks/4711").status, api.get("/tasks/4711").error) == (404, "Record not found")


def test_a_type_that_is_registered_again_has_the_new_words_and_is_switched_on():
    with running_prismq_client() as api:
        api.register(schema={"type": "object", "required": ["a"]})
        api.server.switch_type("Test.Some", active=False)
        api.register("TEST.SOME", schema={"type": "object", "required": ["b"]})
        (found,) = good(api.get("/task-types/test.some"))["items"]

        assert (found["name"], found["is_active"]) == ("Test.Some", 1)
        assert found["param_schema"] == {"type": "object", "required": ["b"]}


def test_the_database_may_come_back():
    with running_prismq_client() as api:
        api.server.database_up = False
        down = api.get("/health")
        api.server.database_up = True

        assert (down.status, down.error) == (500, "Internal server error")
        assert api.get("/health").status == 200
