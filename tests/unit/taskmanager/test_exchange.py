import threading

import pytest

from tests.support.api import TYPE, Api, running_api
from tests.support.processes import wait_until


def exchange(api, worker="w1", **said):
    answer = api.call("POST", "/tasks/exchange", {"worker_id": worker, **said})
    assert answer.status_code == 200, answer.text
    return answer.json()


def claim(api, number=1, worker="w1", wait=0, **more):
    wanted = {"task_types": [TYPE], "max_tasks": number, "wait_seconds": wait}
    return exchange(api, worker, claim=wanted, **more)["tasks"]


def of(task, **said):
    return {"task_id": task["id"], "lease_token": task["lease_token"], **said}


def report(api, task, outcome="completed", worker="w1", **said):
    (verdict,) = exchange(api, worker, reports=[of(task, outcome=outcome, **said)])["reports"]
    return verdict["verdict"]


def renew(api, task, **said):
    (verdict,) = exchange(api, leases=[of(task, **said)])["leases"]
    return verdict["verdict"]


def test_the_bundle_is_announced_whole(api):
    announced = api.call("GET", "/health").json()["capabilities"]["exchange"]

    assert announced == {
        "max_tasks": 128,
        "max_bytes": 16777216,
        "max_wait_seconds": 30.0,
        "lease_seconds": 60.0,
    }


def test_many_tasks_are_handed_out_at_once_each_under_a_token_of_its_own(api):
    ids = [api.submit(params={"n": n}) for n in range(5)]
    tasks = claim(api, 4)

    assert [task["id"] for task in tasks] == ids[:4]
    assert len({task["lease_token"] for task in tasks}) == 4
    assert {(task["lease_seconds"], task["attempt"]) for task in tasks} == {(60.0, 1)}


def test_an_answer_holds_no_more_bytes_than_is_announced(api):
    for _ in range(20):
        api.submit(params={"x": "a" * (2**20 - 100)})
    first, second = claim(api, 20), claim(api, 20)

    assert 10 < len(first) < 16
    assert len(first) + len(second) == 20


def test_reports_renewals_and_a_claim_go_in_one_call_with_verdicts_in_the_order_sent(api):
    for _ in range(4):
        api.submit()
    one, two, three = claim(api, 3)
    answer = exchange(
        api,
        reports=[
            of(two, outcome="completed", result=2),
            of(one, outcome="failed", error="x", retryable=False),
        ],
        leases=[of(three)],
        claim={"task_types": [TYPE], "max_tasks": 9},
    )

    assert [(said["task_id"], said["verdict"]) for said in answer["reports"]] == [
        (two["id"], "accepted"),
        (one["id"], "accepted"),
    ]
    assert answer["leases"] == [{"task_id": three["id"], "verdict": "renewed", "lease_seconds": 60.0}]
    assert len(answer["tasks"]) == 1
    assert [api.show(task["id"])["status"] for task in (one, two)] == ["failed", "completed"]


def test_r02_the_token_alone_proves_the_claim(api):
    api.submit()
    (task,) = claim(api, worker="w1")

    assert report(api, {**task, "lease_token": "made-up"}, worker="w1") == "unknown"
    assert report(api, task, worker="another", result=1) == "accepted"


def test_r28_the_same_report_again_is_a_duplicate_even_after_the_task_was_claimed_again(api):
    api.submit()
    (task,) = claim(api)
    assert report(api, task, "failed", error="x", delay_seconds=0) == "accepted"
    claim(api, worker="w2")

    assert report(api, task, "failed", error="x", delay_seconds=0) == "duplicate"


def test_r28_another_outcome_under_the_same_token_is_refused_naming_the_first(api):
    api.submit()
    (task,) = claim(api)
    report(api, task, result=1)
    (verdict,) = exchange(api, reports=[of(task, outcome="failed", error="x")])["reports"]

    assert (verdict["verdict"], "completed" in verdict["detail"]) == ("refused", True)
    assert report(api, task, result=2) == "refused"
    assert api.show(task["id"])["result"] == 1


