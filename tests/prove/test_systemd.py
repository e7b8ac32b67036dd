"""The proof in a booted systemd: each scene has its promise, and what breaks one is a failure."""

import ast
import sys

import pytest

from tests.prove import systemd, systemd_guest
from tests.prove.systemd_figures import PROMISES, ROWS, watchdog


def test_each_scene_of_the_guest_has_its_promises_a_row_and_a_part_on_each_debian():
    scenes = [one.__name__ for one in systemd_guest.SCENES]

    assert scenes == list(PROMISES)
    assert {name for _text, name, _cell in ROWS} == set(scenes)
    assert len(systemd.parts()) == len(systemd.TREES) * len(scenes)


@pytest.mark.parametrize("name", systemd.GUESTS[:2])
def test_what_runs_in_the_guest_needs_nothing_but_python(name):
    tree = ast.parse((systemd.ROOT / "tests" / "prove" / name).read_text("utf-8"))
    names = [one.names[0].name for one in ast.walk(tree) if isinstance(one, ast.Import)]
    names += [one.module for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]

    ours = {f"tests.prove.{one.removesuffix('.py')}" for one in systemd.GUESTS}
    assert {one.split(".")[0] for one in set(names) - ours} <= sys.stdlib_module_names


def test_a_tree_is_given_what_the_guest_reads_and_nothing_of_the_boot_before(tmp_path):
    for scene in ("stop", "start"):
        systemd._clear(tmp_path)
        systemd._prepare(tmp_path, scene)
        (tmp_path / systemd.GUEST / systemd.ANSWER).touch()
    systemd._clear(tmp_path)
    systemd._prepare(tmp_path, "start")

    there = {one.name for one in (tmp_path / systemd.GUEST / "tests" / "prove").iterdir()}
    assert there == {*(one.name for one in systemd.UNITS.iterdir()), *systemd.GUESTS}
    assert not (tmp_path / systemd.GUEST / systemd.ANSWER).exists()
    unit = (tmp_path / "etc/systemd/system/prove.service").read_text("utf-8")
    assert f"systemd_guest start /{systemd.GUEST}/{systemd.ANSWER}" in unit


@pytest.mark.parametrize(
    ("seconds", "said"), [(12.0, []), (40.0, ["a process that stands still came back late"])]
)
def test_a_promise_that_did_not_hold_is_a_failure_of_the_proof(seconds, said):
    seen = {"stopped_seconds": seconds, "held_seconds": 12.5, "named": True, "ended": True}
    found = systemd.figures([{"systemd": "252", "scene": "watchdog", "found": seen}])

    assert [text for text, held in watchdog(seen) if not held] == said
    assert systemd.failures(found) == [f"systemd 252, {text}" for text in said]
    assert "| 12.5 s |" in systemd.shown(found)
