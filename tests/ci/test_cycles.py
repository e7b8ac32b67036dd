"""No file of the package, the plugin and the simulator imports itself by way of others, and one that did is named."""

import pytest

from tests.ci import cycles as command
from tests.ci.cycles import LOOKED_AT, cycles


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package `around` whose modules import as they are told."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules):
        (tmp_path / "around").mkdir()
        (tmp_path / "around" / "__init__.py").touch()
        for name, text in modules.items():
            (tmp_path / "around" / f"{name}.py").write_text(text, encoding="utf-8")

    return write


def test_imports_here_go_down_only():
    assert cycles(*LOOKED_AT) == []


@pytest.mark.parametrize(
    "back",
    [
        "from around import a",
        "import around.a",
        "from around.a import thing",
        "def run():\n    from around.a import thing\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from around.a import thing\n",
    ],
)
def test_a_circle_is_named_by_its_files_wherever_its_imports_stand(package, back):
    package(a="from around import b", b="from around import c", c=back, d="from around import a")

    assert cycles("around") == [("around.a", "around.b", "around.c")]


def test_each_circle_is_named_once(package):
    package(
        a="from around import b, c", b="from around import a", c="from around import d", d="import around.c"
    )

    assert cycles("around") == [("around.a", "around.b"), ("around.c", "around.d")]


def test_only_the_packages_that_are_asked_for_count(package):
    package(a="from around import b", b="from around import a")

    assert cycles("around.a") == []


def test_the_command_prints_each_circle_in_a_line_and_fails(package, monkeypatch, capsys):
    package(a="from around import b", b="from around import a")
    monkeypatch.setattr(command, "LOOKED_AT", ("around",))

    assert command.main()
    assert capsys.readouterr().out.splitlines() == [
        "around.a -> around.b -> around.a",
        "1 circles of imports",
    ]
