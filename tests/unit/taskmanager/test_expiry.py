import pytest

from tests.support.api import TYPE


def verdicts(api, task_id):
    return [claim["verdict"] for claim in api.show(task_id)["history"]]


def test_r08_a_late_result_of_the_last_attempt_is_taken_though_the_task_was_given_up(api):
    task_id = api.submit(max_attempts=1)
    api.claim("w1")
    api.clock.turn(301)
    assert api.show(task_id)["error_type"] == "expired"

    assert api.complete(task_id, "w2") == 409
    assert api.complete(task_id, "w1", {"late": True}) == 200
    shown = api.show(task_id)
    assert (shown["status"], shown["result"], shown["error"], shown["error_type"]) == (
        "completed",
        {"late": True},
        None,
        None,
    )
    assert verdicts(api, task_id) == ["completed"]


def test_r08_a_late_failure_of_the_last_attempt_says_what_really_happened(api):
    task_id = api.submit(max_attempts=1)
    api.claim()
    api.clock.turn(301)
    api.show(task_id)

    assert api.fail(task_id, error="out of memory") == 200
    shown = api.show(task_id)
    assert (shown["status"], shown["error"], shown["error_type"]) == ("failed", "out of memory", None)
    assert verdicts(api, task_id) == ["failed"]


def test_r08_a_claim_that_was_given_up_is_worth_nothing_after_a_retry(api):
    task_id = api.submit(max_attempts=1)
    api.claim("w1")
    api.clock.turn(301)
    api.show(task_id)
    api.call("POST", f"/tasks/{task_id}/retry")

    assert api.complete(task_id, "w1") == 409
    assert api.claim("w2")["attempt"] == 1
    assert api.complete(task_id, "w1") == 409


def test_a_claim_holds_to_the_last_moment_and_no_longer(api):
    task_id = api.submit()
    api.claim("w1")
    api.clock.turn(299.5)
    assert api.claim("w2") is None
    api.clock.turn(0.5)

    assert api.claim("w2")["id"] == task_id


@pytest.mark.parametrize("path", ["/tasks/{}", "/tasks?type=Test.Some", "/stats"])
def test_r29_a_cancelled_task_whose_worker_died_ends_without_another_worker(api, path):
    task_id = api.submit()
    api.claim()
    api.call("POST", f"/tasks/{task_id}/cancel")
    assert api.show(task_id)["status"] == "processing"
    api.clock.turn(301)
    seen = api.call("GET", path.format(task_id)).json()

    task = seen.get("tasks", [seen])[0]
    if "types" in seen:
        assert (seen["types"][TYPE]["processing"], seen["types"][TYPE]["failed"]) == (0, 1)
    else:
        assert (task["status"], task["error_type"]) == ("failed", "cancelled")
    assert api.complete(task_id) == 409


def test_a_task_without_attempts_left_is_given_up_whatever_type_is_asked_for_next(api):
    task_id = api.submit(max_attempts=1)
    api.claim()
    api.clock.turn(301)
    api.claim(types=["Test.Other"])

    assert verdicts(api, task_id) == ["expired"]


def test_an_expired_task_keeps_its_place_by_priority_and_age(api):
    expired, urgent, older = api.submit(), api.submit(priority=5), api.submit()
    assert [api.claim("gone", [TYPE])["id"] for _ in range(2)] == [urgent, expired]
    api.complete(urgent, "gone")
    newest_urgent = api.submit(priority=5)
    api.clock.turn(301)

    assert [api.claim("w2")["id"] for _ in range(3)] == [newest_urgent, expired, older]


def test_the_history_tells_every_attempt_with_its_worker_times_and_error(api):
    task_id = api.submit()
    for worker, end in (("w1", "lapse"), ("w2", "fail"), ("w3", "complete")):
        api.claim(worker)
        if end == "lapse":
            api.clock.turn(301)
        elif end == "fail":
            api.fail(task_id, worker, "it broke")
            api.clock.turn(60)
        else:
            api.complete(task_id, worker)
    told = api.show(task_id)["history"]

    assert [(one["attempt"], one["worker_id"], one["verdict"], one["error"]) for one in told] == [
        (1, "w1", "expired", None),
        (2, "w2", "failed", "it broke"),
        (3, "w3", "completed", None),
    ]
    assert all(one["claimed_at"] <= one["ended_at"] for one in told)


