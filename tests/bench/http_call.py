"""HTTP: what one call costs the SDK's WireClient, and requests beside it."""

import http.client
import subprocess
import time

import requests

from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, ExchangeResponse
from prismq_worker_sdk.wire.client import WireClient
from tests.bench.figures import Row, Table, interleaved
from tests.bench.processes import process

TYPES = ("PrismQ.YouTube.ScrapeShorts", "PrismQ.Content.ProcessText", "PrismQ.Content.SummariseChapter")
WORK = ClaimWork("worker-0123456789abcdef0123456789abcdef", TYPES)
BODY = {"worker_id": WORK.worker_id, "task_types": list(TYPES)}
SCALE = {
    "requests.Session": "791",
    "requests.Session, trust_env=False": "573",
    "http.client": "161",
    "SDK WireClient": "409 for a bare HTTPAdapter.send",
}


def run(seconds):
    with process("-m", "tests.bench.fixed_answer", stdout=subprocess.PIPE) as server:
        port = int(server.stdout.readline())
        url = f"http://127.0.0.1:{port}/api"
        wire, plain, lean = WireClient(url), requests.Session(), requests.Session()
        lean.trust_env = False
        bare = http.client.HTTPConnection("127.0.0.1", port)
        calls = {
            "requests.Session": lambda: post(plain, url),
            "requests.Session, trust_env=False": lambda: post(lean, url),
            "http.client": lambda: bare_post(bare),
            "SDK WireClient": lambda: claim(wire),
        }
        samples = interleaved({name: timed(call) for name, call in calls.items()}, seconds)
        for opened in (wire, plain, lean, bare):
            opened.close()
    for column, unit in enumerate(("CPU µs", "wall µs")):
        rows = [
            Row(name, [sample[column] for sample in samples[name]], "" if column else SCALE[name])
            for name in calls
        ]
        yield Table("one claim call, answered with null", unit, rows)


def post(session, url):
    answer = session.post(f"{url}/tasks/claim", json=BODY, timeout=(5, 30))
    if answer.json() is not None:
        raise RuntimeError(f"answered with {answer.text}")


def bare_post(connection):
    data = requests.compat.json.dumps(BODY)
    connection.request("POST", "/api/tasks/claim", data, {"Content-Type": "application/json"})
    connection.getresponse().read()


def claim(wire):
    answer = wire.perform(ExchangeRequest(claim=WORK))
    if answer != ExchangeResponse():
        raise RuntimeError(f"answered with {answer}")


def timed(call):
    """CPU and wall time of one call, microseconds, over as many as fit into the share."""

    def sample(share):
        call()
        calls = 0
        begun, cpu = time.perf_counter(), time.process_time()
        while not calls or time.perf_counter() - begun < share:
            for _ in range(20):
                call()
            calls += 20
        spent, worked = time.perf_counter() - begun, time.process_time() - cpu
        return worked / calls * 1e6, spent / calls * 1e6

    return sample
