"""The programs of Prometheus."""

import shutil
import subprocess

import pytest


def program(name):
    place = shutil.which(name)
    if place is None:
        pytest.skip(f"no {name} on this machine; Debian: apt install --no-install-recommends prometheus")
    return place


@pytest.fixture
def promtool(tmp_path):
    """Runs promtool in a folder of its own: its exit code, and all that it says."""

    def run(*arguments, text=""):
        done = subprocess.run(
            [program("promtool"), *map(str, arguments)],
            cwd=tmp_path,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run
