"""The root package: light to import, and every public name where it says it is."""

import ast
import importlib
import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

import prismq_worker_sdk
from prismq_worker_sdk.compat import tomllib
from tests.support.surroundings import ROOT, clean_environment, write_distribution

HEAVY = {"requests", "pydantic", "jsonschema", "fastapi", "sqlalchemy", "googleapiclient"}
SHOW_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(**environment),
    )


def declared():
    """Each public name and its module, as the imports for type checkers say."""
    tree = ast.parse((ROOT / "prismq_worker_sdk" / "__init__.py").read_text(encoding="utf-8"))
    (checking,) = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {name.name: node.module for node in checking.body for name in node.names}


def imported(folder):
    """The modules outside of the standard library that the code in a folder imports, by their first names."""
    nodes = [
        node
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    ]
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


@pytest.mark.parametrize(
    ("code", "metadata"),
    [
        ("prismq_worker_sdk", "pyproject.toml"),
        ("plugins/youtube_shorts/src", "plugins/youtube_shorts/pyproject.toml"),
    ],
)
def test_every_library_that_is_imported_is_asked_for_by_name(code, metadata):
    project = tomllib.loads((ROOT / metadata).read_text("utf-8"))["project"]
    extras = [
        one
        for name, extra in project.get("optional-dependencies", {}).items()
        if name != "dev"
        for one in extra
    ]
    asked_for = {
        re.split("[>;]", one)[0].replace("-", "_").casefold() for one in (*project["dependencies"], *extras)
    }
    own = {"prismq_worker_sdk", "prismq_youtube_shorts", "annotationlib", "tomllib"}
    by_module = importlib.metadata.packages_distributions()
    missing = {
        module
        for module in imported(ROOT / code) - own
        if asked_for.isdisjoint(name.replace("-", "_").casefold() for name in by_module.get(module, [module]))
    }

    assert missing == set()


@pytest.mark.parametrize(
    "code",
    [
        "import prismq_worker_sdk",
        "from prismq_worker_sdk import hookimpl, Transient, RetryPolicy, CancelReason",
        "from prismq_worker_sdk.cli import main; assert main(['--help']) == 0",
        "from prismq_worker_sdk.cli import main; assert main(['-h']) == 0",
        "from prismq_worker_sdk.cli import main; assert main(['--version']) == 0",
    ],
)
def test_importing_the_package_and_help_pull_in_nothing_heavy(code):
    loaded = json.loads(python(f"{code}\n{SHOW_MODULES}").stderr)

    assert HEAVY & set(loaded) == set()
    assert "prismq_worker_sdk" in loaded


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["tasks", "--help"], ["run", "--help"]])
def test_help_imports_no_plugin(arguments, tmp_path):
    module = write_distribution(tmp_path, "shy", "raise SystemExit('a plugin was imported')")
    run = f"from prismq_worker_sdk.cli import main; assert main({arguments}) == 0"
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    loaded = json.loads(python(f"{run}\n{SHOW_MODULES}", **environment).stderr)

    assert module not in loaded
    assert "googleapiclient" not in loaded


def test_every_public_name_is_the_one_that_type_checkers_see():
    assert set(prismq_worker_sdk.__all__) == set(declared())
    assert len(prismq_worker_sdk.__all__) == len(declared())
    for name, module in declared().items():
        assert getattr(prismq_worker_sdk, name) is getattr(importlib.import_module(module), name)


def test_every_public_name_comes_with_a_star():
    names = {}
    exec("from prismq_worker_sdk import *", names)

    assert set(prismq_worker_sdk.__all__) <= set(names)


def test_dir_lists_every_public_name_before_it_is_used():
    listed = json.loads(python("import json, prismq_worker_sdk as p; print(json.dumps(dir(p)))").stdout)

    assert set(prismq_worker_sdk.__all__) <= set(listed)
    assert "__version__" in listed


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'prismq_worker_sdk' has no attribute 'Wroker'"):
        prismq_worker_sdk.Wroker  # noqa: B018
    with pytest.raises(ImportError, match="Wroker"):
        exec("from prismq_worker_sdk import Wroker")
    assert not hasattr(prismq_worker_sdk, "_private")


def test_the_version_is_a_version_and_typed_code_is_announced():
    assert re.fullmatch(r"\d+\.\d+\.\d+", prismq_worker_sdk.__version__)
    assert (ROOT / "prismq_worker_sdk" / "py.typed").is_file()


def test_the_package_runs_as_a_module():
    shown = subprocess.run(
        [sys.executable, "-m", "prismq_worker_sdk", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )

    assert shown.stdout == f"prismq-worker, version {prismq_worker_sdk.__version__}\n"


def test_make_takes_an_environment_that_somebody_else_has_made(tmp_path):
    bin_folder = tmp_path / ".venv" / "bin"
    (tmp_path / "plugins" / "youtube_shorts").mkdir(parents=True)
    bin_folder.mkdir(parents=True)
    for name in ("pyproject.toml", "plugins/youtube_shorts/pyproject.toml"):
        (tmp_path / name).touch()
    for name in ("python", "prismq-worker"):
        (bin_folder / name).write_text(f'#!/bin/sh\necho {name} "$1"\n', encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    made = subprocess.run(
        ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), "-C", str(tmp_path), "demo"],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )

    assert made.returncode == 0, made.stderr
    assert "prismq-worker demo" in made.stdout.splitlines()
