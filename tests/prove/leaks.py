"""Planted secrets that handlers tell in every way they can; afterwards every sink is searched for them."""

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import requests

from tests.prove.canaries import FORMS, canaries, found
from tests.prove.leaky import ANYWHERE, IN_PROCESSES, NAMES, chosen
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.support.processes import ROOT, Worker, wait_until
from tests.support.surroundings import clean_environment
from tests.support.taskmanager import TaskManager

PARTS, CASES = 20, 500
TYPES = {"Leak.Thread": ANYWHERE, "Leak.Process": IN_PROCESSES}
SETTINGS = [("json", False), ("console", False), ("json", True), ("console", True)]
"""Formats of the log, and whether `--debug` is on; parts take them in turn."""
PAGES = ("/", "/tasks", "/workers", "/types")
CALLS = ("/tasks?limit=200", "/workers", "/audit", "/stats", "/metrics", "/task-types")
COMMANDS = (
    ("doctor", "--json"),
    ("outbox", "list"),
    ("tasks",),
    ("status",),
    ("workers",),
)
PATIENCE = 280.0
SHOWN = 10


def parts():
    return [Part(f"{number:02}", partial(run, number)) for number in range(PARTS)]


def run(number, cases=CASES):
    """How many cases went through which sinks, and what was found there."""
    log_format, debug = SETTINGS[number % len(SETTINGS)]
    planted = canaries(number)
    admin = canaries(f"admin {number}")["leak_plain"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        trial = Trial(folder, planted, admin, log_format=log_format, debug=debug)
        try:
            trial.work(_cases(number, cases))
        finally:
            trial.end()
        sinks = trial.sinks()
    secrets = {**planted, "admin's key": admin}
    leaks = [
        f"{sink}: {name} ({secret.kind}), {text}"
        for sink, content in sinks.items()
        for name, secret in secrets.items()
        for text in shown(secret, content)
    ]
    return {
        "number": number,
        "cases": cases,
        "log": f"{log_format}{', debug' if debug else ''}",
        "sinks": {sink: len(content) for sink, content in sinks.items()},
        "redacted": sum(content.count("[redacted]") for content in sinks.values()),
        "leaks": leaks[:SHOWN],
        "leaked": len(leaks),
    }


def shown(secret, content):
    """What stands around the first place of each trace of a secret, with the secret itself."""
    for trace in found(secret, content):
        at = content.index(trace)
        yield repr(content[max(0, at - 60) : at + len(trace) + 20])


class Trial:
    """A server, a worker with the leaky plugin, and what there is to be seen of both."""

    def __init__(self, folder, planted, admin, *, log_format, debug):
        self._folder = folder
        self._texts = {}
        keys = folder / "keys"
        keys.write_text(f"admin {admin.text}\nworker {planted['api_key'].text}\n")
        self._server = TaskManager(folder / "server", lease="30s", more=("--keys", keys, "--debug"))
        self._environment = self._secrets(planted)
        more = ("--health-port", "0", "--concurrency", "8", "--max-consecutive-errors", "0")
        self._worker = Worker(
            folder / "worker",
            self._server.url,
            arguments=(*more, "--debug") if debug else more,
            environment=self._environment | {"PYTHONPATH": str(ROOT)},
            plugin="tests.prove.leaky",
            log_format=log_format,
        )
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-API-Key"] = admin.text

    def _secrets(self, planted):
        """The environment that hands the secrets out: those of several lines in files."""
        given = {"TASKMANAGER_API_KEY": planted["api_key"].text}
        for name in NAMES[1:]:
            path = self._folder / name
            path.write_text(planted[name].text, "utf-8")
            given[f"{name.upper()}_FILE"] = str(path)
        return given

    def work(self, cases):
        """Lets the worker do these cases, and looks at everything meanwhile."""
        names = list(TYPES)
        tasks = [
            {"type": names[case % len(names)], "params": {"case": case}, "max_attempts": 1} for case in cases
        ]
        self._call("POST", "/tasks/batch", {"tasks": tasks})
        pattern = r"/healthz, /readyz, /status and /metrics at (http://[0-9.:]+)"
        health = wait_until(lambda: re.search(pattern, self._worker.text()), "the health port")[1]
        give_up_at = time.monotonic() + PATIENCE
        while self._server.finished() < len(tasks) and time.monotonic() < give_up_at:
            for path in ("/status", "/metrics", "/readyz", "/healthz"):
                answer = self._session.get(health + path, timeout=30, headers={"X-API-Key": None})
                self._keep(f"worker's {path}", answer)
            if hasattr(signal, "SIGUSR1"):
                self._worker.signal(signal.SIGUSR1)
            self._look("/workers")
            time.sleep(0.1)
        if (left := len(tasks) - self._server.finished()) > 0:
            raise RuntimeError(f"{left} of {len(tasks)} tasks have not ended:\n{self._worker.text()[-3000:]}")
        self._look_at_all()

    def end(self):
        """Ends both, and keeps what they have written."""
        with suppress(AssertionError):
            self._worker.terminate()
        self._worker.clean_up()
        self._server.kill()
        self._session.close()
        self._texts["worker's log"] = [self._worker.text()]
        self._texts["server's log"] = [path.read_text("utf-8") for path in self._server.folder.glob("*.log")]
        self._texts["server's database"] = _bytes(self._server.folder.glob("tasks.db*"))
        self._texts["state folder"] = _bytes(self._worker.state_dir.rglob("*"))

    def sinks(self):
        """All that was seen: sink → text."""
        return {sink: "\n".join(texts) for sink, texts in self._texts.items()}

    def _look_at_all(self):
        for path in CALLS:
            self._look(path)
        shown = self._session.get(f"{self._server.url}/tasks?limit=200", timeout=30).json()["tasks"]
        for task in shown[:100]:
            self._look(f"/tasks/{task['id']}", "a task")
            self._look(f"/tasks/{task['id']}/logs", "logs of a task")
        site = self._server.url.removesuffix("/api")
        for path in (*PAGES, *(f"/tasks/{task['id']}" for task in shown[:30])):
            self._keep("server's pages", self._session.get(site + path, timeout=30))
        for words in COMMANDS:
            self._texts.setdefault("commands", []).append(self._command(*words))

    def _command(self, *words):
        mine = ("--plugin", "tests.prove.leaky", "--state-dir", self._worker.state_dir)
        more = {"doctor": mine, "outbox": mine[2:]}.get(words[0], ())
        api = () if words[0] == "outbox" else ("--api-url", self._server.url)
        done = subprocess.run(
            [sys.executable, "-m", "prismq_worker_sdk", *words, *map(str, (*api, *more))],
            env=clean_environment(**self._environment, DEBUG="1"),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.stdout + done.stderr

    def _call(self, method, path, body=None):
        answer = self._session.request(method, self._server.url + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer

    def _look(self, path, sink=None):
        self._keep(f"server's {sink or path.partition('?')[0]}", self._call("GET", path))

    def _keep(self, sink, answer):
        self._texts.setdefault(sink, []).append(f"{answer.headers}\n{answer.text}")


def _bytes(paths):
    return [path.read_bytes().decode("utf-8", "replace") for path in sorted(paths) if path.is_file()]


def figures(results):
    sinks = Counter()
    for result in results:
        sinks.update(result["sinks"])
    met = {_case(number) for one in results for number in _cases(one["number"], one["cases"])}
    return {
        "cases": sum(result["cases"] for result in results),
        "different": len(met),
        "secrets": len(NAMES),
        "forms": len(FORMS),
        "ways": len(IN_PROCESSES),
        "redacted": sum(result["redacted"] for result in results),
        "sinks": dict(sorted(sinks.items())),
        "leaked": sum(result["leaked"] for result in results),
        "leaks": [leak for result in results for leak in result["leaks"]][:SHOWN],
    }


def _cases(number, cases):
    return range(number * cases, (number + 1) * cases)


def _case(number):
    return chosen(number, list(TYPES.values())[number % len(TYPES)])


def failures(totals):
    if totals["leaked"]:
        yield f"{totals['leaked']} times a secret got out, first {totals['leaks'][0]}"
    empty = [sink for sink, size in totals["sinks"].items() if not size]
    if empty:
        yield f"nothing was seen of {', '.join(empty)}"


def table(totals):
    rows = [(sink, f"{size:,}") for sink, size in totals["sinks"].items()]
    return (
        f"{totals['cases']:,} cases, {totals['different']:,} of them different: {totals['secrets']} secrets in "
        f"{totals['forms']} forms, told in {totals['ways']} ways. {totals['redacted']:,} times `[redacted]` stands in "
        f"their place; {totals['leaked']} leaks.\n\n" + grid(("sink", "characters searched"), rows)
    )


PROOF = Proof(
    name="secrets",
    title="Secrets get into no sink",
    about="""
Promise: the API key and the `SecretStr` settings of plugins are in no log, no report, no page, no number and no file.
Handlers in threads and in processes tell them in every way that they can: log lines of their own and of libraries,
warnings, progress, errors with causes, notes and groups, what breaks a thread, what a process prints; as they are,
quoted, escaped, percent-encoded, in Base64, in URLs, headers and JSON. The secrets are a key for a header, a word, one
with quotes and blanks, a private key of several lines and a JSON key file. Then every sink is searched for stretches of
14 characters of them. Left out, because nothing is promised there: params and results, which go as they are, and what
a handler in a thread writes to the worker's own stderr.
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
