"""Rounds that can be cut, goals, and the page: with figures that nobody had to wait for."""

import json

import pytest

from tests.bench import comparing, goals, page
from tests.bench import rounds as rounds_module
from tests.bench.peers.cells import cells as cells_of_peers
from tests.bench.peers.peer import PEERS
from tests.bench.peers.services import MissingError
from tests.bench.rounds import Cell, Rounds, Sizes
from tests.bench.sampling import ELSEWHERE, shares
from tests.prove.store import DIRTY, Version

CODE = Version("c" * 40, "t" * 40)


@pytest.fixture
def rounds(tmp_path):
    return Rounds(Sizes(), CODE, tmp_path)


def turns(*names, **broken):
    """Cells that note when they ran; those that are broken raise."""
    ran = []

    def run(name):
        ran.append(name)
        if name in broken:
            raise broken[name]
        return {"rate": float(len(ran))}

    return ran, [Cell(name, lambda _sizes, name=name: run(name)) for name in names]


def quiet(_text):
    """Nobody needs to hear."""


def test_everything_takes_its_turn_in_each_round(rounds):
    ran, cells = turns("a", "b")
    rounds.measure(cells, 2, say=quiet)

    assert ran == ["a", "b", "a", "b"]
    assert rounds.figures() == {
        "a": {1: {"rate": 1.0}, 2: {"rate": 3.0}},
        "b": {1: {"rate": 2.0}, 2: {"rate": 4.0}},
    }


def test_what_was_measured_is_not_measured_again(rounds, tmp_path):
    ran, cells = turns("a", "b")
    rounds.measure(cells[:1], 1, say=quiet)
    Rounds(Sizes(), CODE, tmp_path).measure(cells, 1, say=quiet)

    assert ran == ["a", "b"]
    assert Rounds(Sizes(tasks=3), CODE, tmp_path).figures() == {}
    rounds.forget()
    assert rounds.figures() == {}


def test_what_takes_long_is_measured_in_fewer_rounds(rounds):
    ran, (once,) = turns("a")
    rounds.measure([Cell("a", once.run, 1)], 3, say=quiet)

    assert ran == ["a"]


@pytest.mark.parametrize("error", [MissingError("Redis is not here"), RuntimeError("it broke")])
def test_what_cannot_be_measured_is_said_once_and_holds_up_nothing(rounds, error):
    said = []
    ran, cells = turns("a", "b", a=error)
    missing = rounds.measure(cells, 2, say=said.append)

    assert ran == ["a", "b", "b"]
    assert str(error) in missing["a"]
    assert [str(error) in text for text in said] == [True, False, False]


class Everything(dict):
    """Figures of every cell, all 1; notes which are read."""

    def __missing__(self, name):
        self[name] = dict.fromkeys(("rate", "cpu", "memory", "p50", "p99", "first_claim"), 1.0)
        self[name] |= dict.fromkeys(("files", "moves between files", "lines", "in_circles", "longest"), 1.0)
        return self[name]


def test_every_goal_reads_cells_that_are_measured():
    read = Everything()
    for goal in goals.GOALS:
        goal.read(read)

    assert set(read) <= {cell.name for cell in goals.cells()}


def test_a_goal_is_met_or_missed_by_the_median_of_its_rounds_or_was_not_measured():
    figures = {"start": {n: {"first_claim": ms} for n, ms in enumerate((100.0, 230.0, 900.0), 1)}}
    figures["ours-idle"] = {1: {"p50": 3.0}}
    found = {row[0]: row for row in goals.rows(figures)}

    assert found["start to first claim, ms"][1:] == ("≤ 240", "230", "100 to 900", "293", "met")
    assert found["pickup on an idle worker, p50, ms"][-1] == "missed"
    assert found["no-op tasks/s, of Celery's"][-1] == "not measured"


