"""Our own worker beside the peers, as it comes: outbox, leases, log."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

from prismq_worker_sdk.testing import Disturbance, FaultPlan, FaultProxy
from tests.bench.peers.apps.ours_app import TYPE
from tests.bench.processes import embedded_server, process
from tests.support.deployed import Process
from tests.support.processes import ROOT

APP = Path(__file__).parent / "apps" / "ours_app.py"


@contextmanager
def taskmanager(folder):
    """The embedded TaskManager on an empty database."""
    with embedded_server(folder) as server:
        yield settings(folder, server.url)


@contextmanager
def base(folder, *, pieces=False):
    """The lean base server."""
    with lean_server(*(["--pieces"] if pieces else [])) as url:
        yield settings(folder, url) | {"BENCH_BASE": "1"}


@contextmanager
def lean_server(*words):
    """A base server in a process of its own; gives its address."""
    with process("-m", "tests.bench.lean_server", TYPE, *words, stdout=subprocess.PIPE) as server:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/api"


@contextmanager
def prismq_client(folder):
    """The stand-in of the server in production."""
    server = Process(folder / "server")
    try:
        yield settings(folder, server.url) | {"BENCH_PRISMQ": "1"}
    finally:
        server.kill()


def far(service, round_trip):
    """The same service, so many seconds away from its worker; its producer is near."""

    @contextmanager
    def served(folder):
        delay = FaultPlan(share=1.0, kinds=(Disturbance.DELAY,), seconds=round_trip)
        with service(folder) as told, FaultProxy(told["TASKMANAGER_API_URL"], delay) as proxy:
            yield told | {"TASKMANAGER_API_URL": proxy.url, "BENCH_NEAR": told["TASKMANAGER_API_URL"]}

    return served


def settings(folder, url):
    """The variables of a worker; everything else is as it comes."""
    python_path = f"{ROOT}:{APP.parent}"
    return {
        "TASKMANAGER_API_URL": url,
        "PRISMQ_WORKER_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": python_path,
    }


def worker(slots):
    """The words that start a worker."""
    return ("prismq-worker", "--plugin", APP, "--concurrency", slots)