def test_a_task_that_is_tried_again_says_nothing_of_its_former_end(api):
    task_id = api.submit()
    api.call("POST", f"/tasks/{task_id}/cancel")
    tried = api.call("POST", f"/tasks/{task_id}/retry").json()

    assert (tried["status"], tried["error"], tried["error_type"], tried["cancel_asked"]) == (
        "pending",
        None,
        None,
        False,
    )
    assert (tried["completed_at"], tried["worker_id"], tried["attempt"]) == (None, None, 0)


def test_a_cancelled_task_that_is_tried_again_is_no_longer_cancelled(api):
    task_id = api.submit(max_attempts=2)
    api.claim()
    api.call("POST", f"/tasks/{task_id}/cancel")
    api.fail(task_id)
    api.call("POST", f"/tasks/{task_id}/retry")
    api.claim()

    assert api.fail(task_id, error="again") == 200
    shown = api.show(task_id)
    assert (shown["status"], shown["error"], shown["error_type"]) == ("pending", "again", None)
    assert shown["not_before"] is not None


def test_a_failed_task_is_not_tried_again_beside_an_unfinished_one_of_its_dedupe_key(api):
    first = api.submit(dedupe_key="k", max_attempts=1)
    api.claim()
    api.fail(first)
    second = api.submit(dedupe_key="k")
    refused = api.call("POST", f"/tasks/{first}/retry")

    assert refused.status_code == 409
    assert second in refused.json()["detail"]
    api.call("POST", f"/tasks/{second}/cancel")
    assert api.call("POST", f"/tasks/{first}/retry").status_code == 200


def given_up(api):
    """A task whose claim ran out at its last attempt, the claim, and a newer task of its dedupe key."""
    first = api.submit(dedupe_key="k", max_attempts=1)
    claim = {"worker_id": "w1", "claim": {"task_types": [TYPE]}}
    (task,) = api.call("POST", "/tasks/exchange", claim).json()["tasks"]
    held = {"task_id": first, "lease_token": task["lease_token"]}
    assert send(api, leases=[held]) == "renewed"
    api.clock.turn(61)
    assert api.show(first)["error_type"] == "expired"
    return held, api.submit(dedupe_key="k")


def send(api, **said):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": "w1", **said}).json()
    ((verdict,),) = [answer[kind] for kind in said]
    return verdict["verdict"]


def status(api, held):
    return api.show(held["task_id"])["status"]


@pytest.mark.parametrize("runs", [False, True])
def test_r08_a_late_renewal_is_taken_beside_a_newer_task_of_the_same_dedupe_key(api, runs):
    held, newer = given_up(api)
    if runs:
        assert api.claim("w2")["id"] == newer

    assert send(api, leases=[held]) == "renewed"
    assert status(api, held) == "processing"
    assert api.submit(dedupe_key="k") == newer
    assert send(api, reports=[{**held, "outcome": "completed", "result": 1}]) == "accepted"
    assert (status(api, held), api.show(newer)["status"]) == (
        "completed",
        "processing" if runs else "pending",
    )


@pytest.mark.parametrize("renewed", [False, True])
def test_a_task_given_back_late_is_not_started_again_beside_a_newer_one_of_its_dedupe_key(api, renewed):
    held, newer = given_up(api)
    if renewed:
        send(api, leases=[held])

    assert send(api, reports=[{**held, "outcome": "released"}]) == "accepted"
    shown = api.show(held["task_id"])
    assert (shown["status"], shown["error_type"]) == ("failed", "superseded")
    assert newer in shown["error"]
    assert [api.claim("w2")["id"], api.claim("w3")] == [newer, None]


def test_a_task_given_back_late_is_tried_again_where_the_newer_one_has_ended(api):
    held, newer = given_up(api)
    api.call("POST", f"/tasks/{newer}/cancel")

    assert send(api, reports=[{**held, "outcome": "released"}]) == "accepted"
    assert api.claim("w2")["id"] == held["task_id"]
