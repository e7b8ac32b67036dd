"""What runs the proofs: parts are kept, versions are not mixed, and the page is what the documents say."""

import re
import subprocess

import pytest

from tests.prove import __main__ as command
from tests.prove.documents import document, machine, write, written
from tests.prove.page import PAGE, grid, render, rendered
from tests.prove.proof import PROOFS, load
from tests.prove.running import run_missing
from tests.prove.sample import PROOF
from tests.prove.store import DIRTY, Store, Version, version
from tests.support.processes import ROOT

CODE = Version("c" * 40, "t" * 40)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Which parts of the sample ran, in order."""
    file = tmp_path / "runs"
    monkeypatch.setenv("SAMPLE_RUNS", str(file))
    return lambda: file.read_text("utf-8").split() if file.exists() else []


@pytest.fixture
def store(tmp_path):
    return Store(CODE.tree, tmp_path / "kept")


def test_parts_that_are_finished_are_not_run_again(runs, store, monkeypatch):
    monkeypatch.setenv("SAMPLE_BREAKS", "two")
    assert not run_missing(PROOF, store, jobs=1, say=lambda _: None)
    monkeypatch.delenv("SAMPLE_BREAKS")

    assert run_missing(PROOF, store, jobs=1, say=lambda _: None)
    assert runs() == ["one", "two", "three", "two"]
    assert document(PROOF, store, CODE)["figures"] == {"keys": ["one", "two", "three"]}


def test_a_part_that_breaks_stops_no_other_and_is_named_in_the_document(runs, store, monkeypatch):
    monkeypatch.setenv("SAMPLE_BREAKS", "two")
    run_missing(PROOF, store, jobs=2, say=lambda _: None)

    found = document(PROOF, store, CODE)
    assert found["parts"] == {"done": 2, "planned": 3}
    assert found["broken"] == {"two": "RuntimeError: two broke"}


def test_no_part_is_begun_when_the_minutes_are_over(runs, store):
    said = []
    run_missing(PROOF, store, jobs=1, minutes=0, say=said.append)

    assert runs() == []
    assert said[-1] == "sample: the time is over, 3 parts are left; run it again to go on"


def test_what_another_version_gave_is_not_taken(runs, store, tmp_path):
    store.keep("sample", "one", {"key": "one", "seconds": 1.0, "result": {"key": "one"}})

    assert Store("another", tmp_path / "kept").results("sample") == {}
    store.forget("sample")
    assert store.results("sample") == {}


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    for folder in ("prismq_worker_sdk", "tests/prove", "tests/simulator"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "code.py").write_text("1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    return tmp_path, git


@pytest.mark.parametrize("folder", ["prismq_worker_sdk", "tests/simulator"])
def test_what_is_proved_is_another_version_once_a_change_is_committed(repository, folder):
    root, git = repository
    before = version(root)
    (root / folder / "code.py").write_text("2\n")
    git("commit", "-q", "-a", "-m", "two")

    assert version(root).tree != before.tree
    assert not version(root).dirty


def test_what_proves_can_change_without_a_new_version(repository):
    root, git = repository
    before = version(root)
    (root / "tests/prove/code.py").write_text("2\n")
    git("commit", "-q", "-a", "-m", "two")

    assert version(root).tree == before.tree


@pytest.mark.parametrize(
    "file",
    [
        "prismq_worker_sdk/code.py",
        "prismq_worker_sdk/new.py",
        "tests/prove/code.py",
        "tests/simulator/code.py",
    ],
)
def test_a_version_with_changes_that_are_not_committed_is_another_one(repository, file):
    root, _ = repository
    before = version(root)
    assert not before.dirty
    (root / file).write_text("2\n")

    assert version(root) == Version(before.commit, before.tree + DIRTY)


def test_figures_of_changed_code_are_shown_but_not_written_down(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "version", lambda: Version("c" * 40, "t" + DIRTY))
    monkeypatch.setattr(command, "Store", lambda tree: Store(tree, tmp_path / "kept"))
    monkeypatch.setattr(command, "write", lambda _: pytest.fail("it was written down"))
    given = command.parser().parse_args([])

    assert command.prove(PROOF, given) == 1
    said = capsys.readouterr().out
    assert "keys: one, two, three" in said
    assert "sample did not hold: two is not wanted" in said
    assert "not written down: the code has changes that are not committed" in said


def test_the_page_shows_what_failed_as_plainly_as_what_passed(store):
    for key in ("one", "three"):
        store.keep("sample", key, {"key": key, "seconds": 60.0, "result": {"key": key}})
    good = document(PROOF, store, CODE)
    store.keep("sample", "two", {"key": "two", "seconds": 60.0, "result": {"key": "two"}})
    bad = document(PROOF, store, CODE)

    assert "**Held** in 2 of 3 parts.\n\nkeys: one, three" in render({"sample": good}, [PROOF])
    shown = render({"sample": bad}, [PROOF])
    assert "**Did not hold**, in all 3 parts:\n\n- two is not wanted\n" in shown
    assert f"<sub>Commit {'c' * 12}, " in shown
    assert "**Not run yet**: `make prove-sample`." in render({}, [PROOF])


def test_a_document_that_was_written_is_read_again(store, tmp_path):
    found = document(PROOF, store, CODE)
    write(found, tmp_path / "documents")

    assert written(tmp_path / "documents") == {"sample": found}


def test_a_table_has_numbers_on_the_right_and_a_hyphen_for_nothing():
    table = grid(("what", "times"), [("a", 1234), ("b", None), ("c", 0.5)])

    assert table.splitlines()[1:] == ["| --- | ---: |", "| a | 1,234 |", "| b | - |", "| c | 0.50 |"]


def test_an_unknown_proof_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        command.main(["nonsense"])
    assert "there is no proof 'nonsense'; there are " in capsys.readouterr().err


def test_the_page_in_the_repository_is_what_its_documents_render_to():
    assert PAGE.read_text("utf-8") == rendered(), "run `make prove-report`; the page is not written by hand"


def test_every_document_says_which_code_and_which_machine():
    for name, found in written().items():
        assert name in PROOFS
        assert re.fullmatch(r"[0-9a-f]{40}", found["commit"]), name
        assert re.fullmatch(r"[0-9a-f]{40}", found["tree"]), name
        assert set(found["machine"]) == set(machine()), name
        assert 0 < found["parts"]["done"] <= found["parts"]["planned"], name


def test_every_proof_has_its_name_and_parts_with_keys_of_their_own():
    for name in PROOFS:
        proof = load(name)
        keys = [part.key for part in proof.parts()]
        assert proof.name == name
        assert len(set(keys)) == len(keys) > 0, name
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys), keys


def test_every_proof_has_a_target_of_make():
    for name in PROOFS:
        words = ["make", "-n", f"prove-{name}"]
        made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert f"-m tests.prove {name}" in made.stdout