def test_r08_a_late_report_or_renewal_is_taken_until_the_task_is_claimed_again(api):
    api.submit(), api.submit()
    early, late = claim(api, 2)
    api.clock.turn(61)
    assert renew(api, early) == "renewed"
    assert [task["id"] for task in claim(api, 2, worker="w2")] == [late["id"]]

    assert (renew(api, late), report(api, late)) == ("lost", "lost")
    assert report(api, early) == "accepted"


def test_r08_a_task_that_expired_at_its_last_attempt_is_taken_up_again_by_a_late_renewal(api):
    api.submit(max_attempts=1)
    (task,) = claim(api)
    renew(api, task)
    api.clock.turn(61)
    assert claim(api) == []
    assert api.show(task["id"])["status"] == "failed"

    assert renew(api, task) == "renewed"
    assert api.show(task["id"])["status"] == "processing"
    assert report(api, task, result=1) == "accepted"


def test_r08_after_a_restart_no_expired_claim_is_given_away_for_one_lease(tmp_path):
    with running_api(tmp_path) as api:
        api.submit()
        (task,) = claim(api)
        clock = api.clock
    clock.turn(3600)
    with running_api(tmp_path, clock) as api:
        assert claim(api, worker="w2") == []
        assert renew(api, task) == "renewed"
        clock.turn(61)
        assert len(claim(api, worker="w2")) == 1


def test_r07_claims_that_expire_without_a_sign_of_life_do_not_count_up_to_ten(api):
    task_id = api.submit(max_attempts=2)
    for _ in range(11):
        (task,) = claim(api)
        assert task["attempt"] == 1
        api.clock.turn(61)

    assert claim(api)[0]["attempt"] == 2
    assert api.show(task_id)["status"] == "processing"


def test_r07_a_renewal_makes_the_attempt_count(api):
    task_id = api.submit(max_attempts=2)
    for attempt in (1, 2):
        (task,) = claim(api)
        assert (task["attempt"], renew(api, task), renew(api, task)) == (attempt, "renewed", "renewed")
        api.clock.turn(61)

    assert claim(api) == []
    assert api.show(task_id)["error_type"] == "expired"


def test_r06_a_repeat_gets_the_tasks_of_the_first_sending_with_the_seconds_that_remain(api):
    for _ in range(3):
        api.submit()
    first = claim(api, 2, request_id="r1")
    api.clock.turn(10)
    again = claim(api, 2, request_id="r1")

    assert [task["lease_token"] for task in again] == [task["lease_token"] for task in first]
    assert {task["lease_seconds"] for task in again} == {50.0}
    api.clock.turn(61)
    assert len(claim(api, 3, request_id="r1")) == 3


def test_r06_a_repeat_is_known_after_a_restart_of_the_server_too(tmp_path):
    with running_api(tmp_path) as api:
        api.submit()
        (task,) = claim(api, request_id="r1")
        clock = api.clock
    with running_api(tmp_path, clock) as api:
        assert claim(api, request_id="r1")[0]["lease_token"] == task["lease_token"]


def test_a_failed_attempt_waits_as_long_as_it_was_told_to(api):
    api.submit()
    (task,) = claim(api)
    report(api, task, "failed", error="busy", retryable=True, delay_seconds=30)
    api.clock.turn(29)
    assert claim(api) == []
    api.clock.turn(1)

    assert claim(api)[0]["attempt"] == 2


def test_a_failure_that_is_not_retryable_or_used_up_the_attempts_is_for_good(api):
    one, two = api.submit(), api.submit(max_attempts=1)
    first, second = claim(api, 2)
    report(api, first, "failed", error="never", error_type="Permanent", retryable=False)
    report(api, second, "failed", error="again", retryable=True)

    assert (api.show(one)["status"], api.show(one)["error_type"]) == ("failed", "Permanent")
    assert api.show(two)["status"] == "failed"


def test_a_released_task_comes_again_and_the_attempt_does_not_count(api):
    task_id = api.submit(max_attempts=1)
    (task,) = claim(api)
    renew(api, task)
    assert report(api, task, "released", error="later", delay_seconds=5) == "accepted"
    api.clock.turn(5)

    assert claim(api)[0]["attempt"] == 1
    assert api.show(task_id)["history"][0]["verdict"] == "released"


