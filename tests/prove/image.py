"""The image of examples/deploy: built, and its command as process 1, stopped in mid-task."""

import json
import os
import secrets
import signal
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import requests

from tests.prove import container
from tests.prove.container import PLACE, Container, Wanted, fresh_volume, imported, inspected, unpacked
from tests.prove.crew import HANDLERS
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.suite import clone
from tests.prove.tree import Tree
from tests.support.pages import free_port
from tests.support.processes import wait_until

PYTHON = Tree("trixie", ("python3", "ca-certificates"), "trixie-image", bare=())
BUILDER = Tree("trixie", ("python3", "python3-venv", "ca-certificates"), "trixie-image-build", bare=())
FILE = "examples/deploy/docker/Dockerfile"
IMAGE, AGAIN = "localhost/prismq-worker", "localhost/prismq-worker-again"
MADE = PLACE / "made"
"""Says of which commit the image is, and where its files are."""

OWN, RANDOM = "the image's user", "a random user"
LONG, SLOTS, WAITING, GRACE = 6.0, 4, 4, 25.0
TOOLS = ("pip", "pip3", "cc", "gcc", "g++", "ld", "make", "git", "uv")
RIGHT = [True, False, True]
"""What the health check is to say of a worker that works, stands still, and works again."""

MODULES = ("pip", "setuptools", "wheel", "hatchling", "ensurepip")
BINS = ("opt/prismq/bin", "usr/local/bin", "usr/local/sbin", "usr/bin", "usr/sbin")


def parts():
    own = [Part("own", partial(stopped, OWN))]
    return [Part("build", build), *own, *(Part(f"random-{n}", partial(stopped, RANDOM)) for n in (1, 2, 3))]


def build():
    """The image, built twice; what it weighs, what is left in it, and whether both are the same."""
    PLACE.mkdir(parents=True, exist_ok=True)
    MADE.unlink(missing_ok=True)
    source = PLACE / "source"
    head = clone(source)
    bases = {
        "PYTHON": imported(PYTHON, "prove-python", network=False),
        "BUILDER": imported(BUILDER, "prove-builder", network=True),
    }
    begun = time.monotonic()
    container.build(source, FILE, IMAGE, **bases)
    seconds = time.monotonic() - begun
    container.build(source, FILE, AGAIN, **bases)
    image, again, base = (inspected(name) for name in (IMAGE, AGAIN, bases["PYTHON"]))
    root = unpacked(IMAGE)
    MADE.write_text(json.dumps({"head": head, "root": str(root)}), "utf-8")
    return {
        "seconds": round(seconds),
        "bytes": image["bytes"],
        "base": base["bytes"],
        "layers": len(image["layers"]),
        "same": image["layers"] == again["layers"],
        "tools": sorted({*_programs(root), *_modules(root)}),
    }


def _programs(root):
    return [name for name in TOOLS for place in BINS if os.path.lexists(root / place / name)]


def _modules(root):
    folders = [*root.glob("opt/prismq/lib/python3*/site-packages"), *root.glob("usr/*lib/python3*")]
    folders += root.glob("usr/local/lib/python3*/site-packages")
    return [name for name in MODULES for folder in folders if (folder / name).exists()]


def _built():
    if not MADE.exists():
        build()
    return Path(json.loads(MADE.read_text("utf-8"))["root"]), inspected(IMAGE)["config"]


def _user(kind, config):
    if kind == OWN:
        user, group = config["User"].split(":")
        return int(user), int(group)
    return 100_000 + secrets.randbelow(2**30), 0


class Site:
    """A TaskManager and workers, each in a container of the image, on volumes as a runtime makes them."""

    def __init__(self, folder, kind):
        self._root, self._config = _built()
        self._folder, self.user = folder, _user(kind, self._config)
        self.port, key = free_port(), secrets.token_urlsafe(24)
        self.url = f"http://127.0.0.1:{self.port}/api"
        (folder / "key").write_text(key)
        (folder / "keys").write_text(f"admin {key}\n")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-API-Key"] = key

    def server(self):
        words = ("taskmanager", "--port", str(self.port), "--keys", "/run/keys", "--lease", "20s")
        return self._container("server", words, {"/run/keys": self._folder / "keys"})

    def worker(self):
        """A worker; its volume stays for the next one."""
        environment = {
            "TASKMANAGER_API_URL": self.url,
            "TASKMANAGER_API_KEY_FILE": "/run/key",
            "PRISMQ_WORKER_HEALTH_PORT": str(free_port()),
            "RUNS_FILE": "/var/lib/prismq/runs",
        }
        files = {"/run/key": self._folder / "key", "/plugins/handlers.py": HANDLERS}
        return self._container("worker", ("--plugin", "/plugins/handlers.py"), files, environment)

    def _container(self, name, words, files, environment=None):
        (place,) = self._config["Volumes"]
        volume = self._folder / f"{name}-volume"
        if not volume.exists():
            fresh_volume(volume, place, self._root)
        wanted = Wanted(self._root, self._config, words, self.user, volume, environment or {}, files)
        return Container(self._folder / f"{name}-{time.monotonic_ns()}", wanted)

    def healthy(self, one, *address):
        """What the health check of the image says of a container."""
        _, *command = self._config["Healthcheck"]["Test"]
        return one.does(*command, *address) == 0

    def serves(self, server):
        return self.healthy(server, f"{self.url}/health")

    def add(self, count):
        for n in range(count):
            task = {"type": "Prove.Square", "params": {"n": n, "seconds": LONG}}
            self._session.post(f"{self.url}/tasks", json=task, timeout=30).raise_for_status()

    def begun(self):
        runs = self._folder / "worker-volume" / "runs"
        return runs.read_text("ascii").count("begin ") if runs.exists() else 0

    def count(self, status):
        answer = self._session.get(f"{self.url}/tasks", params={"status": status, "limit": 100}, timeout=30)
        return len(answer.json()["tasks"])


