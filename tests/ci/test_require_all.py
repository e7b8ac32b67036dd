import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "youtube_shorts"
SUITE = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no mark is given")
def test_marked():
    pass

@pytest.mark.skipif(True, reason="the condition holds")
def test_conditional():
    pass

def test_skips_itself():
    pytest.skip("needs root")

@pytest.fixture
def small_disk():
    pytest.skip("mounting needs root")

def test_of_a_fixture_that_skips(small_disk):
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail():
    assert False
"""
ABSENT = "import pytest\n\npytest.importorskip('no_such_module_anywhere')\n"


@pytest.fixture
def suite(tmp_path):
    """Two folders of tests below a copy of our conftest: some tests are skipped, and a whole file is."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -ra --import-mode=importlib\n")
    for folder in ("tests", "plugins/some/tests"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "test_some.py").write_text(SUITE)

    def run(*arguments, require_all=None):
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PRISMQ"))
        }
        asked = {} if require_all is None else {"PRISMQ_REQUIRE_ALL": require_all}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env=kept | asked,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def counted(done):
    """How many of each end pytest counted."""
    last = done.stdout.strip().splitlines()[-1]
    return {
        what.rstrip("s"): int(number) for number, what in re.findall(r"(\d+) (\w+)", last.split(" in ")[0])
    }


@pytest.mark.parametrize("value", [None, "0"])
def test_without_the_variable_tests_may_be_skipped(suite, value):
    done = suite("tests", require_all=value)

    assert done.returncode == 0
    assert counted(done) == {"passed": 1, "skipped": 4, "xfailed": 1}


@pytest.mark.parametrize(
    "arguments", [("tests", "plugins"), ("tests", "plugins", "-n", "2")], ids=["one", "two"]
)
def test_with_the_variable_every_skipped_test_is_a_failure_in_plugins_too(suite, arguments):
    done = suite(*arguments, require_all="1")

    assert done.returncode == 1
    assert counted(done) == {"passed": 2, "failed": 2, "error": 6, "xfailed": 2}


def test_the_failure_says_which_test_what_it_needs_and_who_asked(suite):
    said = suite("plugins", require_all="1").stdout

    assert (
        "plugins/some/tests/test_some.py::test_of_a_fixture_that_skips was not run (mounting needs root)"
        in said
    )
    assert "PRISMQ_REQUIRE_ALL wants every test to run" in said


def test_with_the_variable_a_file_that_skips_itself_is_a_failure(suite, tmp_path):
    (tmp_path / "tests" / "test_absent.py").write_text(ABSENT)
    allowed, refused = suite("tests/test_absent.py"), suite("tests/test_absent.py", require_all="1")

    assert counted(allowed) == {"skipped": 1}
    assert refused.returncode != 0
    assert "tests/test_absent.py was not run (could not import 'no_such_module_anywhere'" in refused.stdout


def test_the_rule_reaches_the_suite_of_the_plugin_when_it_is_run_alone():
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--collect-only",
            "--trace-config",
            "tests/test_errors.py",
        ],
        cwd=PLUGIN,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"PLUGIN registered: <module 'conftest' from '{ROOT / 'conftest.py'}'>" in done.stdout
