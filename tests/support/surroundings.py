"""A process without the settings of the machine it runs on, and plugins that are really installed."""

import os
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {
    "TASKMANAGER_API_URL",
    "TASKMANAGER_API_KEY",
    "TASKMANAGER_API_KEY_FILE",
    "TASKMANAGER_CA_FILE",
    "TASKMANAGER_CLIENT_CERT",
    "TASKMANAGER_CLIENT_KEY",
    "TASKMANAGER_PROXY",
    "WORKER_ID",
    "POLL_INTERVAL",
    "MAX_RUNS",
    "DEBUG",
}


def forget_settings(monkeypatch, folder):
    """No variable of ours, no config file: the working directory is this folder."""
    for name in list(os.environ):
        if name in OURS or name.startswith("PRISMQ_WORKER_"):
            monkeypatch.delenv(name)
    # told once here, so that it is set back when a command names another one
    monkeypatch.setenv("PRISMQ_WORKER_STATE_DIR", "")
    monkeypatch.chdir(folder)


def clean_environment(**more):
    """The environment of a child process that knows nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return kept | {"PYTHONPATH": str(ROOT)} | more


def without_plugins(folder):
    """The import path of this interpreter, without the distributions that bring plugins."""
    site = Path(sysconfig.get_path("purelib"))
    for entry in site.iterdir():
        plugin = entry.name.startswith("prismq_") and not entry.name.startswith("prismq_worker_sdk")
        if not plugin and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    here = [str(ROOT), str(folder)]
    return here + [entry for entry in sys.path if entry and Path(entry) not in {site, ROOT}]


def write_distribution(folder, name, source, *, module=None):
    """A distribution of one module with a `prismq_worker.plugins` entry point; gives the module's name."""
    module = module or f"installed_{name}"
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[prismq_worker.plugins]\n{name} = {module}\n")
    return module
