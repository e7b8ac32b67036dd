"""Real workers against the embedded TaskManager as its own process, killed and restarted too."""

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta

import pytest
import requests

from prismq_worker_sdk import TaskManagerClient
from prismq_worker_sdk.compat import UTC, datetime_from_iso
from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.support.processes import wait_until


class TaskManager:
    """`prismq-worker taskmanager` as its own process."""

    def __init__(self, folder, port=0, claim_timeout="5m", lease="1m"):
        self.folder = folder
        self.log = folder / "taskmanager.log"
        self.log.touch()
        seen = len(self._addresses())
        self._stderr = self.log.open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "prismq_worker_sdk",
                "taskmanager",
                "--port",
                str(port),
                "--database",
                str(folder / "tasks.db"),
                "--claim-timeout",
                claim_timeout,
                "--lease",
                lease,
                "--log-format",
                "json",
            ],
            stderr=self._stderr,
            start_new_session=True,
        )
        wait_until(lambda: len(self._addresses()) > seen, "the address of the TaskManager")
        self.url = self._addresses()[-1]
        self.port = int(self.url.split(":")[2].split("/")[0])
        self.client = TaskManagerClient(self.url)
        wait_until(self._answers, "the first answer")

    def _addresses(self):
        lines = [json.loads(line)["message"] for line in self.log.read_text().splitlines()]
        return [line.split()[2].rstrip(",") for line in lines if line.startswith("TaskManager at ")]

    def _answers(self):
        try:
            return self.client.stats() is not None
        except Exception:
            return False

    def counts(self):
        found = self.client.stats()["types"].values()
        total = Counter()
        for one in found:
            total.update({name: one[name] for name in ("pending", "processing", "completed", "failed")})
        return {name: number for name, number in total.items() if number}

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close()

    def close(self):
        self.client.close()
        self._stderr.close()


def call(server, method, path):
    session = requests.Session()
    session.trust_env = False
    with session:
        return session.request(method, server.url + path, timeout=10).json()


def workers(server):
    return call(server, "GET", "/workers")["workers"]


def steer(server, worker_id, order):
    return call(server, "POST", f"/workers/{worker_id}/{order}")


@pytest.fixture
def start_taskmanager(tmp_path):
    started = []

    def start(**options):
        running = TaskManager(tmp_path, **options)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.kill()


def test_two_hundred_tasks_each_run_exactly_once(start_taskmanager, start_worker):
    server = start_taskmanager()
    ids = [server.client.submit("Test.Counted", {"n": n}).id for n in range(200)]
    worker = start_worker(server.url, "--max-runs", "200")

    assert worker.exit_code() == 0
    assert server.counts() == {"completed": 200}
    assert Counter(worker.runs()) == Counter(ids)


def test_what_a_handler_logs_is_seen_while_it_runs_and_all_of_it_afterwards(start_taskmanager, start_worker):
    server = start_taskmanager()
    task_id = server.client.submit("Test.Talks", {}, max_attempts=1).id
    worker = start_worker(server.url)
    wait_until(lambda: len(server.client.logs(task_id).lines) == 2, "the first lines, while it runs")
    assert not server.client.get(task_id).status.finished
    worker.gate_file.touch()
    wait_until(lambda: server.client.get(task_id).status.finished, "its end")
    said = [(line.level, line.text.splitlines()[-1]) for line in server.client.logs(task_id).lines]

    assert said == [
        ("info", "begun n=1"),
        ("warning", "waiting"),
        ("info", "the gate is open"),
        ("error", "RuntimeError: as planned"),
    ]
    assert worker.terminate() == 0


def test_r22_what_follows_the_children_outlives_both_processes_and_comes_once(
    start_taskmanager, start_worker
):
    server = start_taskmanager(lease="5s")
    parent = server.client.submit("Test.Followed", {}).id
    worker = start_worker(server.url)
    wait_until(worker.runs, "the parent, while it runs")
    server.kill()
    worker.gate_file.touch()
    wait_until(lambda: worker.events("committed"), "its result")
    worker.kill()
    server = start_taskmanager(port=server.port, lease="5s")
    again = start_worker(server.url)
    ended = server.client.wait_children(parent, 60)
    last = server.client.wait(ended.follower, 60)
    assert again.terminate() == 0

    assert (ended.counts["completed"], ended.counts["failed"]) == (1, 1)
    assert last.params == {"n": "last", "children": {"parent_id": parent, "completed": 1, "failed": 1}}
    assert len(server.client.tasks(task_type="Test.Counted").tasks) == 2
    assert worker.runs().count(parent) == 1


