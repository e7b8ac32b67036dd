"""A real worker says of itself, to a real server, what its page and its API show."""

import threading
from contextlib import contextmanager

import pytest

from prismq_worker_sdk import TaskHandler, Worker, WorkerSettings, task_handler
from tests.support.api import running_api
from tests.support.processes import wait_until

TYPE = "Test.Gated"


@pytest.fixture
def api(tmp_path):
    with running_api(tmp_path, own_time=True) as running:
        yield running


@contextmanager
def working(api, folder, *handlers):
    settings = WorkerSettings(api_url=api.url, state_dir=folder / "state", concurrency=2, poll_interval=0.5)
    worker = Worker(handlers, settings=settings)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        assert worker.wait(60) == 0


class Unready(TaskHandler):
    task_type = TYPE

    def ready(self):
        return "no licence"

    def process(self, params: dict, ctx):
        return None


def shown(api, worker):
    found = api.call("GET", "/workers").json()["workers"]
    return next((one for one in found if one["worker_id"] == worker.worker_id), None)


def said(api, worker):
    """What the worker has said of itself, {} for nothing yet."""
    return (shown(api, worker) or {}).get("status") or {}


def page(api):
    return api.session.get(f"{api.url.removesuffix('/api')}/workers", timeout=20).text


def test_a_worker_is_shown_from_its_first_call_to_its_stop(api, tmp_path):
    gate = threading.Event()

    @task_handler(TYPE)
    def gated(params: dict, ctx):
        ctx.progress(40)
        gate.wait(60)

    with working(api, tmp_path, gated) as worker:
        wait_until(lambda: said(api, worker), "the first word")
        found = shown(api, worker)
        assert (found["status"]["slots"], found["task_types"]) == (2, [TYPE])
        assert found["why_idle"] == "no task of its types waits"
        task_id = api.submit(TYPE)
        wait_until(lambda: "40 %" in page(api), "the progress on the page")
        assert f"/tasks/{task_id}" in page(api)
        wait_until(lambda: "1 used, 1 free" in page(api), "the slots on the page")
        api.call("POST", f"/workers/{worker.worker_id}/quiet")
        wait_until(lambda: said(api, worker)["state"] == "quiet", "the word that it is quiet")
        wait_until(lambda: "told to be quiet" in page(api), "the reason on the page")
        worker.stop()
        wait_until(lambda: said(api, worker)["state"] == "stopping", "the word that it stops")
        gate.set()
    assert shown(api, worker)["why_idle"] == "it is stopping"
    assert api.show(task_id)["status"] == "completed"


def test_a_worker_that_can_claim_nothing_says_why_and_hears_what_is_wanted_of_it(api, tmp_path):
    api.submit(TYPE)
    with working(api, tmp_path, Unready) as worker:
        wait_until(lambda: said(api, worker).get("closed"), "the word why")
        assert shown(api, worker)["why_idle"] == "not ready: no licence"
        wait_until(lambda: "not ready: no licence" in page(api), "the reason on the page")
        api.call("POST", f"/workers/{worker.worker_id}/terminate")
        assert worker.wait(60) == 0
