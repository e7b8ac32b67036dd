"""Real workers against the server in production, as it was measured: what is promised there, and what it costs."""

import os
import signal
from collections import Counter

import pytest

from prismq_worker_sdk.model.task import TaskStatus
from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from prismq_worker_sdk.wire.producer import TaskManagerClient
from tests.support.deployed import Embedded, First, Process
from tests.support.processes import wait_until

ALL = "the end of all tasks"
CANARY = "canary-5d81f0aa-do-not-show"
ALONE = ("--concurrency", "1")
"""Of a worker that is killed or stopped: no claim of it is under way while its task runs, to be given the next one."""


@pytest.fixture
def start_deployed():
    started = []

    def start(*types, **deployment):
        running = Embedded(**deployment)
        started.append(running)
        running.__enter__()
        running.producer.register(*types)
        return running

    yield start
    for running in started:
        running.__exit__()


@pytest.fixture
def deployed(start_deployed):
    return start_deployed("Test.Counted", "Test.Gated")


@pytest.fixture
def process(tmp_path):
    running = Process(tmp_path / "server")
    yield running
    running.kill()
    running.producer.close()


def numbers(count):
    return [{"n": n} for n in range(count)]


def report_once(path_ending="/complete", kind=Disturbance.LOST_ANSWER, method="POST", number=1):
    return FaultPlan(1.0, (kind,), First(method, path_ending, number))


def no_reports():
    """The server never sees a report."""
    return FaultPlan(
        1.0, (Disturbance.RESET_BEFORE,), lambda _method, path, _body: path.endswith("/complete")
    )


@pytest.mark.parametrize(
    "form",
    [{}, {"repaired_empty": True, "repaired_items": True}, {"apache": True}],
    ids=["as it is", "repaired", "behind Apache"],
)
def test_two_hundred_tasks_each_run_exactly_once_and_complete_once(start_deployed, start_worker, form):
    deployed = start_deployed("Test.Counted", **form)
    ids = deployed.producer.add("Test.Counted", *numbers(200))
    worker = start_worker(deployed.url, "--max-runs", "200")

    assert worker.exit_code(60) == 0
    assert Counter(worker.runs()) == Counter(ids)
    assert all(deployed.steps(task_id) == ["claimed", "completed"] for task_id in ids)
    assert [deployed.task(task_id)["result"] for task_id in ids] == numbers(200)


