import pytest

from tests.prove import lowest, pythons
from tests.prove.suite import counted, folders, summed
from tests.support.processes import ROOT

RED = """
FAILED tests/unit/test_a.py::test_b[1-x] - AssertionError: 12 passed in 3 s
ERROR tests/unit/test_c.py - ImportError
1 failed, 2 passed, 3 skipped, 1 error in 61.25s (0:01:01)
make: *** [Makefile:33: test] Error 1
"""


def test_every_folder_of_tests_is_one_part():
    found = {str(file.relative_to(ROOT)) for file in ROOT.glob("tests/**/test_*.py")}
    found |= {str(file.relative_to(ROOT)) for file in ROOT.glob("plugins/*/tests/test_*.py")}

    assert found
    assert {
        file for file in found if not file.startswith(tuple(f"{one}/" for one in folders().values()))
    } == set()


def test_what_tests_came_to_is_read_from_the_last_words_of_pytest():
    assert counted(RED, 61.4) == {
        "passed": 2,
        "failed": 2,
        "skipped": 3,
        "seconds": 61,
        "wrong": ["tests/unit/test_a.py::test_b[1-x]", "tests/unit/test_c.py"],
        "said": RED,
    }
    assert "said" not in counted("5 passed in 1.00s", 2)
    assert counted("....\n2395 passed in 5.01s\n", 5)["passed"] == 2395


def test_tests_that_come_to_no_end_are_no_result():
    with pytest.raises(RuntimeError, match="the tests came to no end: "):
        counted("....\nKilled", 5)


def test_the_folders_of_a_python_are_summed_beside_its_demo():
    about = {"python": "3.15.2", "sqlite": "3.53.4", "debian": "sid"}
    results = [about | counted(RED, 60), about | counted("5 passed in 1.00s", 2), about | {"demo": 31}]
    found = pythons.figures(results)

    assert found["3.15.2"] | {"wrong": []} == {
        "debian": "sid",
        "sqlite": "3.53.4",
        "demo": 31,
        "folders": 2,
        "passed": 7,
        "failed": 2,
        "skipped": 3,
        "seconds": 62,
        "wrong": [],
    }
    assert "| 3.15.2 | sid | 3.53.4 | 31 | 2 | 7 | 2 | 3 | 62 |" in pythons.shown(found)
    assert list(pythons.PROOF.failures(found)) == [
        "Python 3.15.2: tests/unit/test_a.py::test_b[1-x]",
        "Python 3.15.2: tests/unit/test_c.py",
    ]


def test_the_lowest_libraries_are_named_where_the_metadata_names_them():
    found = {"libraries": {"pydantic": "2.7.0", "idna": "3.20"}, **summed([counted("5 passed in 1.00s", 2)])}

    assert lowest.shown(found).endswith("\n\npydantic 2.7.0.")
    assert "| 1 | 5 | 0 | 0 | 2 |" in lowest.shown(found)


def test_the_lowest_libraries_of_every_extra_are_tried():
    assert {"taskmanager", "mysql", "metrics", "socks", "otel"} <= set(lowest.extras())
    assert not {"dev", "release"} & set(lowest.extras())
