"""Where another Python stands, and commands there: a bare Debian in a folder (root, debootstrap), or this machine."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.prove.suite import run, said
from tests.support.processes import ROOT

TREES = ROOT / ".prove" / "trees"
BARE = ("git", "make", "ca-certificates")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
OF_THE_HOST = (
    "/etc/resolv.conf",
    "/etc/hosts",
    str(BUNDLE),
    "/etc/pip.conf",
    "/etc/xdg/pip",
    "~/.config/pip",
)
"""Names, trust and package indexes."""

HANDED_ON = (
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
)
ENTER = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --rbind /sys "$1/sys" || exit 1
tree=$1; shift; exec chroot "$tree" "$@"
"""


@dataclass(frozen=True, slots=True)
class Tree:
    """One Debian; it is made once, and used again.

    Attributes:
        packages: What it is made for.
        name: Of its folder, where its suite alone is not enough.
        bare: What it has beside them, to work in it.
    """

    suite: str
    packages: tuple[str, ...]
    name: str = ""
    bare: tuple[str, ...] = BARE

    @property
    def root(self):
        return TREES / (self.name or self.suite)

    def made(self):
        """The same, there and up to date with this machine's network settings.

        Raises:
            RuntimeError: It cannot be made here.
        """
        if not self.root.exists():
            if os.geteuid() != 0 or not shutil.which("debootstrap"):
                raise RuntimeError(
                    "a Debian in a folder needs root and debootstrap (apt install debootstrap)"
                )
            fresh = self.root.with_name(f"{self.root.name}.unfinished")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.parent.mkdir(parents=True, exist_ok=True)
            include = f"--include={','.join((*self.bare, *self.packages))}"
            said(["debootstrap", "--variant=minbase", include, self.suite, str(fresh)], ROOT)
            fresh.rename(self.root)
        for name in OF_THE_HOST:
            self._take_over(Path(name).expanduser())
        return self

    def does(self, command, folder, **environment):
        """Runs a command in the tree."""
        return run(self.inside(command, folder, **environment), ROOT)

    def inside(self, command, folder="/", **environment):
        """The words that run a command in the tree, as the process that is started.

        /proc, /dev and /sys are mounted for it alone, in a namespace that ends with it: there is nothing to unmount,
        and whoever copies or deletes the tree meanwhile does not see them.
        """
        given = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        if BUNDLE.exists():
            given["PIP_CERT"] = str(BUNDLE)
        settings = [f"{name}={value}" for name, value in ({"HOME": "/root"} | given | environment).items()]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["env", "-i", "-C", folder, path, *settings, *command]
        alone = ["unshare", "--mount", "--propagation", "private"]
        return ["nice", *alone, "sh", "-c", ENTER, "sh", str(self.root), *inside]

    def _take_over(self, path):
        place = self.root / path.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place, dirs_exist_ok=True)
        elif path.exists():
            place.unlink(missing_ok=True)  # it may be a link to somewhere outside
            shutil.copyfile(path, place)


class Here:
    """This machine, for a Python that no Debian at hand has; clones stand beside the trees."""

    root = TREES / "here"

    def made(self):
        """The same: nothing has to be made."""
        return self

    def does(self, command, folder, **environment):
        """Runs a command in a folder below the root."""
        return run(["nice", *command], self.root / folder.lstrip("/"), env=dict(os.environ) | environment)


def runs_here(python):
    """Whether this machine has such an interpreter."""
    return shutil.which(python) is not None and run([python, "--version"], ROOT).returncode == 0
