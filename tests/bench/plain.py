"""What somebody writes in ten lines: a session that claims and completes one task after the other."""

import tempfile
import time
from pathlib import Path

import requests

from tests.bench.peers.apps.ours_app import TYPE, fill
from tests.bench.throughput import plain_loop


def base(service, tasks):
    """Tasks/s on a base server."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as told:
        fill(range(tasks), told)
        seconds, _cpu = plain_loop(told["TASKMANAGER_API_URL"], tasks)
    return {"rate": tasks / seconds}


def prismq_client(service, tasks):
    """Tasks/s on the server in production."""
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder)) as told,
        requests.Session() as session,
    ):
        fill(range(tasks), told)
        url = told["TASKMANAGER_API_URL"]

        def said(path, **body):
            answer = session.post(url + path, json={"worker_id": "bench-plain", **body}, timeout=30)
            answer.raise_for_status()
            return answer.json()["data"]

        (found,) = session.get(f"{url}/task-types/{TYPE}", timeout=30).json()["data"]["items"]
        begun = time.perf_counter()
        for _ in range(tasks):
            task = said("/tasks/claim", task_type_id=found["id"])
            said(f"/tasks/{task['id']}/complete", success=True, result={"done": 1})
        return {"rate": tasks / (time.perf_counter() - begun)}
