import subprocess
import sys
from pathlib import Path

from tests.support.pages import blocks, environment

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_package_of_the_tutorial_installs_and_its_plugin_is_found_by_name(tmp_path):
    source, installed, elsewhere = tmp_path / "source", tmp_path / "installed", tmp_path / "elsewhere"
    for folder in (source, elsewhere):
        folder.mkdir()
    for block in blocks(TUTORIAL):
        if block.file:
            (source / block.file).write_text(block.text, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps"]
    run([*pip, "--target", str(installed), "."], source, environment(tmp_path))

    found = run(
        ["prismq-worker", "plugins"], elsewhere, {**environment(tmp_path), "PYTHONPATH": str(installed)}
    )
    assert "my_plugin  (my-prismq-plugin 0.1.0)\n  Demo.ReadTitle  ready" in found


def run(command, folder, variables):
    done = subprocess.run(
        command, cwd=folder, env=variables, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