def stopped(kind):
    """A worker that is told to stop in mid-task, and what its volume still gives to the next one."""
    with tempfile.TemporaryDirectory(dir=PLACE) as folder, ExitStack() as running:
        site = Site(Path(folder), kind)
        server = site.server()
        running.callback(server.end)
        _wait(lambda: site.serves(server), server)
        worker = site.worker()
        running.callback(worker.end)
        found = {"user": kind, "healthy": _healthy(site, worker)}
        found |= {"writes": worker.does("python", "-c", "open('/opt/prismq/new', 'w')") == 0}
        site.add(SLOTS + WAITING)
        _wait(lambda: site.begun() == SLOTS, worker)
        found |= _ended(worker, "worker")
        found |= {"delivered": site.count("completed"), "waiting": site.count("pending")}
        following = site.worker()
        running.callback(following.end)
        _wait(lambda: site.count("completed") == SLOTS + WAITING, following)
        return found | _ended(following, "next") | _ended(server, "server")


def _healthy(site, worker):
    """What the health check says of one that works, that stands still, and that works again."""
    _wait(lambda: site.healthy(worker), worker)
    found, process_1 = [True], worker.process_1()
    children = Path(f"/proc/{process_1}/task/{process_1}/children").read_text("ascii").split()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for child in children:
            os.kill(int(child), number)
        found.append(site.healthy(worker))
    return found


def _wait(condition, one):
    try:
        wait_until(lambda: condition() or one.over(), "what was waited for", 60)
    except AssertionError as error:
        raise RuntimeError(f"{error}; {one.name} said {one.text()[-2000:]}") from None


def _ended(one, name):
    begun = time.monotonic()
    one.signal(signal.SIGTERM)
    code = one.exit_code(GRACE + 15)
    return {f"{name}_exit": code, f"{name}_seconds": round(time.monotonic() - begun, 2)}


def figures(results):
    built = next((result for result in results if "bytes" in result), None)
    runs = [result for result in results if "bytes" not in result]
    kinds = dict.fromkeys(result["user"] for result in runs)
    return {"build": built, "runs": {kind: _summed([r for r in runs if r["user"] == kind]) for kind in kinds}}


def _summed(runs):
    exits = [run[f"{name}_exit"] for run in runs for name in ("worker", "next", "server")]
    return {
        "stops": len(exits),
        "in_order": exits.count(0),
        "tasks": SLOTS * len(runs),
        "delivered": sum(run["delivered"] for run in runs),
        "seconds": max(run["worker_seconds"] for run in runs),
        "wrote": sum(run["writes"] for run in runs),
        "health": sum(run["healthy"] == RIGHT for run in runs) == len(runs),
    }


def failures(found):
    built = found["build"]
    if built is not None and not built["same"]:
        yield "two builds of one commit differ"
    if built is not None and built["tools"]:
        yield f"the image has {', '.join(built['tools'])}"
    for kind, one in found["runs"].items():
        yield from (f"{kind}: {text}" for text in _wrong(one))


def _wrong(one):
    if one["in_order"] != one["stops"]:
        yield f"{one['in_order']} of {one['stops']} stops ended with exit code 0"
    if one["delivered"] != one["tasks"]:
        yield f"{one['delivered']} of {one['tasks']} tasks in work were delivered before the exit"
    if one["seconds"] > GRACE:
        yield f"a stop took {one['seconds']} s, {GRACE:g} s are allowed"
    if one["wrote"]:
        yield "the root could be written to"
    if not one["health"]:
        yield "the health check was wrong"


def table(found):
    lines = [_weight(found["build"])] if found["build"] else []
    head = ("container of", "stops", "exit code 0", "in work", "delivered", "longest stop, s", "health check")
    rows = [
        (kind, *(one[name] for name in ("stops", "in_order", "tasks", "delivered", "seconds")), _said(one))
        for kind, one in found["runs"].items()
    ]
    return "\n\n".join([*lines, *([grid(head, rows)] if rows else [])])


def _said(one):
    return "right" if one["health"] else "wrong"


def _weight(built):
    size, base = (round(built[name] / 1e6) for name in ("bytes", "base"))
    same = "the same layers" if built["same"] else "other layers"
    return (
        f"{size} MB unpacked, of them {size - base} MB over the base ({base} MB, Debian 13 with Python 3.13); built in "
        f"{built['seconds']} s, and a second build gave {same}."
    )


PROOF = Proof(
    name="image",
    title="In a container",
    about="""
Promise: the image of [examples/deploy](docker.md) is built from what is pinned, twice the same, with no build tools in
it, and runs as any user, without capabilities, on a root that cannot be written to. Built by buildah, run by crun, with
the worker as process 1: four tasks are in work when SIGTERM comes; they end and are delivered, the exit code is 0, and
the next container on the same volume goes on. The TaskManager runs in the same image. The image's own health check is
asked of a worker that works, of one that stands still (SIGSTOP), and of that one again when it goes on.
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=lambda found: list(failures(found)),
)
