"""What an operator meets: demo, a key that is missing, health and metrics of a running worker."""

import os
import re
import subprocess
import sys

import requests

from tests.support.processes import wait_until


def look(url):
    session = requests.Session()
    session.trust_env = False
    with session:
        answer = session.get(url, timeout=10)
        return answer.status_code, answer.text


def served_at(worker):
    said = wait_until(
        lambda: re.search(r"/healthz, /readyz and /metrics at (http://[0-9.:]+)", worker.text()), "the port"
    )
    return said[1]


def test_the_demo_shows_the_whole_path_and_ends_with_0(tmp_path):
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    done = subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", "demo"],
        env=clean | {"HOME": str(tmp_path), "COLUMNS": "160"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "a local stand-in of the YouTube API is asked" in done.stdout
    assert done.stdout.count("POST /api/tasks") == 3
    assert "claimed 3 = completed 3\n" in done.stdout
    assert done.stdout.count("https://www.youtube.com/shorts/standin") >= 15
    assert done.stdout.count(": completed") == 3


def test_a_missing_youtube_key_keeps_the_type_unclaimed_and_names_the_variable(server, start_worker):
    server.state.add([{"type": "PrismQ.YouTube.ScrapeShorts", "params": {"search_query": "x"}}])
    worker = start_worker(server.url, "--health-port", "0", plugin="youtube_shorts")
    paused = wait_until(lambda: worker.events("type_paused"), "the pause")

    assert "set YOUTUBE_API_KEY (or YOUTUBE_API_KEY_FILE)" in paused[0]["message"]
    status, text = look(served_at(worker) + "/readyz")
    assert (status, "YOUTUBE_API_KEY" in text) == (503, True)
    assert worker.terminate() == 0
    assert [e for e in server.state.exchanges if e["call"] == "claim"] == []


def test_health_and_metrics_are_served_while_the_worker_runs(server, start_worker):
    server.state.add([{"type": "Test.Counted"}] * 3)
    worker = start_worker(server.url, "--health-port", "0")
    url = served_at(worker)
    wait_until(lambda: len(worker.runs()) == 3, "three runs")
    wait_until(lambda: look(url + "/readyz")[0] == 200, "readiness")

    assert look(url + "/healthz")[0] == 200
    wait_until(
        lambda: (
            'prismq_worker_claim_ends_total{end="completed",type="Test.Counted"} 3.0'
            in look(url + "/metrics")[1]
        ),
        "three ends in the metrics",
    )
    assert worker.terminate() == 0


def test_a_health_port_that_is_taken_ends_the_start(server, start_worker, unused_port):
    worker = start_worker(server.url, "--health-port", unused_port)

    assert worker.exit_code() == 2
    assert f"--health-port {unused_port} cannot be used" in worker.text()
