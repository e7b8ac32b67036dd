import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from tests.support.api import Api


@pytest.fixture
def killable(tmp_path):
    options = ["--port", "0", "--database", str(tmp_path / "tasks.db"), "--log-format", "json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "prismq_worker_sdk", "taskmanager", *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    said = (json.loads(line)["message"] for line in process.stderr)
    process.url = next(line.split()[2].rstrip(",") for line in said if line.startswith("TaskManager at "))
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def test_r11_a_kill_in_the_middle_of_the_work_loses_nothing_that_was_answered(killable, tmp_path):
    answered, enough = {"created": [], "claimed": [], "completed": [], "failed": []}, threading.Event()

    def work(number):
        api, worker = Api(killable.url), f"w{number}"
        with api.session, suppress(requests.RequestException):
            while True:
                answered["created"].append(api.submit())
                task_id = api.claim(worker)["id"]
                answered["claimed"].append(task_id)
                if number % 2:
                    assert api.complete(task_id, worker, {"by": worker}) == 200
                    answered["completed"].append(task_id)
                else:
                    assert api.fail(task_id, worker, "broke") == 200
                    answered["failed"].append(task_id)
                if len(answered["completed"]) >= 20:
                    enough.set()

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work, number) for number in range(6)]
        assert enough.wait(30)
        os.kill(killable.pid, signal.SIGKILL)
        for worker in workers:
            worker.result(30)

    with sqlite3.connect(tmp_path / "tasks.db") as db:
        tasks = {row[0]: row[1:] for row in db.execute("SELECT id, status, result, error FROM tasks")}
        claims = list(db.execute("SELECT task_id, verdict FROM claims"))
        whole = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    assert whole == "ok"
    assert set(answered["created"]) <= set(tasks)
    assert set(answered["claimed"]) <= {task_id for task_id, _verdict in claims}
    assert {tasks[task_id][0] for task_id in answered["completed"]} == {"completed"}
    assert all("by" in tasks[task_id][1] for task_id in answered["completed"])
    assert {tasks[task_id][2] for task_id in answered["failed"]} == {"broke"}