def test_every_task_completes_once_under_one_quarter_of_faults_and_runs_again_only_after_a_lapse(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Counted", claim_timeout=5.0)
    ids = deployed.producer.add("Test.Counted", *numbers(100))
    with FaultProxy(deployed.url, FaultPlan(0.25)) as proxy:
        worker = start_worker(
            proxy.url, "--server-claim-timeout", "5s", "--startup-timeout", "2m", "--max-attempts", "0"
        )
        wait_until(lambda: deployed.counts() == {"completed": 100}, ALL, deadline=120)
        proxy.plan = FaultPlan()
        assert worker.terminate() == 0

    assert len(proxy.counts) > len(Disturbance) / 2
    assert set(deployed.times("completed").values()) == {1}
    assert set(worker.runs()) == set(ids)
    claims = deployed.times("claimed")
    for task_id, runs in Counter(worker.runs()).items():
        assert runs <= claims[task_id], f"{task_id} ran {runs} times under {claims[task_id]} claims"


def test_r27_a_task_whose_worker_was_killed_lapses_and_is_run_by_the_next_one(deployed, start_worker):
    (task_id,) = deployed.producer.add("Test.Gated", {"n": 1})
    first = start_worker(deployed.url, *ALONE)
    wait_until(lambda: first.runs(), "the start of the task")
    first.kill()
    second = start_worker(deployed.url)
    wait_until(lambda: "is left to lapse on the server" in second.text(), "the orphan")
    deployed.lapse()
    wait_until(lambda: len(second.runs()) == 2, "the second run")
    second.gate_file.touch()
    wait_until(lambda: deployed.status(task_id) == "completed", "the end of the task")

    assert second.terminate() == 0
    assert deployed.steps(task_id) == ["claimed", "claimed", "completed"]
    owners = deployed.owners(task_id, "claimed")
    assert deployed.owners(task_id, "completed") == owners[1:]
    assert owners[0] != owners[1]


def test_r25_a_stored_result_is_delivered_under_its_own_claim_by_the_next_process_and_not_computed_again(
    deployed, start_worker
):
    (task_id,) = deployed.producer.add("Test.Counted", {"n": 1})
    with FaultProxy(deployed.url, no_reports()) as proxy:
        first = start_worker(proxy.url)
        wait_until(lambda: first.stored() == 1, "the stored result")
        first.kill()
        proxy.plan = FaultPlan()
        second = start_worker(proxy.url)
        wait_until(lambda: deployed.status(task_id) == "completed", "the delivery")
        # the first one's last try may have come through: then the second one only learns of it
        wait_until(lambda: second.events("report_settled"), "the verdict")
        assert second.terminate() == 0

    assert second.runs() == [task_id]
    assert deployed.steps(task_id) == ["claimed", "completed"]
    assert deployed.owners(task_id, "completed") == deployed.owners(task_id, "claimed")


def test_results_survive_the_kill_of_the_worker_and_of_the_server(process, start_worker):
    ids = process.add("Test.Counted", numbers(10))
    with FaultProxy(process.url, no_reports()) as proxy:
        first = start_worker(proxy.url)
        wait_until(lambda: first.stored() == 10, "ten stored results")
        first.kill()
        process.kill()
        proxy.plan = FaultPlan()
        second = start_worker(proxy.url, "--startup-timeout", "60s")
        wait_until(lambda: second.events("server_lost"), "the second worker's search")
        process.start()
        wait_until(lambda: process.counts() == {"completed": 10}, "ten deliveries")
        assert second.terminate() == 0

    assert Counter(second.runs()) == Counter(ids)
    assert all(process.steps(task_id) == ["claimed", "completed"] for task_id in ids)


def test_a_running_worker_goes_on_when_the_server_was_away(process, start_worker):
    process.add("Test.Gated", [{"n": 1}])
    worker = start_worker(process.url)
    wait_until(lambda: worker.runs(), "the start of the task")
    process.kill()
    worker.gate_file.touch()
    wait_until(lambda: worker.stored() == 1, "the stored result")
    process.start()
    process.add("Test.Gated", [{"n": 2}])
    wait_until(lambda: process.counts() == {"completed": 2}, "both tasks")

    assert worker.terminate() == 0
    assert len(worker.runs()) == 2


def test_sigterm_lets_the_running_task_end_reports_it_and_claims_nothing_new(deployed, start_worker):
    first, second = deployed.producer.add("Test.Gated", *numbers(2))
    worker = start_worker(deployed.url, "--concurrency", "1")
    wait_until(lambda: worker.runs(), "the start of the first task")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.events("phase_draining"), "the drain")
    worker.gate_file.touch()

    assert worker.exit_code() == 0
    assert deployed.steps(first) == ["claimed", "completed"]
    assert deployed.steps(second) == []


@pytest.mark.parametrize(("task_type", "code"), [("Test.Gated", 0), ("Test.Stubborn", 75)])
def test_r18_a_handler_that_does_not_end_in_the_grace_period_leaves_its_claim_to_lapse(
    start_deployed, start_worker, task_type, code
):
    deployed = start_deployed(task_type)
    (task_id,) = deployed.producer.add(task_type, {"n": 1})
    worker = start_worker(deployed.url, "--grace-period", "1.5s")
    wait_until(lambda: worker.runs(), "the start of the task")

    assert worker.terminate() == code
    assert (deployed.status(task_id), deployed.steps(task_id)) == ("claimed", ["claimed"])
    (ended,) = worker.events("claim_ended")
    assert (ended["end"], ended["task"]) == ("lapsed", task_id)
    assert (worker.stored("outcomes"), worker.stored("holds")) == (0, 0)


def test_r18_a_worker_that_knows_how_often_the_server_tries_gives_its_tasks_back_as_it_stops(
    deployed, start_worker
):
    (task_id,) = deployed.producer.add("Test.Gated", {"n": 1})
    worker = start_worker(deployed.url, "--grace-period", "5s", "--server-max-attempts", "3")
    wait_until(lambda: worker.runs(), "the start of the task")

    assert worker.terminate() == 0
    assert (deployed.status(task_id), deployed.steps(task_id)) == ("pending", ["claimed", "pending (retry)"])
    assert deployed.task(task_id)["error_message"] == "given back: the worker stops"
    assert "claimed 1 = released 1" in worker.text()


