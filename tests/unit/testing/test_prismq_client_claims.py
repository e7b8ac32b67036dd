"""The stand-in of the server in production: the life of a task."""

import threading
from dataclasses import replace

import pytest

from tests.support.prismq_client import good, running_prismq_client

TIMEOUT = 300.0


@pytest.fixture
def api():
    with running_prismq_client(claim_timeout=TIMEOUT) as caller:
        yield caller


def no_longer_claimed(said):
    return (said.status, said.error) == (400, "Task is not in claimed state")


def anothers(said):
    return (said.status, said.error) == (403, "Task is claimed by another worker")


def test_a_claim_expires_a_whole_second_after_its_timeout(api):
    task_id = api.create()
    api.claim("w1")
    api.server.age(TIMEOUT)

    assert api.claim("w2") is None
    api.server.age(1)
    assert api.claim("w2")["id"] == task_id


def test_an_expired_claim_stays_claimed_until_somebody_claims(api):
    task_id = api.create()
    api.claim("w1")
    api.server.age(10 * TIMEOUT)

    assert (api.show(task_id)["status"], api.show(task_id)["claimed_by"]) == ("claimed", "w1")
    assert good(api.complete(task_id, "w1"))["status"] == "completed"


def test_the_first_worker_learns_what_became_of_its_claim(api):
    task_id = api.create()
    api.claim("w1")
    api.server.age(TIMEOUT + 1)
    api.claim("w2")

    assert anothers(api.progress(task_id, 50, "w1"))
    assert anothers(api.complete(task_id, "w1"))
    assert good(api.complete(task_id, "w2"))["status"] == "completed"
    assert no_longer_claimed(api.complete(task_id, "w1"))
    assert no_longer_claimed(api.complete(task_id, "w2"))


def test_progress_does_not_keep_a_claim_alive(api):
    task_id = api.create()
    api.claim("w1")
    api.server.age(TIMEOUT - 1)
    good(api.progress(task_id, 50))
    api.server.age(2)

    assert api.claim("w2")["id"] == task_id


def test_a_claim_of_the_same_worker_is_told_from_an_earlier_one_by_nothing(api):
    task_id = api.create()
    api.claim("w1")
    api.server.age(TIMEOUT + 1)
    assert api.claim("w1")["attempts"] == 2

    assert good(api.complete(task_id, "w1"))["status"] == "completed"


def test_attempts_are_not_looked_at_when_a_claim_is_handed_on(api):
    api.create()
    seen = []
    for number in range(5):
        seen.append(api.claim(f"w{number}")["attempts"])
        api.server.age(TIMEOUT + 1)

    assert seen == [1, 2, 3, 4, 5]


def test_the_first_failure_after_the_last_attempt_is_final(api):
    task_id = api.create()
    for _ in range(5):
        api.claim("w1")
        api.server.age(TIMEOUT + 1)

    assert good(api.fail(task_id))["status"] == "failed"
    assert api.claim("w1") is None


def test_a_failed_task_comes_back_at_once_and_before_the_others(api):
    first = api.create({"n": 1})
    api.server.age(1)
    api.create({"n": 2})
    api.claim()

    assert good(api.fail(first))["status"] == "pending (retry)"
    assert api.claim()["id"] == first


def test_the_third_failure_ends_a_task(api):
    task_id = api.create()
    ends = []
    for _ in range(3):
        api.claim()
        ends.append(good(api.fail(task_id))["status"])

    assert ends == ["pending (retry)", "pending (retry)", "failed"]
    assert api.show(task_id)["claimed_by"] == "w1"
    assert no_longer_claimed(api.fail(task_id))


def test_a_task_that_waits_for_its_next_attempt_keeps_what_the_last_one_left(api):
    task_id = api.create()
    api.claim()
    api.progress(task_id, 70)
    api.complete(task_id, success=False, error="it broke", result={"part": 1})
    waiting = api.show(task_id)
    api.claim("w2")
    held = api.show(task_id)
    api.complete(task_id, "w2", result={"whole": 1})
    ended = api.show(task_id)

    assert (waiting["status"], waiting["claimed_by"], waiting["claimed_at"]) == ("pending", None, None)
    for left in (waiting, held):
        assert (left["error_message"], left["result"], left["progress"]) == ("it broke", {"part": 1}, 70)
        assert left["completed_at"] is not None
    assert (ended["error_message"], ended["result"], ended["progress"]) == (None, {"whole": 1}, 70)


