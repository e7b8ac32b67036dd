"""Images that are built without a daemon (buildah), and their commands as process 1 of a container (crun)."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.prove.suite import run, said
from tests.support.processes import ROOT, wait_until

PLACE = ROOT / ".prove" / "image"
STORAGE = ("--storage-driver", "vfs", "--root", str(PLACE / "storage"), "--runroot", str(PLACE / "run"))
LEFT_OUT = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
"""What slim images have not got either."""

NETWORK = ("etc/pip.conf", "etc/xdg/pip", "root/.config")
"""Settings of this machine, for the stage that fetches packages."""

UNIFIED = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun "$@"'
"""crun takes no cgroups of both versions at once; in a namespace of its own it finds one."""

NAMESPACES = ("pid", "ipc", "uts", "mount")
SYSTEM = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/shm",
        "type": "tmpfs",
        "source": "shm",
        "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
]


def imported(tree, name, *, network):
    """Makes an image of a Debian in a folder, unless it is there; its name.

    Args:
        network: Whether it keeps this machine's settings of package indexes.
    """
    reference = f"localhost/{name}"
    if run(["podman", *STORAGE, "image", "exists", reference], PLACE).returncode:
        without = [f"--exclude=./{path}" for path in (*LEFT_OUT, *(() if network else NETWORK))]
        packed = ["tar", "-C", str(tree.made().root), "--one-file-system", *without, "-c", "."]
        with subprocess.Popen(packed, stdout=subprocess.PIPE) as tar:
            take = ["podman", *STORAGE, "import", "--quiet", "-", reference]
            subprocess.run(take, stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL)
    return reference


def build(source, file, name, **arguments):
    """Builds an image anew, whatever was built before; the times in it are 1970's."""
    given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    fixed = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--no-cache", "--timestamp", "0"]
    said(["buildah", *STORAGE, "bud", *fixed, *given, "-f", file, "-t", name, "."], source)


def inspected(name):
    """What an image is: its configuration, layers and size."""
    found = json.loads(said(["podman", *STORAGE, "image", "inspect", name], PLACE))[0]
    return {
        "config": found["Config"] | {"Healthcheck": found.get("HealthCheck") or found.get("Healthcheck")},
        "layers": found["RootFS"]["Layers"],
        "bytes": found["Size"],
    }


def unpacked(name):
    """The folder that holds the files of an image."""
    container = said(["buildah", *STORAGE, "from", "--pull-never", name], PLACE).strip()
    return Path(said(["buildah", *STORAGE, "mount", container], PLACE).strip())


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a container is to run.

    Attributes:
        root: The files of its image; it cannot write to them.
        words: Behind the entry point.
        user: Id of user and group.
        volume: Folder that takes the place of the image's volume.
        files: Place in the container → file of this machine that is read there.
    """

    root: Path
    config: dict
    words: tuple[str, ...]
    user: tuple[int, int]
    volume: Path
    environment: dict[str, str]
    files: dict[str, Path]


def specification(wanted):
    """The same for an OCI runtime: no capability, no new privilege, a root that cannot be written to.

    It has the network of this machine.
    """
    user, group = wanted.user
    (volume,) = wanted.config["Volumes"]
    read = [_bound(path, place, "ro") for place, path in wanted.files.items()]
    return {
        "ociVersion": "1.0.2",
        "hostname": "prove",
        "root": {"path": str(wanted.root), "readonly": True},
        "process": {
            "user": {"uid": user, "gid": group},
            "args": [*wanted.config["Entrypoint"], *wanted.words],
            "env": [
                *wanted.config["Env"],
                *(f"{name}={value}" for name, value in wanted.environment.items()),
            ],
            "cwd": wanted.config["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": {},
        },
        "mounts": [*SYSTEM, _bound(wanted.volume, volume, "rw"), *read],
        "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES]},
    }


def _bound(source, place, mode):
    return {"destination": place, "type": "bind", "source": str(source), "options": ["bind", mode]}


def fresh_volume(folder, wanted_place, root):
    """A folder with the owner and the rights that the image gives its volume, as a runtime makes one."""
    inside = root / wanted_place.lstrip("/")
    folder.mkdir(parents=True)
    shutil.copymode(inside, folder)
    found = inside.stat()
    os.chown(folder, found.st_uid, found.st_gid)
    return folder


class Container:
    """A container that runs; what it says goes to a file."""

    def __init__(self, folder, wanted):
        folder.mkdir(parents=True)
        self.name, self.log = folder.name, folder / "log"
        self._state = folder / "crun"
        (folder / "config.json").write_text(json.dumps(specification(wanted)), "utf-8")
        with self.log.open("wb") as log:
            self._running = subprocess.Popen(
                self._words("run", "--bundle", str(folder), self.name), stdout=log, stderr=log
            )
        wait_until(lambda: self._begun() or self._running.poll() is not None, f"the begin of {self.name}")

    def signal(self, number):
        """Sends a signal to process 1, as `docker stop` does."""
        said(self._words("kill", self.name, str(int(number))), PLACE)

    def does(self, *words):
        """The exit code of a command that is run in it, as health checks are."""
        return run(self._words("exec", self.name, *words), PLACE).returncode

    def exit_code(self, deadline):
        return self._running.wait(deadline)

    def over(self):
        """False while it runs.

        Raises:
            RuntimeError: It ended; with what it said last.
        """
        if self._running.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._running.returncode}: {self.text()[-2000:]}")
        return False

    def process_1(self):
        """Its id on this machine."""
        return json.loads(run(self._words("state", self.name), PLACE).stdout)["pid"]

    def text(self):
        return self.log.read_text("utf-8")

    def end(self):
        if self._running.poll() is None:
            run(self._words("delete", "--force", self.name), PLACE)
            self._running.wait(30)

    def _begun(self):
        found = run(self._words("state", self.name), PLACE)
        return found.returncode == 0 and json.loads(found.stdout)["status"] == "running"

    def _words(self, *words):
        alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c", UNIFIED, "sh"]
        return [*alone, "--root", str(self._state), "--cgroup-manager=disabled", *words]