def test_r30_a_checkpoint_travels_in_renewals_and_reports(api):
    api.submit()
    (task,) = claim(api)
    renew(api, task, checkpoint={"page": 1}, progress=40, message="page 1")
    shown = api.show(task["id"])
    assert (shown["checkpoint"], shown["progress"], shown["message"]) == ({"page": 1}, 40, "page 1")
    report(api, task, "failed", error="x", delay_seconds=0, checkpoint={"page": 2})

    assert claim(api)[0]["checkpoint"] == {"page": 2}


def test_r22_children_are_created_with_the_report_that_is_accepted_and_only_once(api):
    api.submit()
    (task,) = claim(api)
    children = [{"key": f"c{n}", "type": "Test.Child", "params": {"n": n}} for n in range(2)]
    for verdict in ("accepted", "duplicate"):
        assert report(api, task, result=1, children=children) == verdict

    made = api.call("GET", "/tasks?type=Test.Child").json()["tasks"]
    assert sorted(child["params"]["n"] for child in made) == [0, 1]
    assert {child["parent_id"] for child in made} == {task["id"]}


def test_r22_a_lost_report_creates_no_children(api):
    api.submit()
    (task,) = claim(api)
    api.clock.turn(61)
    claim(api, worker="w2")

    assert report(api, task, result=1, children=[{"key": "c", "type": "Test.Child"}]) == "lost"
    assert api.call("GET", "/tasks?type=Test.Child").json()["tasks"] == []


def test_r22_a_child_that_does_not_fit_its_type_refuses_the_report_and_leaves_nothing_behind(api):
    schema = {"type": "object", "required": ["q"]}
    api.call("PUT", "/task-types/Test.Child", {"version": "1", "param_schema": schema})
    api.submit()
    (task,) = claim(api)
    good, bad = {"key": "g", "type": "Test.Child", "params": {"q": 1}}, {"key": "b", "type": "Test.Child"}

    assert report(api, task, result=1, children=[good, bad]) == "refused"
    assert api.call("GET", "/tasks?type=Test.Child").json()["tasks"] == []
    assert report(api, task, "failed", error="bad child", retryable=False) == "accepted"


def test_r24_a_result_that_is_too_large_is_refused_and_a_short_failure_is_taken_after_it(api):
    api.submit(), api.submit()
    big, other = claim(api, 2)
    answer = exchange(
        api,
        reports=[
            of(big, outcome="completed", result="x" * (8 * 2**20)),
            of(other, outcome="completed", result=1),
        ],
    )

    assert [said["verdict"] for said in answer["reports"]] == ["refused", "accepted"]
    assert report(api, big, "failed", error="too large", retryable=False) == "accepted"


def test_r29_a_wish_to_cancel_is_told_at_the_next_renewal_and_a_result_still_wins(api):
    api.submit(), api.submit()
    one, two = claim(api, 2)
    for task in (one, two):
        api.call("POST", f"/tasks/{task['id']}/cancel")

    assert renew(api, one) == "cancel"
    assert report(api, one, result=1) == "accepted"
    assert report(api, two, "released") == "accepted"
    assert api.show(one["id"])["status"] == "completed"
    assert api.show(two["id"])["error_type"] == "cancelled"


def test_a_claim_waits_for_work_and_gets_it_when_it_comes(api):
    got = []
    own = Api(api.url)
    waiter = threading.Thread(target=lambda: got.extend(claim(own, wait=30)))
    with own.session:
        waiter.start()
        wait_until(lambda: api.call("GET", "/workers").json()["workers"], "the waiting worker")
        task_id = api.submit()
        waiter.join(20)

    assert [task["id"] for task in got] == [task_id]


