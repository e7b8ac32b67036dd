"""What the wheels and sdists hold: every file of the packages, and nothing of the tests or of this machine."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from tests.ci.dist import ROOT, distributions

NAMES = [folder.relative_to(ROOT).as_posix() for folder in distributions()]
PARTS = ("taskmanager/pages/templates/", "taskmanager/pages/static/", "taskmanager/db/migrations/versions/")


@pytest.fixture(scope="module", params=NAMES)
def built(request, tmp_path_factory):
    """The folder of a distribution, and the names in its wheel and in its sdist."""
    source, into = ROOT / request.param, tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", into], cwd=source, check=True, capture_output=True
    )
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened, tarfile.open(sdist) as packed:
        in_sdist = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in packed.getnames()}
        return source, set(opened.namelist()), in_sdist


def tracked(source):
    """The files of its package in the repository: their path in the tree → in the wheel."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "."], cwd=source, check=True, capture_output=True, text=True
    )
    files = [name for name in said.stdout.split("\0") if name and not name.endswith("README.md")]
    places = {name: name.removeprefix("src/") for name in files}
    return {name: place for name, place in places.items() if place.startswith("prismq_")}


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(built):
    source, wheel, _sdist = built
    package = {name for name in wheel if ".dist-info/" not in name}

    assert package == set(tracked(source).values())


def test_the_wheel_says_how_it_is_licensed_and_what_it_starts(built):
    _source, wheel, _sdist = built
    about = {name.partition(".dist-info/")[2] for name in wheel if ".dist-info/" in name}

    assert about >= {"METADATA", "RECORD", "WHEEL", "entry_points.txt"}


def test_the_sdist_holds_what_the_wheel_is_built_from(built):
    source, _wheel, sdist = built

    assert sdist >= set(tracked(source)) | {"pyproject.toml", "README.md", "PKG-INFO"}
    assert not [name for name in sdist if "__pycache__" in name or name.startswith(("docs/", ".venv"))]


def test_every_distribution_tells_type_checkers_of_its_types(built):
    _source, wheel, _sdist = built

    assert [name for name in wheel if name.endswith("/py.typed")] != []


def test_the_package_has_its_pages_and_its_migrations(built):
    source, wheel, _sdist = built
    if source == ROOT:
        for part in PARTS:
            assert [name for name in wheel if part in name], part