def test_a_ratio_is_to_the_best_of_the_others_in_the_same_round():
    figures = {
        "ours-64": {1: {"rate": 100.0}, 2: {"rate": 300.0}, 3: {"rate": 1.0}},
        "dramatiq-8": {1: {"rate": 10.0}, 2: {"rate": 30.0}},
        "dramatiq-64": {1: {"rate": 20.0}, 2: {"rate": 15.0}},
    }

    assert goals.GOALS[0].values(figures) == [5.0, 10.0]


def test_the_size_of_what_ships_is_counted():
    found = goals.code()

    assert found["lines"] > found["longest"] > 0
    assert found["files"] > 0


def test_a_look_counts_for_its_thread_and_for_the_innermost_file_of_ours():
    samples = (
        "thread (7): prismq-slot-3;run (/x/prismq_worker_sdk/worker/slots.py:4);go (threading.py:1) 3\n"
        "thread (8): prismq-slot-4;run (/x/prismq_worker_sdk/worker/slots.py:4);f (prismq_worker_sdk/a.py:1) 4\n"
        "thread (9): MainThread;run (threading.py:1) 1\n"
    )

    assert shares(samples, 80.0) == {
        "thread prismq-slot": 70.0,
        "thread MainThread": 10.0,
        "file a.py": 40.0,
        "file worker/slots.py": 30.0,
        f"file {ELSEWHERE}": 10.0,
    }


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "KEPT", tmp_path / "benchmarks.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(rounds_module, "version", lambda **_: CODE)
    monkeypatch.setattr(comparing, "stay_on_two_cores", lambda: None)
    monkeypatch.setattr(rounds_module.Rounds.__init__, "__defaults__", (None, tmp_path / "rounds"))
    return tmp_path


def invented(name):
    """Figures of any cell."""
    if name.endswith("-killed"):
        return {"lost": 1, "twice": 2}
    if name == "profile":
        return {"cpu": 10.0, "thread prismq-slot": 6.0, "file worker/slots.py": 6.0}
    return dict.fromkeys(("rate", "cpu", "memory", "start", "p50", "p99"), 123.4)


def test_the_page_has_a_line_for_each_peer_in_each_table(kept, monkeypatch, capsys):
    made = [Cell(cell.name, lambda _sizes, name=cell.name: invented(name)) for cell in cells_of_peers()]
    monkeypatch.setattr(comparing, "cells_of_peers", lambda: made)
    monkeypatch.setattr(comparing, "profiled", lambda _sizes: invented("profile"))

    assert comparing.peers(["--rounds", "2"]) == 0
    assert comparing.report([]) == 0
    text = page.PAGE.read_text("utf-8")
    for peer in PEERS:
        assert text.count(f"| {peer.title}") == len(peer.slots) + 2, peer.name
    assert "| 123 (123 to 123) |" in text
    assert "| worker/slots.py | 6.00 |" in text
    assert json.loads(page.KEPT.read_text("utf-8"))["sizes"]["tasks"] == Sizes().tasks
    assert "2 rounds on" in text
    assert "| worker/slots.py | 6.00 |" in capsys.readouterr().out


@pytest.mark.parametrize("code", [CODE, Version(CODE.commit, CODE.tree + DIRTY)])
def test_nothing_is_written_without_figures_or_of_code_that_is_not_committed(kept, monkeypatch, capsys, code):
    monkeypatch.setattr(rounds_module, "version", lambda **_: code)

    assert comparing.report([]) == 1
    assert "not written: " in capsys.readouterr().out
    assert not page.PAGE.exists()


def test_sizes_can_be_chosen_one_by_one():
    given = comparing.parser("peers", "").parse_args(["--full", "--tasks", "7"])

    assert comparing.sizes(given) == Sizes(
        tasks=7, pickups=comparing.FULL.pickups, kills=comparing.FULL.kills
    )


def test_the_page_in_the_repository_is_what_its_figures_render_to():
    assert page.PAGE.read_text("utf-8") == page.rendered(), "run `python -m tests.bench report`"
