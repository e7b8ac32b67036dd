"""What an operator meets: demo, a key that is missing, health and metrics of a running worker."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
import requests

from tests.support.processes import DEADLINE, PROBES, wait_until


def look(url):
    session = requests.Session()
    session.trust_env = False
    with session:
        answer = session.get(url, timeout=10)
        return answer.status_code, answer.text


def served_at(worker):
    said = wait_until(
        lambda: re.search(r"/healthz, /readyz, /status and /metrics at (http://[0-9.:]+)", worker.text()),
        "the port",
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
    assert "claimed 3 = completed 3; 100.0% succeeded" in done.stdout
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


CANARY = "canary-7f3a9c2e-do-not-show"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_what_runs_is_told_at_the_health_port_and_on_a_signal(server, start_worker, isolation):
    server.state.key = CANARY
    (task_id,) = server.state.add([{"type": "Test.Tells", "params": {"more": CANARY}}])
    worker = start_worker(
        server.url,
        "--health-port=0",
        f"--isolation={isolation}",
        "--concurrency=2",
        environment={"TASKMANAGER_API_KEY": CANARY},
    )
    url = served_at(worker)

    def status():
        return json.loads(look(url + "/status")[1])

    (task,) = wait_until(
        lambda: [task for task in status()["running"] if task["percent"] is not None and task["seconds"] > 0],
        "the progress, and some time",
    )
    assert (task["id"], task["type"], task["state"]) == (task_id, "Test.Tells", "running")
    assert (task["percent"], task["message"]) == (40.0, "page 3 [redacted]")
    assert status()["slots"] == {"all": 2, "free": 1, "lost": 0}
    assert status()["reports"] == {"waiting": 0, "parked": 0}
    if hasattr(signal, "SIGUSR1"):
        worker.signal(signal.SIGUSR1)
        (line,) = wait_until(lambda: worker.events("task_running"), "what runs")
        assert (line["task"], line["type"], line["percent"]) == (task_id, "Test.Tells", 40.0)
        assert line["message"].endswith(" 40 % page 3 [redacted]")
        (numbers,) = wait_until(lambda: worker.events("statistics"), "the statistics")
        assert (numbers["claimed"], numbers["memory"] > 0) == (1, True)
    worker.gate_file.touch()
    wait_until(lambda: status()["running"] == [], "the end")

    assert worker.terminate() == 0
    assert CANARY not in worker.text()


def test_the_log_for_people_is_a_line_for_each_start_and_end(server, start_worker):
    server.state.add([{"type": "Test.Counted"}, {"type": "Test.Failing"}])
    worker = start_worker(server.url, "--max-runs", "2", "--log-level", "INFO", log_format="console")

    assert worker.exit_code() == 0
    said = [line[9:] for line in worker.text().splitlines() if " Test." in line and "types" not in line]
    assert sorted((line[0], line.split()[1]) for line in said) == [
        ("▸", "Test.Counted"),
        ("▸", "Test.Failing"),
        ("✓", "Test.Counted"),
        ("✗", "Test.Failing"),
    ]
    (failed,) = [line for line in said if line[0] == "✗"]
    assert "failed: RuntimeError: it is broken (probes.py:" in failed
    assert "\x1b" not in worker.text()


def test_live_without_a_terminal_is_the_log_alone(server, start_worker):
    server.state.add([{"type": "Test.Counted"}])
    worker = start_worker(server.url, "--max-runs", "1", "--live", log_format="console")

    assert worker.exit_code() == 0
    assert "✓ Test.Counted" in worker.text()
    assert "slots busy" not in worker.text()
    assert "\x1b" not in worker.text()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_live_on_a_terminal_shows_what_runs_below_the_log(server, tmp_path):
    import pty

    server.state.add([{"type": "Test.Tells"}])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "prismq_worker_sdk", "run", "--live", "--plugin", PROBES, "--max-runs=1"]
    environment = {
        "RUNS_FILE": tmp_path / "runs",
        "GATE_FILE": tmp_path / "gate",
        "TERM": "xterm",
        "COLUMNS": "100",
    }
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    worker = subprocess.Popen(
        [*command, "--api-url", server.url, "--state-dir", tmp_path / "state"],
        env=kept | {name: str(value) for name, value in environment.items()},
        stdin=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):  # the end of the terminal
        while piece := os.read(ours, 65536):
            said += piece
            if b"page 3" in said:
                (tmp_path / "gate").touch()
    os.close(ours)

    assert worker.wait(DEADLINE) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
    assert "1 of 4 slots busy" in text
    assert re.search(r"Test.Tells \S+ +\S+ +━.* 40 % +page 3", text)
    assert re.search(r"\d\d:\d\d:\d\d ✓ Test.Tells", text)
