"""The lock files pin everything that the image is built from, by hash, and fit what the package asks for."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from prismq_worker_sdk.compat import tomllib

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "examples" / "deploy" / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
TOOLS = {"dev", "release"}
"""Extras that no image has."""

PIN = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; [^\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+"
)


PLUGINS = [
    tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
    for file in ROOT.glob("plugins/*/pyproject.toml")
]


def pins(name):
    """The entries of a lock file, the lines of one joined."""
    text = (LOCKS / name).read_text(encoding="utf-8")
    return re.split(r"\n(?! )", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())


def versions(name):
    found = {}
    for entry in pins(name):
        pin = PIN.fullmatch(entry)
        found.setdefault(pin["name"], []).append(pin["version"])
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_every_line_of_a_lock_is_one_version_with_its_hashes(name):
    assert [entry for entry in pins(name) if not PIN.fullmatch(entry)] == []


@pytest.mark.parametrize("extra", [None, *sorted(EXTRAS.keys() - TOOLS)])
def test_what_the_package_asks_for_is_locked_in_a_version_that_fits(extra):
    wanted = PROJECT["project"]["dependencies"] if extra is None else EXTRAS[extra]

    assert_locked(wanted, f"put {extra} into EXTRAS of the Makefile and run make lock")


def test_what_a_plugin_asks_for_is_locked_too():
    assert PLUGINS
    for wanted in PLUGINS:
        outside = [line for line in wanted if canonicalize_name(line) != PROJECT["project"]["name"]]
        assert_locked(outside, "name the plugin in the target lock of the Makefile, and run make lock")


def assert_locked(wanted, remedy):
    locked = versions("requirements.lock")
    for requirement in map(Requirement, wanted):
        found = locked.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement} is not locked; {remedy}"
        assert all(requirement.specifier.contains(version) for version in found), f"{requirement}: make lock"


def test_the_build_backend_is_locked_in_a_version_that_fits():
    (backend,) = map(Requirement, PROJECT["build-system"]["requires"])

    assert all(backend.specifier.contains(version) for version in versions("build.lock")[backend.name])


def test_a_lock_names_no_host():
    assert not re.search(
        "://|index", "".join((LOCKS / name).read_text() for name in ("requirements.lock", "build.lock"))
    )
