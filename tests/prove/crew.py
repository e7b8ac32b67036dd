"""Worker processes on one state folder that are killed at random moments and replaced at once."""

import time
from collections import Counter
from pathlib import Path

from tests.support.processes import ROOT, Worker, wait_until

HANDLERS = ROOT / "tests" / "prove" / "handlers.py"
LONGEST_STOP = 60.0


class Member:
    """One worker process.

    Attributes:
        killed_at: Instant of its SIGKILL, None while it was not killed.
    """

    def __init__(self, number, folder, url, arguments):
        self.number = number
        self.killed_at = None
        environment = {"PROVE_WORKER": str(number)}
        self.worker = Worker(folder, url, arguments=arguments, environment=environment, plugin=HANDLERS)
        self._lines = None

    @property
    def runs(self):
        return self.worker.process.poll() is None

    def kill(self):
        self.worker.kill()
        self.killed_at = time.time()  # afterwards: a handler may begin while the signal is on its way

    def lines(self):
        """Its log; read when it has ended, the last line may be cut."""
        if self._lines is None:
            text = self.worker.text().splitlines(keepends=True)
            whole = "".join(line for line in text if line.endswith("\n"))
            self.worker.log.write_text(whole, "utf-8")
            self._lines = self.worker.lines()
        return self._lines

    def worker_id(self):
        return next((line["worker"] for line in self.lines() if "worker" in line), None)

    def started(self):
        """Whether it found its server."""
        return any(line.get("event") == "worker_started" for line in self.lines())

    def listens(self):
        """Whether it got so far that a signal is more than the end of its process."""
        return bool(self.worker.events("worker_started") or self.worker.events("server_lost"))

    def committed(self):
        """Task ids, as often as an outcome of theirs was stored."""
        return [line["task"] for line in self.lines() if line.get("event") == "committed"]

    def said(self, text):
        return [line["message"] for line in self.lines() if text in line["message"]]


class WorkerThreads:
    """So many workers at once, from the first to the last."""

    def __init__(self, folder, url, size, arguments=()):
        self._folder = Path(folder)
        self._url = url
        self._arguments = arguments
        self.members = []
        for _ in range(size):
            self.hire()

    def hire(self):
        place = self._folder / "workers"
        self.members.append(Member(len(self.members), place, self._url, self._arguments))
        return self.members[-1]

    def alive(self):
        return [member for member in self.members if member.runs]

    def kill_one(self, rng):
        """Kills one that runs, whatever it is doing, and starts another; None when there is none."""
        alive = self.alive()
        if not alive:
            return None
        victim = rng.choice(alive)
        victim.kill()
        return victim

    def fill(self, size):
        """Replaces those that ended."""
        for _ in range(size - len(self.alive())):
            self.hire()

    def stop(self):
        """Lets every worker end by SIGTERM, once it listens to it."""
        wait_until(lambda: all(member.listens() for member in self.alive()), "the starts of all workers")
        alive = self.alive()
        for member in alive:
            member.worker.process.terminate()
        for member in alive:
            member.worker.exit_code(LONGEST_STOP)

    def clean_up(self):
        for member in self.members:
            member.worker.clean_up()

    def stored(self, table):
        return self.members[-1].worker.stored(table)

    def ends(self):
        """How the workers that were not killed ended: exit code and reason → how often."""
        return Counter(_end(member) for member in self.members if member.killed_at is None)


def _end(member):
    """Exit code, and for a failure why."""
    code = member.worker.process.returncode
    said = member.said("worker stopped, exit code")
    if code in {0, 75}:
        return str(code)
    if any("is not a TaskManager" in text for text in said):
        return f"{code}, a disturbed answer at its start"
    return f"{code}, {said[-1] if said else 'without a word'}"
