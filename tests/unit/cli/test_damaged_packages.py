"""Packages whose entry points cannot be read are told, and no command stops at them."""

from __future__ import annotations

import os
from importlib.metadata import distributions

import pytest

from prismq_worker_sdk.cli import group


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    folder = tmp_path / "site" / "other-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "entry_points.txt").write_bytes(b"[console_scripts]\ngr\xf6\xdfe = other\n")
    path = [str(tmp_path / "site")]

    def entry_points(**_wanted):
        return [point for one in distributions(path=path) for point in one.entry_points]

    monkeypatch.setattr(group, "entry_points", entry_points)
    monkeypatch.setattr(group, "distributions", lambda: distributions(path=path))
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")
    return folder


def test_a_command_goes_on_and_names_the_package(cli, damaged):
    shown = cli("plugins")

    assert shown.code == 0
    assert shown.out.startswith("no plugin is installed")
    assert f"{damaged} has an entry_points.txt that cannot be read (UnicodeDecodeError" in shown.err
    assert os.environ["PYDANTIC_DISABLE_PLUGINS"] == "__all__"  # pydantic would stop at it


def test_nothing_is_said_where_all_is_well(cli, damaged):
    (damaged / "entry_points.txt").write_text("[console_scripts]\nother = other:main\n")

    assert cli("plugins").err == ""
    assert os.environ["PYDANTIC_DISABLE_PLUGINS"] == ""
