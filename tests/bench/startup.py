"""Start-up: import of the package, --help, and run until the first claim, each in a fresh process."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.bench.figures import Row, Table, interleaved
from tests.bench.processes import Worker
from tests.support.base_server import BaseServer
from tests.support.surroundings import ROOT, clean_environment

SCALE = {
    "bare python": "14",
    "import requests": "147; requests, pydantic, jsonschema and pluggy 225",
    "run until the first claim": "to first task: Dramatiq 240, Huey 440, Celery 730, Conductor 950",
}


def run(seconds):
    cells = {
        "bare python": python("-c", "pass"),
        "import requests": python("-c", "import requests"),
        "import prismq_worker_sdk": python("-c", "import prismq_worker_sdk"),
        "prismq-worker --help": python("-m", "prismq_worker_sdk", "--help"),
        "run until the first claim": first_claim,
    }
    samples = interleaved(cells, seconds)
    yield Table("start-up", "ms", [Row(name, samples[name], SCALE.get(name, "")) for name in cells])


def python(*arguments):
    def milliseconds(_share):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return (time.perf_counter() - begun) * 1000

    return milliseconds


def first_claim(_share):
    claimed = threading.Event()
    with BaseServer() as server, tempfile.TemporaryDirectory() as folder:

        def claim(_worker_id, _types):
            claimed.set()
            return 200, None

        server.state.claim = claim
        begun = time.perf_counter()
        worker = Worker(Path(folder) / "worker", server.url)
        try:
            if not claimed.wait(60):
                raise RuntimeError(f"no claim within 60 s:\n{worker.text()[-2000:]}")
            return (time.perf_counter() - begun) * 1000
        finally:
            worker.clean_up()