def test_an_error_beside_success_is_kept(api):
    task_id = api.create()
    api.claim()
    api.complete(task_id, error="a warning")

    assert api.show(task_id)["error_message"] == "a warning"


@pytest.mark.parametrize("status", ["pending", "claimed", "completed", "failed"])
def test_the_same_work_is_never_created_twice(status, api):
    task_id = api.create({"a": 1})
    if status != "pending":
        api.claim()
    if status == "completed":
        api.complete(task_id)
    if status == "failed":
        api.server.deployment = replace(api.server.deployment, max_attempts=1)
        api.fail(task_id)
    api.server.age(10_000_000)

    assert api.create({"a": 1}) == task_id
    assert api.show(task_id)["status"] == status


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ({"p": 1, "q": 2}, {"q": 2, "p": 1}, False),
        ({"f": 1.0}, {"f": 1}, True),
        ({"a": {}}, {"a": []}, True),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_params_are_the_same_when_they_are_written_the_same(one, another, same, api):
    assert (api.create(one) == api.create(another)) is same


def test_a_type_in_another_case_is_the_same_type_and_another_task(api):
    first = api.create(task_type="Test.Some")

    assert api.create(task_type="TEST.SOME") != first
    assert api.show(first + 1)["type"] == "Test.Some"


@pytest.mark.parametrize(("hours", "at_once"), [(-2, True), (0, False), (2, False)])
def test_a_database_behind_the_clock_of_php_hands_every_claim_on_at_once(hours, at_once):
    with running_prismq_client(claim_timeout=TIMEOUT, database_zone_hours=hours) as api:
        api.create()
        api.claim("w1")
        taken = api.claim("w2")

    assert (taken is not None) is at_once


def test_a_database_ahead_of_the_clock_of_php_keeps_a_claim_so_much_longer():
    with running_prismq_client(claim_timeout=TIMEOUT, database_zone_hours=2) as api:
        api.create()
        api.claim("w1")
        api.server.age(2 * 3600 + TIMEOUT)
        before = api.claim("w2")
        api.server.age(1)

        assert before is None
        assert api.claim("w2") is not None


def test_times_are_those_of_the_database_and_the_envelope_has_the_clock():
    with running_prismq_client(database_zone_hours=2) as api:
        task_id = api.create()
        said = api.get(f"/tasks/{task_id}").json()

    assert said["data"]["items"][0]["created_at"] == "2026-11-23 14:00:00"
    assert said["timestamp"] == 1795435200


def test_parallel_claims_never_hand_out_a_task_twice(api):
    wanted = {api.create({"n": number}) for number in range(40)}
    got = []

    def work(worker):
        while (task := api.claim(worker)) is not None:
            got.append(task["id"])

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(got), set(got)) == (len(wanted), wanted)


def test_every_step_in_the_life_of_a_task_is_kept_for_the_test(api):
    task_id = api.create()
    api.claim("w1")
    api.progress(task_id, 50, "w1")
    api.fail(task_id, "w1")
    api.claim("w2")
    api.complete(task_id, "w2")

    assert api.steps(task_id) == [
        ("created", None),
        ("claimed", "w1"),
        ("progress_update", "w1"),
        ("pending (retry)", "w1"),
        ("claimed", "w2"),
        ("completed", "w2"),
    ]


def test_blanks_around_a_worker_are_no_part_of_its_name(api):
    task_id = api.create()
    api.claim("  w1\n")

    assert api.show(task_id)["claimed_by"] == "w1"


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ({}, [1, 2, 3]),
        ({"sort_by": "id", "sort_order": "DESC"}, [3, 2, 1]),
        ({"sort_by": "attempts", "sort_order": "DESC"}, [3, 1, 2]),
    ],
)
def test_tasks_are_claimed_in_the_order_that_was_asked_for(order, wanted, api):
    for number in range(3):
        api.create({"n": number})
        api.server.age(1)
    assert api.claim(sort_by="id", sort_order="DESC")["id"] == 3
    api.fail(3)

    assert [api.claim(**order)["id"] for _ in range(3)] == wanted


def test_a_claim_takes_tasks_of_its_type_alone(api):
    api.create(task_type="Test.Some")
    other = api.register("Test.Other")

    assert api.claim(task_type_id=other) is None
    assert api.claim(type_pattern="Test.%", task_type_id=other - 1)["type"] == "Test.Some"
