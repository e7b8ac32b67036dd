import os
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"
SAYS = '#!/bin/sh\necho "$(basename "$0") $* [$PRISMQ_REQUIRE_ALL]"\n'


@pytest.fixture
def run(tmp_path):
    """Runs .ci/run on a machine where these programs are what a test says, and the rest is real."""
    for name in ("make", "apt-get"):
        write(tmp_path / name, SAYS)
    for name in ("mariadbd", "chromium", "promtool", "systemd-analyze"):  # this machine may lack them
        write(tmp_path / name, "#!/bin/sh\n")

    def go(**programs):
        for name, text in programs.items():
            write(tmp_path / name, text)
        path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
        done = subprocess.run(
            [RUN],
            env={"PATH": path},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()

    return go


def write(path, text):
    path.write_text(text)
    path.chmod(0o755)


def test_ci_is_make_check_test_with_every_test_required(run):
    assert run(python3="#!/bin/sh\nexit 0\n") == (0, ["make check test [1]"])


def test_a_machine_without_venv_gets_it_when_ci_may_install(run):
    code, said = run(python3="#!/bin/sh\nexit 1\n", id="#!/bin/sh\necho 0\n")

    assert code == 0
    assert [line.split(" [")[0].split()[0] for line in said] == ["apt-get", "apt-get", "make"]
    assert "install" in said[1]
    assert "python3-venv" in said[1]


def test_a_machine_without_venv_is_left_as_it_is_when_ci_may_not_install(run):
    assert run(python3="#!/bin/sh\nexit 1\n", id="#!/bin/sh\necho 1000\n") == (0, ["make check test [1]"])


def test_what_make_finds_is_what_ci_says(run):
    code, _said = run(python3="#!/bin/sh\nexit 0\n", make="#!/bin/sh\nexit 2\n")

    assert code == 2