def test_r26_a_completion_whose_answer_was_lost_is_found_accepted_and_not_sent_again(deployed, start_worker):
    (task_id,) = deployed.producer.add("Test.Counted", {"n": 1})
    with FaultProxy(deployed.url, report_once()) as proxy:
        worker = start_worker(proxy.url)
        wait_until(lambda: worker.events("report_settled"), "the verdict")
        assert worker.terminate() == 0
        assert proxy.counts[Disturbance.LOST_ANSWER] == 1

    assert [event["verdict"] for event in worker.events("report_settled")] == ["accepted"]
    assert deployed.steps(task_id) == ["claimed", "completed"]
    assert deployed.requests("POST", f"/tasks/{task_id}/complete") == 1
    assert deployed.requests("GET", f"/tasks/{task_id}") == 1


def test_r26_a_failure_whose_answer_was_lost_is_found_accepted_by_its_words(start_deployed, start_worker):
    deployed = start_deployed("Test.Gone", max_attempts=1)
    (task_id,) = deployed.producer.add("Test.Gone", {"n": 1})
    with FaultProxy(deployed.url, report_once()) as proxy:
        worker = start_worker(proxy.url)
        wait_until(lambda: worker.events("report_settled"), "the verdict")
        assert worker.terminate() == 0

    assert [event["verdict"] for event in worker.events("report_settled")] == ["accepted"]
    assert deployed.requests("POST", f"/tasks/{task_id}/complete") == 1


@pytest.mark.parametrize("kind", [Disturbance.LOST_ANSWER, Disturbance.CUT_BODY])
def test_r06_a_task_whose_claim_was_not_answered_is_found_by_its_worker_id_and_run(
    deployed, start_worker, kind
):
    (task_id,) = deployed.producer.add("Test.Counted", {"n": 1})
    with FaultProxy(deployed.url, report_once("/tasks/claim", kind)) as proxy:
        worker = start_worker(proxy.url)
        wait_until(lambda: deployed.status(task_id) == "completed", "the end of the task")
        assert worker.terminate() == 0
        assert proxy.counts[kind] == 1

    assert worker.runs() == [task_id]
    assert deployed.steps(task_id) == ["claimed", "completed"]


def test_r02_the_late_report_of_a_claim_that_somebody_else_took_is_refused(start_deployed, start_worker):
    deployed = start_deployed("Test.Careless")
    (task_id,) = deployed.producer.add("Test.Careless", {"n": 1})
    late = start_worker(deployed.url, *ALONE, name="late")
    wait_until(lambda: late.runs(), "the first run")
    os.killpg(late.process.pid, signal.SIGSTOP)
    deployed.lapse()
    other = start_worker(deployed.url, name="other")
    wait_until(lambda: other.runs(), "the second run")
    late.gate_file.touch()
    os.killpg(late.process.pid, signal.SIGCONT)
    wait_until(lambda: late.events("report_settled"), "the verdict on the late report")
    assert deployed.status(task_id) == "claimed"
    other.gate_file.touch()
    wait_until(lambda: deployed.status(task_id) == "completed", "the end of the task")

    assert (late.terminate(), other.terminate()) == (0, 0)
    assert [event["verdict"] for event in late.events("report_settled")] == ["lost"]
    assert deployed.steps(task_id) == ["claimed", "claimed", "completed"]
    assert deployed.owners(task_id, "completed") == deployed.owners(task_id, "claimed")[1:]


