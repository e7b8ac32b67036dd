"""The public API type-checks as it is meant to be used, and refuses what is wrong, under `mypy --strict`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LINE = re.compile(r"^(?:.*[/\\])?(?P<file>\w+\.py):(?P<line>\d+): error: ", re.MULTILINE)
MARK = "  # refused"


@pytest.fixture(scope="session")
def checked(worker_id):
    """What mypy says of both files, run once by each test process: two cannot fill one cache."""
    cache = f"--cache-dir={ROOT / '.mypy_cache' / worker_id}"
    files = [str(HERE / "api_usage.py"), str(HERE / "api_misuse.py")]
    settings = [
        cache,
        "--strict",
        "--no-error-summary",
        "--hide-error-context",
        "--no-pretty",
        "--no-color-output",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *settings, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def errors_in(text, name):
    return sorted({int(found["line"]) for found in LINE.finditer(text) if found["file"] == name})


def test_the_public_api_type_checks_as_it_is_meant_to_be_used(checked):
    assert errors_in(checked, "api_usage.py") == []
    assert "api_usage.py" not in checked


def test_wrong_uses_are_refused_at_their_lines_and_nothing_else_is(checked):
    lines = (HERE / "api_misuse.py").read_text(encoding="utf-8").splitlines()
    wanted = [number for number, line in enumerate(lines, 1) if line.endswith(MARK)]

    assert wanted
    assert errors_in(checked, "api_misuse.py") == wanted
