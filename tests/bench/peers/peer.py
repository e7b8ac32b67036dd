"""The peers: what is installed, what it talks to, and how a worker is started."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers import environments, ours, services
from tests.bench.peers.apps.marks import FOLDER, PAUSE

APPS = Path(__file__).parent / "apps"
REDIS = "redis==8.1.0"
MEMORY = "/dev/shm"
"""Where marks cost no disk."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One worker to measure.

    Attributes:
        title: What it is, for the page.
        pins: The packages of its environment; none for ours.
        service: A context that starts what it talks to, and gives variables.
        command: Slots → the words that start a worker, the first one a program of its environment.
        slots: How many it has at once, in the runs of the backlog.
        prepare: Words to run once before the first task.
    """

    name: str
    title: str
    pins: tuple
    service: Callable
    command: Callable
    slots: tuple = (8, 64)
    prepare: tuple = ()

    @property
    def app(self):
        """The module of its tasks and its producer."""
        return f"{self.name.partition('-')[0]}_app" if self.pins else "ours_app"

    def place(self):
        return environments.environment(self.name, self.pins) if self.pins else environments.ours()


PEERS = (
    Peer("ours", "this SDK, its TaskManager on SQLite", (), ours.taskmanager, ours.worker, (16, 64, 128)),
    Peer("ours-base", "this SDK, a base server", (), ours.base, ours.worker, (8, 64)),
    Peer(
        "dramatiq",
        "Dramatiq, Redis",
        ("dramatiq==2.2.1", REDIS),
        services.redis,
        lambda slots: ("dramatiq", "--processes", "1", "--threads", slots, "--skip-logging", "dramatiq_app"),
    ),
    Peer(
        "celery",
        "Celery, Redis, threads",
        ("celery==5.7.0", "packaging==26.3", REDIS),
        services.redis,
        lambda slots: (
            *("celery", "-A", "celery_app", "worker", "--pool", "threads"),
            *("--concurrency", slots, "--loglevel", "WARNING"),
        ),
    ),
    Peer(
        "celery-prefork",
        "Celery, Redis, processes",
        ("celery==5.7.0", "packaging==26.3", REDIS),
        services.redis,
        lambda slots: (
            "celery",
            "-A",
            "celery_app",
            "worker",
            "--concurrency",
            slots,
            "--loglevel",
            "WARNING",
        ),
        (2,),
    ),
    Peer(
        "taskiq",
        "taskiq, Redis list",
        ("taskiq==0.13.0", "taskiq-redis==1.2.4", REDIS),
        services.redis,
        lambda slots: (
            *("taskiq", "worker", "taskiq_app:broker", "--workers", "1"),
            *("--max-async-tasks", slots, "--log-level", "WARNING"),
        ),
    ),
    Peer(
        "huey",
        "Huey, Redis",
        ("huey==3.5.4", REDIS),
        services.redis,
        lambda slots: (
            "huey_consumer",
            "huey_app.queue",
            "--worker-type",
            "thread",
            "--workers",
            slots,
            "--quiet",
        ),
    ),
    Peer(
        "procrastinate",
        "Procrastinate, PostgreSQL",
        ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
        services.postgres,
        lambda slots: ("procrastinate", "--app", "procrastinate_app.app", "worker", "--concurrency", slots),
        prepare=("procrastinate", "--app", "procrastinate_app.app", "schema", "--apply"),
    ),
    Peer(
        "conductor",
        "Conductor's SDK, a stand-in",
        ("conductor-python==2.0.0",),
        services.conductor,
        lambda _slots: ("python", "conductor_app.py"),
    ),
)


@contextmanager
def stage(peer, *, pause=0.0):
    """Everything that a measurement of a peer needs, made anew."""
    place = peer.place()
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as memory,
        tempfile.TemporaryDirectory() as folder,
        peer.service(Path(folder)) as told,
    ):
        made = Stage(peer, place / "bin", Path(folder), Path(memory), told, pause)
        if peer.prepare:
            made.do(*peer.prepare)
        yield made


class Stage:
    """A service with its queue, and the way to start workers and to put tasks there."""

    def __init__(self, peer, programs, folder, memory, told, pause):
        self.peer = peer
        self.folder = folder
        self.memory = memory
        self._programs = programs
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        self._variables = kept | {
            "HOME": str(folder),
            "PYTHONPATH": str(APPS),
            "PYTHONDONTWRITEBYTECODE": "1",
            FOLDER: str(memory),
            PAUSE: str(pause or ""),
            **told,
        }

    def do(self, *words):
        """Runs a program of the environment to its end; what it prints."""
        done = subprocess.run(
            self._words(words), cwd=APPS, env=self._variables, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def produce(self, what, number):
        """Puts tasks into the queue, as the peer's own producer does."""
        return self.do("python", "produce.py", self.peer.app, what, number)

    def pacing(self, number):
        """A producer that puts one task now and then, at work."""
        words = self._words(("python", "produce.py", self.peer.app, "pace", number))
        return subprocess.Popen(words, cwd=APPS, env=self._variables, stdout=subprocess.PIPE, text=True)

    def start(self, slots):
        """A worker, in a session of its own."""
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen(
                self._words(self.peer.command(slots)),
                cwd=APPS,
                env=self._variables | {"BENCH_SLOTS": str(slots)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self):
        return (self.folder / "worker.log").read_text("utf-8", "replace")

    def _words(self, words):
        return [str(self._programs / words[0]), *map(str, words[1:])]
