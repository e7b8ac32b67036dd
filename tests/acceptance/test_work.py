"""Real workers against a strict server of the base protocol: every task once, whatever breaks."""

import signal
from collections import Counter

from tests.support.processes import control, wait_until

COUNTED = {"type": "Test.Counted"}


def counted(number):
    return [{**COUNTED, "params": {"n": n}} for n in range(number)]


def test_two_hundred_tasks_each_run_exactly_once(server, start_worker):
    ids = server.state.add(counted(200))
    worker = start_worker(server.url, "--max-runs", "200")

    assert worker.exit_code() == 0
    assert server.state.seen()["counts"] == {"completed": 200}
    assert Counter(worker.runs()) == Counter(ids)
    assert {task["result"]["n"] for task in server.state.tasks.values()} == set(range(200))
    assert server.state.violations == []


def test_every_task_completes_under_one_quarter_of_faults_and_none_runs_twice(server, start_worker):
    ids = server.state.add(counted(200))
    server.state.claim_timeout = 5.0
    server.state.faults = {
        call: {
            "probability": 0.25,
            "kinds": ["reset", "lost_answer", "http_500", "http_503", "http_429", "html_502", "cut"],
        }
        for call in ("claim", "complete")
    }
    worker = start_worker(server.url, "--server-claim-timeout", "60s")
    wait_until(
        lambda: server.state.seen()["counts"] == {"completed": 200}, "the end of all tasks", deadline=90
    )
    server.state.faults = {}

    assert worker.terminate() == 0
    assert server.state.violations == []
    assert set(worker.runs()) == set(ids)
    for task_id, runs in Counter(worker.runs()).items():
        claims = [e for e in server.state.exchanges if e["call"] == "claim" and e["status"] == 200]
        assert runs == 1 or len(claims) > 200, f"{task_id} ran {runs} times without a lapsed claim"


def test_sigterm_lets_the_running_task_end_reports_it_and_claims_nothing_new(server, start_worker):
    ids = server.state.add([{"type": "Test.Gated"}, {"type": "Test.Gated"}])
    worker = start_worker(server.url, "--concurrency", "1")
    wait_until(lambda: len(worker.runs()) == 1, "the start of the first task")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.events("phase_draining"), "the drain")
    worker.gate_file.touch()

    assert worker.exit_code() == 0
    assert server.state.tasks[ids[0]]["status"] == "completed"
    assert server.state.tasks[ids[1]]["status"] == "pending"


def test_an_idle_worker_exits_within_a_second_of_the_signal(server, start_worker):
    worker = start_worker(server.url, "--poll-interval", "60s")
    wait_until(lambda: [e for e in server.state.exchanges if e["call"] == "claim"], "the first claim")

    assert worker.terminate(deadline=5) == 0
    stopped, drained = worker.events("worker_stopped")[0], worker.events("phase_draining")[0]
    assert stopped["message"].endswith("nothing is left")
    assert stopped["ts"] >= drained["ts"]


def test_r25_a_result_committed_before_a_kill_is_delivered_by_the_next_process_and_not_computed_again(
    server, start_worker
):
    (task_id,) = server.state.add([COUNTED])

    def claims() -> list:
        return [e["worker_id"] for e in server.state.exchanges if e["call"] == "claim"]

    server.state.faults = {"complete": {"kinds": ["reset"]}}
    first = start_worker(server.url)
    wait_until(lambda: first.events("report_delayed"), "the first try to report")
    first.kill()
    server.state.faults = {}
    second = start_worker(server.url)
    wait_until(lambda: server.state.tasks[task_id]["status"] == "completed", "the delivery")
    wait_until(lambda: len(set(claims())) == 2, "the second worker's first claim")

    assert second.terminate() == 0
    assert second.runs() == [task_id]
    reports = {e["worker_id"] for e in server.state.exchanges if e["call"] == "complete" and e["body"]}
    assert reports == {claims()[0]}


def test_a_server_away_while_the_worker_is_killed_gets_every_result_and_none_is_computed_again(
    start_server, start_worker
):
    server = start_server()
    ids = control(server.url, add=counted(20))["added"]
    control(server.url, faults={"complete": {"kinds": ["http_500"]}})
    first = start_worker(server.url)
    wait_until(lambda: first.stored() == 20, "twenty stored results")
    server.kill()
    first.kill()
    second = start_worker(server.url, "--startup-timeout", "60s")
    wait_until(lambda: "server_lost" in second.text(), "the second worker's search")
    again = start_server(port=server.port)
    wait_until(lambda: control(again.url)["counts"] == {"completed": 20}, "twenty deliveries")

    assert second.terminate() == 0
    assert sorted(second.runs()) == sorted(ids)


def test_r26_a_report_whose_answer_was_lost_is_repeated_and_its_409_is_taken_for_accepted(
    server, start_worker
):
    (task_id,) = server.state.add([COUNTED])
    server.state.faults = {"complete": {"kinds": ["lost_answer"], "times": 1}}
    worker = start_worker(server.url)
    wait_until(lambda: worker.events("report_settled"), "the verdict")

    assert worker.terminate() == 0
    assert [event["verdict"] for event in worker.events("report_settled")] == ["unconfirmed"]
    assert worker.runs() == [task_id]


def test_r25_a_lapsed_task_that_comes_back_is_answered_with_the_result_that_is_here(server, start_worker):
    (task_id,) = server.state.add([COUNTED])
    server.state.faults = {"complete": {"kinds": ["http_500"]}}
    worker = start_worker(server.url, "--poll-interval", "0.2s")
    wait_until(lambda: worker.events("report_delayed"), "the first try to report")
    server.state.expire([task_id])
    wait_until(lambda: len(worker.events("committed")) == 2, "the answer to the second claim")
    server.state.faults = {}
    wait_until(lambda: server.state.tasks[task_id]["status"] == "completed", "the delivery")

    assert worker.terminate() == 0
    assert worker.runs() == [task_id]


def test_r27_a_task_that_kills_its_worker_is_reported_as_failed_at_the_third_crash(server, start_worker):
    (task_id,) = server.state.add([{"type": "Test.Crashes"}])
    for crash in (1, 2, 3):
        worker = start_worker(server.url, "--concurrency", "1")  # no claim is under way when it crashes
        assert worker.exit_code() == 9
        assert len(worker.runs()) == crash
        server.state.expire([task_id])
    last = start_worker(server.url)
    wait_until(lambda: server.state.tasks[task_id]["status"] == "failed", "the report of the crashes")

    assert last.terminate() == 0
    assert "crashed" in server.state.tasks[task_id]["error"]


def test_a_worker_stops_by_itself_after_its_runs(server, start_worker):
    server.state.add(counted(5))
    worker = start_worker(server.url, "--max-runs", "3")

    assert worker.exit_code() == 0
    assert server.state.seen()["counts"] == {"completed": 3, "pending": 2}


def test_async_handlers_run_in_a_loop_of_their_own_slot(server, start_worker):
    server.state.add([{"type": "Test.Asynchronous"}] * 3)
    worker = start_worker(server.url, "--max-runs", "3")

    assert worker.exit_code() == 0
    assert server.state.seen()["counts"] == {"completed": 3}
