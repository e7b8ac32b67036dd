"""Real worker and server processes, and waiting for what they do."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
PROBES = ROOT / "tests" / "support" / "plugins" / "probes.py"
DEADLINE = 120.0
_PAUSE = threading.Event()


def wait_until(condition, what="the condition", deadline=DEADLINE):
    """The first true value of the condition; fails after the deadline."""
    give_up_at = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what} did not come within {deadline} s")
        _PAUSE.wait(0.02)


def control(url, **said):
    """Tells a strict base server something, or looks at it."""
    place = url.removesuffix("/api") + "/_control"
    session = requests.Session()
    session.trust_env = False
    with session:
        answer = session.post(place, json=said, timeout=10) if said else session.get(place, timeout=10)
        return answer.json()


class Worker:
    """A worker as its own process."""

    def __init__(self, folder, url, *, arguments=(), environment=None, plugin=PROBES, log_format="json"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.runs_file = self.folder / "runs"
        self.gate_file = self.folder / "gate"
        self.state_dir = self.folder / "state"
        self.log = self.folder / f"stderr-{time.monotonic_ns()}"
        given = {
            "--api-url": url,
            "--state-dir": str(self.state_dir),
            "--poll-interval": "0.2s",
            "--log-format": log_format,
            "--log-level": "DEBUG",
        }
        named = [str(part) for pair in given.items() for part in pair if pair[0] not in arguments]
        plugins = ["--plugin", str(plugin)] if plugin is not None else []
        clean = {
            name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}
        }
        clean |= {"RUNS_FILE": str(self.runs_file), "GATE_FILE": str(self.gate_file), "PYTHONUNBUFFERED": "1"}
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "prismq_worker_sdk", "run", *plugins, *named, *map(str, arguments)],
                cwd=self.folder,
                env=clean | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )

    def text(self):
        return self.log.read_text(encoding="utf-8")

    def lines(self):
        return [json.loads(line) for line in self.text().splitlines()]

    def events(self, name):
        whole = [line for line in self.text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in map(json.loads, whole) if line.get("event") == name]

    def runs(self):
        """The task ids that handlers ran, in order, one for each run."""
        if not self.runs_file.exists():
            return []
        return [line.split()[1] for line in self.runs_file.read_text().splitlines()]

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def exit_code(self, deadline=DEADLINE):
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the worker did not exit within {deadline} s:\n{self.text()[-3000:]}"
            ) from None

    def terminate(self, deadline=DEADLINE):
        self.signal(signal.SIGTERM)
        return self.exit_code(deadline)

    def stored(self, table="outcomes"):
        """How many rows the outboxes of the state folder hold; looked at from outside."""
        total = 0
        for path in self.state_dir.glob("*/outbox.db"):
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            with suppress(sqlite3.OperationalError), closing(db):  # the file is there before its tables
                total += db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return total

    def clean_up(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()


class ServerProcess:
    """A strict base server as its own process, with a journal that survives it."""

    def __init__(self, folder, *, port=0, claim_timeout=300.0):
        self.folder = Path(folder)
        self.journal = self.folder / "journal"
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "tests" / "support" / "base_server.py"),
                f"--port={port}",
                f"--claim-timeout={claim_timeout}",
                f"--journal={self.journal}",
            ],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        said = json.loads(self.process.stdout.readline())
        self.url, self.port = said["url"], said["port"]

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
