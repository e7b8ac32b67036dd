"""A real Prometheus reads a worker and a TaskManager under load, and its alerts come and go."""

import re
import subprocess
from pathlib import Path

import pytest
import requests
import yaml

from tests.monitoring.conftest import program
from tests.monitoring.exposed import told
from tests.monitoring.test_rules import PROMETHEUS, RULES
from tests.support.pages import free_port
from tests.support.processes import Worker, wait_until
from tests.support.taskmanager import TaskManager

KEYS = {name: f"{name}-key-of-this-test-alone" for name in ("reader", "worker")}
TASKS = 300


class Prometheus:
    """The configuration that is there to copy, with other targets and seconds in place of minutes."""

    def __init__(self, folder, targets):
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        del config["alerting"]
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
            if "authorization" in job:
                job["authorization"] = {"credentials_file": str(folder / "reader-key")}
        (folder / "reader-key").write_text(KEYS["reader"], encoding="utf-8")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        rules = re.sub(r"\[\d+m\]", "[15s]", RULES.read_text(encoding="utf-8"))
        rules = re.sub(r"for: \d+m", "for: 2s", rules)
        (folder / RULES.name).write_text(rules, encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        self._session = requests.Session()
        self._session.trust_env = False
        wait_until(self._is_ready, "Prometheus")

    def _is_ready(self):
        assert self.process.poll() is None, "Prometheus ended"
        try:
            return self._session.get(f"{self.url}/-/ready", timeout=10).ok
        except requests.ConnectionError:
            return False

    def get(self, path, **params):
        return self._session.get(f"{self.url}/api/v1/{path}", params=params, timeout=10).json()["data"]

    def value(self, query):
        """The one value of a query, None where it has none."""
        found = self.get("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def alerts(self):
        """The alerts of today, and the state of each."""
        return {one["labels"]["alertname"]: one["state"] for one in self.get("alerts")["alerts"]}

    def close(self):
        self._session.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def taskmanager(tmp_path):
    program("prometheus")
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{name} {key}\n" for name, key in KEYS.items()), encoding="utf-8")
    running = TaskManager(tmp_path / "server", more=("--keys", keys))
    yield running
    running.kill()


@pytest.fixture
def worker(tmp_path, taskmanager):
    environment = {"TASKMANAGER_API_KEY": KEYS["worker"]}
    running = Worker(
        tmp_path / "worker", taskmanager.url, arguments=("--health-port=0",), environment=environment
    )
    yield running
    running.clean_up()


@pytest.fixture
def prometheus(tmp_path, taskmanager, worker):
    served = wait_until(lambda: re.search(r"/metrics at http://([0-9.:]+)", worker.text()), "the health port")
    targets = {"prismq-worker": served[1], "prismq-taskmanager": f"127.0.0.1:{taskmanager.port}"}
    running = Prometheus(Path(tmp_path), targets)
    yield running
    running.close()


def test_a_real_prometheus_reads_both_under_load_and_its_alerts_come_and_go(prometheus, taskmanager, worker):
    taskmanager.add("Test.Counted", [{"n": number} for number in range(TASKS)])
    wait_until(
        lambda: prometheus.value('sum(prismq_worker_claim_ends_total{end="completed"})') == TASKS,
        "all ends, as the worker tells them",
    )
    wait_until(
        lambda: prometheus.value('sum(taskmanager_tasks{status="completed"})') == TASKS,
        "all ends, as the TaskManager tells them",
    )
    assert prometheus.value("sum(up)") == 2
    assert prometheus.value("sum(taskmanager_task_wait_seconds_count)") >= TASKS
    wait_until(lambda: prometheus.value("max(prismq_worker_audit_imbalance)") == 0, "sums that hold")
    ours = [
        name
        for name in prometheus.get("label/__name__/values")
        if name.startswith(("prismq", "taskm", "process"))
    ]
    pages = {
        re.sub("_(bucket|sum|count)$", "", one.name)
        for part in ("A worker", "A TaskManager")
        for one in told(part)
    }
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in ours} <= pages

    taskmanager.kill()
    wait_until(
        lambda: prometheus.alerts().get("PrismqTaskManagerAway") == "firing", "the alert of its targets"
    )
    wait_until(lambda: prometheus.alerts().get("PrismqApiFailing") == "firing", "the alert of its workers")

    taskmanager.start()
    taskmanager.add("Test.Counted", [{"n": TASKS}])
    away = {"PrismqTaskManagerAway", "PrismqApiFailing"}
    wait_until(lambda: not away.intersection(prometheus.alerts()), "the end of both alerts")
    wait_until(
        lambda: prometheus.value('sum(prismq_worker_claim_ends_total{end="completed"})') == TASKS + 1,
        "the next task",
    )
    assert worker.terminate() == 0