def test_every_task_completes_under_one_quarter_of_faults_and_none_runs_twice(
    start_taskmanager, start_worker
):
    server = start_taskmanager(claim_timeout="5s")
    ids = [server.client.submit("Test.Counted", {"n": n}, max_attempts=50).id for n in range(200)]
    with FaultProxy(server.url, FaultPlan(share=0.25)) as proxy:
        worker = start_worker(proxy.url, "--server-claim-timeout", "60s")
        wait_until(lambda: server.counts() == {"completed": 200}, "the end of all tasks", deadline=100)
        proxy.plan = FaultPlan()
        assert worker.terminate() == 0
        assert len(proxy.counts) > len(Disturbance) / 2

    assert set(worker.runs()) == set(ids)
    claims = {task_id: server.client.show(task_id)["history"] for task_id in ids}
    for task_id, runs in Counter(worker.runs()).items():
        assert runs == 1 or len(claims[task_id]) > 1, f"{task_id} ran {runs} times without a lapsed claim"


def test_a_result_survives_the_kill_of_the_worker_and_of_the_server(start_taskmanager, start_worker):
    server = start_taskmanager()
    ids = [server.client.submit("Test.Counted", {"n": n}).id for n in range(10)]
    resets = FaultPlan(1.0, (Disturbance.RESET_BEFORE,), lambda _method, _path, body: b'"reports"' in body)
    with FaultProxy(server.url, resets) as proxy:
        first = start_worker(proxy.url)
        wait_until(lambda: first.stored() == 10, "ten stored results")
        first.kill()
        server.kill()
        again = start_taskmanager(port=server.port)
        proxy.plan = FaultPlan()
        second = start_worker(proxy.url)
        wait_until(lambda: again.counts() == {"completed": 10}, "ten deliveries")
        assert second.terminate() == 0

    assert Counter(second.runs()) == Counter(ids)
    history = again.client.show(ids[0])["history"]
    assert [claim["verdict"] for claim in history] == ["completed"]


def test_sigterm_lets_the_running_task_end_and_claims_nothing_new(start_taskmanager, start_worker):
    server = start_taskmanager()
    first, second = (server.client.submit("Test.Gated", {"n": n}).id for n in range(2))
    worker = start_worker(server.url, "--concurrency", "1")
    wait_until(lambda: worker.runs(), "the start of the first task")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.events("phase_draining"), "the drain")
    worker.gate_file.touch()

    assert worker.exit_code() == 0
    assert server.client.get(first).status == "completed"
    assert server.client.get(second).status == "pending"


def test_r21_a_handler_that_runs_longer_than_its_lease_keeps_its_task(start_taskmanager, start_worker):
    server = start_taskmanager(lease="1s")
    task_id = server.client.submit("Test.Gated", {}).id
    one = start_worker(server.url, name="one")
    wait_until(lambda: one.runs(), "the start of the task")
    other = start_worker(server.url, name="other")
    shown = server.client.show(task_id)["claimed_at"]
    wait_until(
        lambda: len(one.events("worker_started")) == 1 and other.events("worker_started"), "both workers"
    )
    lease_is_over = datetime_from_iso(shown) + timedelta(seconds=4)
    wait_until(lambda: datetime.now(UTC) > lease_is_over, "four leases")
    one.gate_file.touch()
    wait_until(lambda: server.counts() == {"completed": 1}, "the end of the task")

    assert (one.terminate(), other.terminate()) == (0, 0)
    assert (one.runs(), other.runs()) == ([task_id], [])
    assert [claim["verdict"] for claim in server.client.show(task_id)["history"]] == ["completed"]


def test_r40_a_worker_is_told_to_be_quiet_and_to_end_by_the_server(start_taskmanager, start_worker):
    server = start_taskmanager()
    worker = start_worker(server.url)
    (found,) = wait_until(lambda: workers(server), "the worker at the server")
    steer(server, found["worker_id"], "quiet")
    wait_until(lambda: "wants this worker quiet" in worker.text(), "the order")
    task_id = server.client.submit("Test.Counted", {}).id
    steer(server, found["worker_id"], "resume")
    wait_until(lambda: server.client.get(task_id).status == "completed", "the task after the order")
    steer(server, found["worker_id"], "terminate")

    assert worker.exit_code() == 0
    assert worker.runs() == [task_id]


def test_submit_waits_for_the_result_and_tasks_shows_it(start_taskmanager, start_worker):
    server = start_taskmanager()
    worker = start_worker(server.url)

    def prismq_worker(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "prismq_worker_sdk", *arguments, "--api-url", server.url],
            capture_output=True,
            text=True,
            check=False,
        )

    done = prismq_worker("submit", "Test.Strict", '{"q": "x"}', "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == {"q": "x"}
    task_id = json.loads(done.stdout)["id"]
    shown = json.loads(prismq_worker("tasks", "show", task_id, "--json").stdout)
    assert (shown["status"], shown["history"][0]["verdict"]) == ("completed", "completed")
    failed = prismq_worker("submit", "Test.Gone", "{}", "--wait", "--timeout", "0s")
    assert failed.returncode == 1
    listed = prismq_worker("tasks", "--type", "Test.Strict")
    assert task_id in listed.stdout
    assert prismq_worker("submit", "not a type", "{}").returncode == 1
    assert prismq_worker("submit", "T.T", "{nope").returncode == 2

    assert worker.terminate() == 0