def test_r17_a_permanent_failure_is_tried_as_often_as_the_server_wants_and_ends_as_failed(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Gone")
    (task_id,) = deployed.producer.add("Test.Gone", {"n": 1})
    worker = start_worker(deployed.url)
    wait_until(lambda: deployed.status(task_id) == "failed", "the end of the task")

    assert worker.terminate() == 0
    retried = ["claimed", "pending (retry)"]
    assert deployed.steps(task_id) == [*retried, *retried, "claimed", "failed"]
    assert deployed.task(task_id)["error_message"] == "no such thing"


def test_every_failure_that_the_server_did_by_half_is_told_and_can_be_tried_again(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Transient", half_failures=0.2)
    params = [{"n": n, "times": 1, "retry_in": 0} for n in range(400)]
    ids = deployed.producer.add("Test.Transient", *params)
    worker = start_worker(deployed.url, "--concurrency", "16")
    wait_until(lambda: sum(deployed.counts().get(one, 0) for one in ("completed", "failed")) == 400, ALL, 120)
    assert worker.terminate() == 0

    halved = {task_id for task_id in ids if deployed.status(task_id) == "failed"}
    told = worker.events("task_failed_early")
    assert 40 < len(halved) < 120
    assert {event["task"] for event in told} == halved
    assert len(told) == len(halved)
    assert all(deployed.task(task_id)["attempts"] == 1 for task_id in halved)
    client = TaskManagerClient(deployed.url)
    one = client.retry(halved.pop())
    client.close()
    assert (one.type, one.status) == ("Test.Transient", TaskStatus.PENDING)


def test_r17_a_transient_failure_is_held_back_under_its_claim_until_the_claim_is_nearly_over(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Transient", claim_timeout=12.0)
    (task_id,) = deployed.producer.add("Test.Transient", {"times": 1, "retry_in": 3600})
    worker = start_worker(deployed.url, "--server-claim-timeout", "12s")
    wait_until(lambda: deployed.status(task_id) == "completed", "the end of the task")

    assert worker.terminate() == 0
    assert deployed.steps(task_id) == ["claimed", "pending (retry)", "claimed", "completed"]
    assert deployed.task(task_id)["result"] == {"attempt": 2}


def test_r17_a_task_that_failed_for_now_is_handed_out_to_nobody_before_its_time(start_deployed, start_worker):
    deployed = start_deployed("Test.Transient")
    (task_id,) = deployed.producer.add("Test.Transient", {"times": 1, "retry_in": 200})
    worker = start_worker(deployed.url)
    wait_until(lambda: worker.stored() == 1, "the stored failure")
    other = start_worker(deployed.url, name="other")
    wait_until(lambda: other.events("worker_started"), "the other worker")
    asked = deployed.requests("POST", "/tasks/claim")
    wait_until(lambda: deployed.requests("POST", "/tasks/claim") > asked + 10, "ten claims of both")

    assert deployed.steps(task_id) == ["claimed"]
    assert (other.terminate(), worker.terminate()) == (0, 0)
    assert deployed.steps(task_id) == ["claimed", "pending (retry)"]


def test_r18_a_deferred_task_lapses_and_comes_back_without_a_failure(start_deployed, start_worker):
    deployed = start_deployed("Test.Deferred")
    (task_id,) = deployed.producer.add("Test.Deferred", {"n": 1})
    worker = start_worker(deployed.url, "--max-attempts", "1")
    wait_until(lambda: worker.events("claim_ended"), "the end of the first claim")
    deployed.lapse()
    wait_until(lambda: deployed.status(task_id) == "completed", "the end of the task")

    assert worker.terminate() == 0
    assert deployed.steps(task_id) == ["claimed", "claimed", "completed"]
    assert [event["end"] for event in worker.events("committed")] == ["completed"]
    assert "claimed 2 = completed 1 + lapsed 1" in worker.text()


def test_r18_a_type_that_is_unavailable_is_claimed_no_more_while_others_are(start_deployed, start_worker):
    deployed = start_deployed("Test.Unavailable", "Test.Counted")
    (task_id,) = deployed.producer.add("Test.Unavailable", {"n": 1})
    worker = start_worker(deployed.url, *ALONE)
    wait_until(lambda: worker.events("claim_ended"), "the end of the claim")
    deployed.lapse()
    others = deployed.producer.add("Test.Counted", *numbers(5))
    wait_until(lambda: set(map(deployed.status, others)) == {"completed"}, "the tasks of the other type")

    assert worker.terminate() == 0
    assert deployed.steps(task_id) == ["claimed"]


def test_r27_a_task_that_kills_its_worker_is_reported_as_failed_at_the_third_crash(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Crashes")
    (task_id,) = deployed.producer.add("Test.Crashes", {"n": 1})
    for crash in (1, 2, 3):
        worker = start_worker(deployed.url, *ALONE)
        assert worker.exit_code() == 9
        assert len(worker.runs()) == crash
        if crash < 3:
            deployed.lapse()
    last = start_worker(deployed.url)
    wait_until(lambda: deployed.status(task_id) == "failed", "the report of the crashes")

    assert last.terminate() == 0
    assert deployed.steps(task_id) == ["claimed", "claimed", "claimed", "failed"]
    assert "crashed" in deployed.task(task_id)["error_message"]


def test_a_task_that_kills_workers_of_other_machines_too_ends_by_the_number_of_its_claims(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Crashes")
    (task_id,) = deployed.producer.add("Test.Crashes", {"n": 1})
    for number in (1, 2, 3):
        assert start_worker(deployed.url, *ALONE, name=f"machine-{number}").exit_code() == 9
        deployed.lapse()
    last = start_worker(deployed.url, "--max-attempts", "3", name="machine-4")
    wait_until(lambda: deployed.status(task_id) == "failed", "the end of the task")

    assert last.terminate() == 0
    assert last.runs() == []
    assert "claimed 4 times without an end" in deployed.task(task_id)["error_message"]


def test_a_handler_that_crashes_its_process_every_time_ends_as_failed(start_deployed, start_worker):
    deployed = start_deployed("Test.Crashes")
    (task_id,) = deployed.producer.add("Test.Crashes", {"n": 1})
    worker = start_worker(deployed.url, "--isolation", "process", "--server-claim-timeout", "4s")
    wait_until(lambda: deployed.status(task_id) == "failed", "the end of the task")

    assert worker.terminate() == 0
    assert len(worker.runs()) == 3
    assert deployed.task(task_id)["error_message"] == "crashed: exit code 9"


def children(deployed):
    return Counter(task["params"]["of"] for task in deployed.server.tasks() if task["type"] == "Test.Child")


@pytest.mark.parametrize(
    ("path", "number"), [("/complete", 1), ("/tasks", 3)], ids=["its report", "each creation"]
)
def test_r22_each_child_is_created_once_although_answers_are_lost_and_requests_repeated(
    start_deployed, start_worker, path, number
):
    deployed = start_deployed("Test.Parent", "Test.Child")
    (task_id,) = deployed.producer.add("Test.Parent", {"n": 1})
    with FaultProxy(deployed.url, report_once(path, number=number)) as proxy:
        worker = start_worker(proxy.url)
        wait_until(lambda: deployed.status(task_id) == "completed", "the end of the parent")
        wait_until(lambda: worker.events("report_settled"), "its verdict")
        assert worker.terminate() == 0
        assert proxy.counts[Disturbance.LOST_ANSWER] == number

    assert children(deployed) == {"one": 2, "two": 1}
    assert worker.runs() == [task_id]


def test_r22_each_child_is_created_once_although_the_worker_is_killed_before_the_report(
    start_deployed, start_worker
):
    deployed = start_deployed("Test.Parent", "Test.Child")
    (task_id,) = deployed.producer.add("Test.Parent", {"n": 1})
    with FaultProxy(deployed.url, no_reports()) as proxy:
        first = start_worker(proxy.url)
        wait_until(lambda: children(deployed) == {"one": 2, "two": 1}, "the children")
        first.kill()
        proxy.plan = FaultPlan()
        second = start_worker(proxy.url)
        wait_until(lambda: deployed.status(task_id) == "completed", "the end of the parent")
        wait_until(lambda: second.events("report_settled"), "its verdict")
        assert second.terminate() == 0

    assert children(deployed) == {"one": 2, "two": 1}
    assert second.runs() == [task_id]


def test_r34_a_refused_key_at_start_ends_the_worker_and_is_never_shown(start_deployed, start_worker):
    deployed = start_deployed(key="the right one")
    worker = start_worker(deployed.url, environment={"TASKMANAGER_API_KEY": CANARY})

    assert worker.exit_code() == 1
    assert "refuses the API key" in worker.text()
    assert CANARY not in worker.text()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_key_is_in_no_sink(start_deployed, start_worker, log_format):
    deployed = start_deployed("Test.Leaky", key=CANARY, max_attempts=1)
    (task_id,) = deployed.producer.add("Test.Leaky", {"n": 1})
    worker = start_worker(deployed.url, environment={"TASKMANAGER_API_KEY": CANARY}, log_format=log_format)
    wait_until(lambda: deployed.status(task_id) == "failed", "the end of the task", deadline=60)

    assert worker.terminate() == 0
    assert "[redacted]" in deployed.task(task_id)["error_message"]
    assert "about to fail" in worker.text()
    assert CANARY not in worker.text()
    assert CANARY not in str(deployed.server.tasks())
    for path in worker.state_dir.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes()


def test_a_type_that_is_not_registered_is_not_claimed_and_said_so(deployed, start_worker):
    (task_id,) = deployed.producer.add("Test.Counted", {"n": 1})
    worker = start_worker(deployed.url)
    wait_until(lambda: deployed.status(task_id) == "completed", "the task of a type that is there")
    wait_until(lambda: "Test.Gone is not claimed" in worker.text(), "the word about a type that is not")

    assert worker.terminate() == 0
    told = [line["message"] for line in worker.events("type_paused")]
    (of_one,) = [text for text in told if text.startswith("Test.Gone is not claimed")]
    assert "the TaskManager does not know this type" in of_one
    assert not any(text.startswith("Test.Counted") for text in told)
