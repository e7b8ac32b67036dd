"""HTTP: what one call costs the SDK, and requests beside it: alone, with eight threads, answered in two pieces."""

import http.client
import json
import subprocess
import threading
import time
from contextlib import contextmanager

import requests

from prismq_worker_sdk.model.protocol import ClaimWork, ExchangeRequest, ExchangeResponse
from prismq_worker_sdk.wire.client import WireClient
from prismq_worker_sdk.wire.messages import HttpRequest
from prismq_worker_sdk.wire.transport import Transport
from tests.bench.figures import Row, Table, interleaved
from tests.bench.processes import process

TYPES = ("PrismQ.YouTube.ScrapeShorts", "PrismQ.Content.ProcessText", "PrismQ.Content.SummariseChapter")
WORK = ClaimWork("worker-0123456789abcdef0123456789abcdef", TYPES)
BODY = {"worker_id": WORK.worker_id, "task_types": list(TYPES)}
SCALE = {
    "requests.Session": "791",
    "requests.Session, trust_env=False": "573",
    "http.client": "161",
    "SDK Transport": "43 for a bare socket, 409 for HTTPAdapter.send",
}
AT_ONCE = 20
THREADS = 8


def run(seconds):
    with served() as url:
        yield from measured(
            "one claim call, answered with null",
            {name: [open_(url)] for name, open_ in CALLS.items()},
            seconds / 3,
        )
        yield from measured(
            f"the same by {THREADS} threads",
            {name: [open_(url) for _ in range(THREADS)] for name, open_ in CALLS.items()},
            seconds / 3,
        )
    with served("in pieces") as url:
        names = ("requests.Session", "SDK Transport", "SDK WireClient")
        calls = {name: [CALLS[name](url)] for name in names}
        yield from measured("answered in two pieces, Nagle's algorithm on", calls, seconds / 3, at_once=2)


@contextmanager
def served(*how):
    with process("-m", "tests.bench.fixed_answer", *how, stdout=subprocess.PIPE) as server:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/api"


def measured(title, opened, seconds, at_once=AT_ONCE):
    """A table of CPU time and one of wall time; each row's calls are made by as many threads."""
    calls = {name: [call for call, _ in row] for name, row in opened.items()}
    try:
        samples = interleaved({name: timed(row, at_once) for name, row in calls.items()}, seconds)
    finally:
        for _, close in (one for row in opened.values() for one in row):
            close()
    for column, unit in enumerate(("CPU µs", "wall µs")):
        rows = [
            Row(name, [sample[column] for sample in samples[name]], "" if column else SCALE.get(name, ""))
            for name in calls
        ]
        yield Table(title, unit, rows)


def session(url, *, trust_env=True):
    opened = requests.Session()
    opened.trust_env = trust_env

    def post():
        answer = opened.post(f"{url}/tasks/claim", json=BODY, timeout=(5, 30))
        if answer.json() is not None:
            raise RuntimeError(f"answered with {answer.text}")

    return post, opened.close


def bare(url):
    opened = http.client.HTTPConnection(url.split("/")[2])

    def post():
        opened.request("POST", "/api/tasks/claim", json.dumps(BODY), {"Content-Type": "application/json"})
        json.loads(opened.getresponse().read())

    return post, opened.close


def transport(url):
    opened = Transport(url, key=lambda: None)
    request = HttpRequest("claim", "POST", ("tasks", "claim"), json.dumps(BODY))

    def post():
        answer = opened.send(request)
        if answer.json is not None:
            raise RuntimeError(f"answered with {answer}")

    return post, opened.close


def client(url):
    opened = WireClient(url)

    def claim():
        answer = opened.perform(ExchangeRequest(claim=WORK))
        if answer != ExchangeResponse():
            raise RuntimeError(f"answered with {answer}")

    return claim, opened.close


CALLS = {
    "requests.Session": session,
    "requests.Session, trust_env=False": lambda url: session(url, trust_env=False),
    "http.client": bare,
    "SDK Transport": transport,
    "SDK WireClient": client,
}


def timed(calls, at_once):
    """CPU and wall time of one call, microseconds, over as many as fit into the share."""

    def some(call):
        for _ in range(at_once):
            call()

    def sample(share):
        for call in calls:
            call()
        done = 0
        begun, cpu = time.perf_counter(), time.process_time()
        while not done or time.perf_counter() - begun < share:
            threads = [threading.Thread(target=some, args=(call,)) for call in calls[1:]]
            for thread in threads:
                thread.start()
            some(calls[0])
            for thread in threads:
                thread.join()
            done += at_once * len(calls)
        spent, worked = time.perf_counter() - begun, time.process_time() - cpu
        return worked / done * 1e6, spent / done * 1e6

    return sample
