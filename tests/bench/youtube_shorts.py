"""The YouTube plugin: 500 tasks in 8 threads that share it: memory, time, connections; what its import costs."""

import json
import subprocess
import sys

from tests.bench.figures import ROUNDS, Row, Table
from tests.support.processes import ROOT

THREADS = 8
TASKS = 500
STAND_IN = """
from prismq_youtube_shorts.sandbox import Sandbox, fake_catalogue
class Forgetful(list):
    def append(self, asked): pass
sandbox = Sandbox(fake_catalogue(2000), search_quota=10**9, unit_quota=10**9)
sandbox.requests = Forgetful()
sandbox.start()
print(sandbox.url, flush=True)
input()
print(sandbox.connections, flush=True)
"""
TASKS_OF_A_ROUND = """
import json, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import psutil
from prismq_worker_sdk.testing import HandlerHarness
from prismq_youtube_shorts.sandbox import SANDBOX_KEY
from prismq_youtube_shorts.scrape_shorts import ScrapeShorts, ScrapeShortsParams
from prismq_youtube_shorts.settings import YouTubeSettings

class Context:
    time_left, last_checkpoint, max_result_bytes = 60.0, None, 10**9
    class log: info = warning = staticmethod(lambda *a, **k: None)
    check = checkpoint = progress = lambda *a, **k: None

def resident(): return psutil.Process().memory_info().rss / 2**20
url, rounds, tasks, threads = sys.argv[1], *map(int, sys.argv[2:])
settings = YouTubeSettings(youtube_api_key=SANDBOX_KEY, youtube_api_endpoint=url, youtube_cache_lifetime=0,
    youtube_daily_search_budget=10**9, youtube_daily_unit_budget=10**9,
    youtube_state_dir=Path(tempfile.mkdtemp()))
handler = ScrapeShorts()
handler.settings = settings
def one(number):
    params = ScrapeShortsParams(search_query=f"cooking {number}", max_results=10)
    found = handler.process(params, Context())
    assert found.search_query == f"cooking {number}" and found.total_found == 10
before = resident()
one(0)
found = {"before": before, "first": resident(), "memory": [], "ms": []}
with ThreadPoolExecutor(threads) as pool:
    for part in range(rounds):
        begun = time.perf_counter()
        list(pool.map(one, range(part * tasks // rounds, (part + 1) * tasks // rounds)))
        found["ms"].append((time.perf_counter() - begun) * 1000 / (tasks // rounds))
        found["memory"].append(resident())
print(json.dumps(found))
"""


def run(_seconds):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen([sys.executable, "-c", STAND_IN], **pipes) as stand_in:
        url = stand_in.stdout.readline().strip()
        command = [sys.executable, "-c", TASKS_OF_A_ROUND, url, str(ROUNDS), str(TASKS), str(THREADS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        connections = int(stand_in.communicate("\n")[0])
    found = json.loads(done.stdout)
    memory = [
        Row("before the first call", [found["before"]]),
        Row("after the first task: Google's client is imported", [found["first"]], "+32 for the client"),
        *(
            Row(f"after {(place + 1) * TASKS // ROUNDS} tasks", [size])
            for place, size in enumerate(found["memory"])
        ),
    ]
    yield Table("YouTube plugin, 8 threads (RSS)", "MiB", memory)
    yield Table(
        "YouTube plugin, 8 threads, 1 search and 1 unit", "ms/task", [Row("ScrapeShorts of 10", found["ms"])]
    )
    yield Table("connections to YouTube", "in all", [Row("8 threads and the main one", [connections])])
