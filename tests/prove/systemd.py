"""The units of examples/deploy/systemd in a systemd that really booted: 252 of Debian 12 and 257 of Debian 13."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.suite import clone
from tests.prove.systemd_figures import PROMISES, ROWS
from tests.prove.tree import Tree
from tests.support.processes import ROOT

PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv")
TREES = {
    "bookworm": Tree("bookworm", PACKAGES, name="bookworm-systemd"),
    "trixie": Tree("trixie", PACKAGES, name="trixie-systemd"),
}
UNITS = ROOT / "examples" / "deploy" / "systemd"
INSTALL = (
    "test -x /opt/prismq/bin/python || python3 -m venv /opt/prismq; /opt/prismq/bin/python -m pip install -q "
)
SOURCE, GUEST = "root/prismq", "opt/prove"
ANSWER = "answer.json"
GUESTS = ("systemd_guest.py", "systemd_machine.py", "handlers.py")
LONGEST = 600
RUN = f"""[Unit]
Description=The proof
After=dbus.service
[Service]
WorkingDirectory=/{GUEST}
ExecStart=/usr/bin/python3 -m tests.prove.systemd_guest {{scene}} /{GUEST}/{ANSWER}
[Install]
WantedBy=multi-user.target
"""
KEPT = (
    "etc/prismq",
    "var/lib/private",
    "var/lib/prismq-worker",
    "var/lib/prismq-taskmanager",
    "var/log/journal",
    GUEST,
)
"""What one boot leaves behind for the next."""


def parts():
    return [Part(f"{suite}-{scene}", partial(run, suite, scene)) for suite in TREES for scene in PROMISES]


def run(suite, scene):
    """One part: a fresh boot, in which one thing is done."""
    tree = TREES[suite].made()
    _install(tree)
    _clear(tree.root)
    _prepare(tree.root, scene)
    boot = [
        "systemd-nspawn",
        "-q",
        "-D",
        str(tree.root),
        "--register=no",
        "--keep-unit",
        "--private-network",
        "-b",
    ]
    console = tree.root / GUEST / "console.log"
    with console.open("wb") as out:
        subprocess.run(
            boot,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            timeout=LONGEST,
            check=False,
            start_new_session=True,
        )
    answer = tree.root / GUEST / ANSWER
    if not answer.exists():
        raise RuntimeError(f"it did not answer: {console.read_text('utf-8', 'replace')[-2000:]}")
    found = json.loads(answer.read_text("utf-8"))
    if "error" in found:
        raise RuntimeError(f"{found['error'].strip().splitlines()[-1]}\n{json.dumps(found, indent=1)}")
    return found


def _install(tree):
    """What the step list installs, once for each commit."""
    mark = tree.root / "root" / "installed"
    head = clone(tree.root / SOURCE)
    if mark.exists() and mark.read_text() == head:
        return
    done = tree.does(["sh", "-c", f"{INSTALL} --force-reinstall --no-deps /{SOURCE}"], "/root")
    more = tree.does(["sh", "-c", f"{INSTALL} '/{SOURCE}[taskmanager]'"], "/root")
    if done.returncode or more.returncode:
        raise RuntimeError(f"it cannot be installed: {(done.stdout + more.stdout)[-2000:]}")
    mark.write_text(head)


def _clear(root):
    for name in KEPT:
        place = root / name
        if place.is_symlink():
            place.unlink()
        shutil.rmtree(place, ignore_errors=True)
    for one in (root / "etc/systemd/system").glob("prismq-*"):
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def _prepare(root, scene):
    folder, place = Path(__file__).parent, root / GUEST / "tests" / "prove"
    place.mkdir(parents=True)
    for one in (*UNITS.iterdir(), *(folder / name for name in GUESTS)):
        shutil.copy(one, place)
    unit = root / "etc/systemd/system/prove.service"
    wanted = unit.parent / "multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    unit.write_text(RUN.format(scene=scene))
    link = wanted / unit.name
    link.unlink(missing_ok=True)
    link.symlink_to(f"/etc/systemd/system/{unit.name}")


def figures(results):
    """Version of systemd → scene → what was seen there."""
    found = {}
    for one in results:
        found.setdefault(one["systemd"], {})[one["scene"]] = one["found"]
    return dict(sorted(found.items()))


def failures(found):
    return [
        f"systemd {version}, {text}"
        for version, scenes in found.items()
        for name, seen in scenes.items()
        for text, held in PROMISES[name](seen)
        if not held
    ]


def shown(found):
    rows = [
        (text, *(cell(scenes[name]) if name in scenes else "" for scenes in found.values()))
        for text, name, cell in ROWS
    ]
    return grid(("", *(f"systemd {version}" for version in found)), rows)


PROOF = Proof(
    name="systemd",
    title="As services of systemd",
    about="""\
Promise: the units in [`examples/deploy/systemd`](../../examples/deploy/systemd/) do what [their page](systemd.md) says.
Each Debian stands in a folder (debootstrap), gets what the steps of that page install, and really boots
(`systemd-nspawn -b`): 252 of Debian 12 with Python 3.11, 257 of Debian 13 with 3.13. For the watchdog `WatchdogSec` is
6 seconds, and every restart waits for the 5 seconds of `RestartSec`.""",
    parts=parts,
    figures=figures,
    table=shown,
    failures=failures,
)