def test_r06_a_repeat_of_a_request_that_waits_ends_the_wait_and_both_get_the_same_answer(api):
    answers = []
    wanted = {"task_types": [TYPE], "max_tasks": 1, "wait_seconds": 30}
    own = Api(api.url)
    waiter = threading.Thread(target=lambda: answers.append(exchange(own, claim=wanted, request_id="r1")))
    with own.session:
        waiter.start()
        wait_until(lambda: api.call("GET", "/workers").json()["workers"], "the waiting worker")
        answers.append(exchange(api, claim={**wanted, "wait_seconds": 0}, request_id="r1"))
        waiter.join(10)

    assert answers[0] == answers[1]
    assert answers[0]["tasks"] == []


def test_r06_a_repeat_that_ends_a_wait_claims_nothing_for_itself(api):
    answers = []
    wanted = {"task_types": ["Test.Waited"], "max_tasks": 1, "wait_seconds": 30}
    own = Api(api.url)
    api.submit()
    waiter = threading.Thread(target=lambda: answers.append(exchange(own, claim=wanted, request_id="r1")))
    with own.session:
        waiter.start()
        wait_until(lambda: api.call("GET", "/workers").json()["workers"], "the waiting worker")
        wider = {**wanted, "task_types": ["Test.Waited", TYPE], "wait_seconds": 0}
        answers.append(exchange(api, claim=wider, request_id="r1"))
        waiter.join(10)

    assert answers[0] == answers[1]
    assert answers[0]["tasks"] == []


def test_a_completed_task_shows_all_of_its_progress_or_none(api):
    api.submit(), api.submit(), api.submit()
    told, silent, failed = claim(api, 3)
    for task in (told, failed):
        exchange(api, leases=[{**of(task), "progress": 50, "message": "half"}])
    assert report(api, told, result=1) == "accepted"
    assert report(api, silent, result=1) == "accepted"
    assert report(api, failed, "failed", error="broke", retryable=False) == "accepted"

    assert [api.show(task["id"])["progress"] for task in (told, silent, failed)] == [100, None, 50]


def test_r40_a_quiet_worker_gets_no_tasks_until_it_is_resumed(api):
    api.submit()
    exchange(api)
    told = api.call("POST", "/workers/w1/quiet").json()
    assert (told["wanted"], told["running"]) == ("quiet", [])
    answer = exchange(api, claim={"task_types": [TYPE]})
    assert (answer["worker"], answer["tasks"]) == ("quiet", [])
    assert api.call("POST", "/workers/w1/terminate").json()["wanted"] == "terminate"
    assert exchange(api)["worker"] == "terminate"
    api.call("POST", "/workers/w1/resume")

    assert len(claim(api)) == 1
    assert api.call("POST", "/workers/nobody/quiet").status_code == 404
    assert api.call("POST", "/workers/w1/dance").status_code == 404


def test_workers_are_listed_with_what_they_hold(api):
    api.submit()
    (task,) = claim(api, worker="w1")
    api.clock.turn(5)
    exchange(api, "w2")
    found = api.call("GET", "/workers").json()["workers"]

    assert [(one["worker_id"], one["running"]) for one in found] == [("w2", []), ("w1", [task["id"]])]


def test_base_and_exchange_share_the_tasks(api):
    one, two = api.submit(), api.submit()
    (leased,) = claim(api)
    held = api.claim("w2")

    assert {leased["id"], held["id"]} == {one, two}
    assert api.complete(leased["id"], "w1") == 200
    assert report(api, leased, result=None) in {"lost", "duplicate"}


@pytest.mark.parametrize(
    "said",
    [
        {"worker_id": ""},
        {"worker_id": "w", "claim": {"task_types": []}},
        {"worker_id": "w", "claim": {"task_types": [TYPE], "max_tasks": 0}},
        {"worker_id": "w", "reports": [{"task_id": "x", "lease_token": "t", "outcome": "gone"}]},
        {"worker_id": "w", "leases": [{"task_id": "x", "lease_token": "t", "progress": 101}]},
        {"worker_id": "w", "request_id": ""},
    ],
)
def test_an_exchange_that_makes_no_sense_is_refused_whole(api, said):
    answer = api.call("POST", "/tasks/exchange", said)

    assert answer.status_code == 422
    assert answer.json()["errors"]
