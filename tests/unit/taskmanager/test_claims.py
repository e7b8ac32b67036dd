import threading
from collections import Counter

from tests.support.api import Api, running_api


def test_fifty_parallel_claimers_never_share_a_task(api):
    ids = {api.submit(params={"n": n}) for n in range(150)}
    got, start = [], threading.Barrier(50)

    def claim(number):
        own = Api(api.url)
        with own.session:
            start.wait(30)
            while (task := own.claim(f"w{number}")) is not None:
                got.append(task["id"])

    claimers = [threading.Thread(target=claim, args=(number,)) for number in range(50)]
    for thread in claimers:
        thread.start()
    for thread in claimers:
        thread.join(60)

    assert Counter(got) == Counter(ids)


def test_a_claimed_task_is_shown_whole(api):
    task_id = api.submit(params={"q": "x"})
    task = api.claim("w1")

    assert (task["id"], task["status"], task["worker_id"], task["attempt"]) == (
        task_id,
        "processing",
        "w1",
        1,
    )
    assert task["params"] == {"q": "x"}
    assert task["claimed_at"].endswith("Z")


def test_only_tasks_of_the_asked_types_are_handed_out(api):
    api.submit("Test.Other")

    assert api.claim() is None
    assert api.claim(types=["Test.None", "Test.Other"])["type"] == "Test.Other"


def test_higher_priority_comes_first_then_the_older_task(api):
    low, first, second = api.submit(), api.submit(priority=5), api.submit(priority=5)

    assert [api.claim()["id"] for _ in range(3)] == [first, second, low]


def test_tasks_of_several_types_come_by_priority_and_age_whatever_their_type(api):
    types = ["Test.A", "Test.B", "Test.C"]
    ids = [
        api.submit(one, priority=priority) for priority, one in ((0, "Test.B"), (5, "Test.A"), (0, "Test.C"))
    ]
    ids += [api.submit("Test.A"), api.submit("Test.B", priority=5)]
    wanted = {"worker_id": "w1", "claim": {"task_types": [*types, "Test.A"], "max_tasks": 4}}
    tasks = api.call("POST", "/tasks/exchange", wanted).json()["tasks"]

    assert [task["id"] for task in tasks] == [ids[place] for place in (1, 4, 0, 2)]
    assert api.claim(types=types)["id"] == ids[3]


def test_a_delayed_task_is_handed_out_when_its_time_has_come(api):
    task_id = api.submit(delay_seconds=60)
    assert api.claim() is None
    api.clock.turn(61)

    assert api.claim()["id"] == task_id


def test_a_claim_that_ran_out_is_handed_out_again_and_counts_as_an_attempt(api):
    task_id = api.submit()
    api.claim("w1")
    api.clock.turn(301)
    again = api.claim("w2")

    assert (again["id"], again["attempt"]) == (task_id, 2)
    assert [claim["verdict"] for claim in api.show(task_id)["history"]] == ["expired", None]


def test_r08_a_late_report_is_taken_until_the_task_is_claimed_again(api):
    first, second = api.submit(), api.submit()
    assert {api.claim("w1")["id"], api.claim("w1")["id"]} == {first, second}
    api.clock.turn(301)

    assert api.complete(first, "w1") == 200
    assert api.claim("w2")["id"] == second
    assert api.complete(second, "w1") == 409
    assert api.complete(second, "w2") == 200


def test_a_task_whose_attempts_lapsed_fails_at_the_next_claim(api):
    task_id = api.submit(max_attempts=1)
    api.claim()
    api.clock.turn(301)

    assert api.claim() is None
    shown = api.show(task_id)
    assert (shown["status"], shown["error_type"]) == ("failed", "expired")
    assert "at attempt 1, the last" in shown["error"]


def test_a_failed_attempt_waits_longer_each_time_until_the_attempts_are_used_up(tmp_path):
    with running_api(tmp_path, backoff=10.0, max_attempts=3) as api:
        task_id = api.submit()
        for wait in (10, 20):
            assert api.claim()["id"] == task_id
            assert api.fail(task_id) == 200
            api.clock.turn(wait - 1)
            assert api.claim() is None
            api.clock.turn(1)
        assert api.claim()["attempt"] == 3
        assert api.fail(task_id, error="for good") == 200

        shown = api.show(task_id)
        assert (shown["status"], shown["error"]) == ("failed", "for good")


def test_only_the_worker_that_holds_a_task_may_report_it_and_only_once(api):
    task_id = api.submit()
    assert api.complete(task_id) == 409
    api.claim("w1")

    assert api.complete(task_id, "w2") == 409
    assert api.complete(task_id, "w1", {"a": 1}) == 200
    assert api.complete(task_id, "w1") == 409
    assert api.fail(task_id, "w1") == 409
    assert api.show(task_id)["result"] == {"a": 1}


def test_a_report_on_an_unknown_task_is_not_found(api):
    assert api.complete("00000000-0000-4000-8000-000000000000") == 404
    assert api.fail("nonsense") == 404


def test_r29_a_result_that_arrives_after_a_wish_to_cancel_wins(api):
    task_id = api.submit()
    api.claim()
    assert api.call("POST", f"/tasks/{task_id}/cancel").json()["cancel_asked"] is True

    assert api.complete(task_id) == 200
    assert api.show(task_id)["status"] == "completed"


def test_r29_any_other_end_of_a_cancelled_claim_fails_the_task_for_good(api):
    failed, lapsed = api.submit(), api.submit()
    for _ in range(2):
        api.claim()
    for task_id in (failed, lapsed):
        api.call("POST", f"/tasks/{task_id}/cancel")
    assert api.fail(failed) == 200
    api.clock.turn(301)
    assert api.claim() is None

    for task_id in (failed, lapsed):
        shown = api.show(task_id)
        assert (shown["status"], shown["error_type"]) == ("failed", "cancelled")


def test_a_pending_task_that_is_cancelled_fails_at_once_and_a_finished_one_cannot_be(api):
    task_id = api.submit()
    assert api.call("POST", f"/tasks/{task_id}/cancel").json()["status"] == "failed"

    assert api.claim() is None
    refused = api.call("POST", f"/tasks/{task_id}/cancel")
    assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")


def test_a_failed_task_is_tried_again_with_all_its_attempts(api):
    task_id = api.submit(max_attempts=1)
    api.claim()
    api.fail(task_id)
    assert api.call("POST", f"/tasks/{task_id}/retry").json()["status"] == "pending"

    assert (api.claim()["id"], api.complete(task_id)) == (task_id, 200)
    assert api.call("POST", f"/tasks/{task_id}/retry").status_code == 409


def test_the_wall_clock_may_run_back_without_giving_a_claim_away(api):
    api.submit()
    api.claim("w1")
    api.clock.turn(200)
    api.submit("Test.Other")
    api.clock.jump(-3600)

    assert api.claim("w2") is None
    api.clock.jump(3600)
    api.clock.turn(101)
    assert api.claim("w2") is not None
