"""The proof of the API, in small: what a report and a log come to."""

import json

from tests.prove.api import PROOF, counted

REPORT = {
    "schemathesis_version": "4.32.5",
    "operations": {"tested": 32},
    "test_cases": {"generated": 2620},
    "failures": [],
    "errors": [],
}


def log(folder, *levels):
    path = folder / "log"
    path.write_text("".join(json.dumps({"level": one, "message": f"said {one}"}) + "\n" for one in levels))
    return [path]


def test_calls_that_were_all_answered_rightly_are_summed(tmp_path):
    good = {"database": "SQLite", **counted(REPORT, log(tmp_path, "INFO"))}
    found = PROOF.figures([good, good, {"database": "MariaDB", "missing": True}])

    assert list(PROOF.failures(found)) == []
    assert "| SQLite | 4.32.5 | 32 | 5,240 | 0 |" in PROOF.table(found)


def test_a_wrong_answer_and_an_error_in_the_log_are_failures_of_the_proof(tmp_path):
    report = REPORT | {"failures": [{"title": "Server error", "operations": ["GET /tasks"]}]}
    bad = {"database": "SQLite", **counted(report, log(tmp_path, "INFO", "ERROR"))}

    assert list(PROOF.failures(PROOF.figures([bad]))) == [
        "SQLite: Server error: GET /tasks",
        "SQLite: the server logged: said ERROR",
    ]


def test_each_part_has_a_name_of_its_own_that_a_file_can_have():
    keys = [part.key for part in PROOF.parts()]

    assert len(set(keys)) == len(keys) == 10
    assert all(key.replace("-", "").isalnum() for key in keys)
