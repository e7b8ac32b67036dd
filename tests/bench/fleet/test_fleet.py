"""Thousands of workers in a simulation: they neither ask together nor more than they must."""

from statistics import mean

import pytest

from tests.bench.fleet import page
from tests.bench.fleet.model import Fleet, Scenario
from tests.bench.fleet.scenarios import SCENARIOS, SERVERS, measured, one, spread
from tests.bench.fleet.server import POLLING, WAITING, Deployment

FEW = 500


@pytest.mark.parametrize("kind", SERVERS)
def test_an_idle_fleet_asks_as_often_as_the_page_says(kind):
    found = one(kind, "idle", FEW)

    assert found["at_rest"] == pytest.approx(FEW / 7.5, rel=0.15)


@pytest.mark.parametrize("kind", SERVERS)
def test_workers_that_started_together_are_soon_apart(kind):
    found = one(kind, "all start within a second", FEW)

    assert found["highest_after"] == 0
    assert max(found["each_second"][30:]) < 2 * mean(found["each_second"][30:])


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("name", ["the server restarts in a second", "the server was away for ten minutes"])
def test_a_server_that_comes_back_is_not_overrun(kind, name):
    found = one(kind, name, FEW)

    assert found["highest"] < 2.5 * found["at_rest"]
    assert found["all_answered"] <= 31.0


def test_a_fleet_that_is_refused_comes_back_after_what_it_was_asked_for_and_apart():
    deployment = Deployment(POLLING, rate=100.0, patience=0.5, retry_after=20.0)
    fleet = Fleet(Scenario(60.0, workers=FEW, start_within=0.1, deployment=deployment)).run()
    early = sum(count for tenth, count in fleet.requests.items() if 10 <= tenth < 200)

    assert fleet.refused > FEW / 2
    assert early < FEW / 2, "only those that were not refused ask before the time is over"
    assert max(fleet.requests[tenth] for tenth in range(10, 600)) < FEW / 10


def test_tasks_go_to_the_workers_that_wait_for_them_at_once():
    fleet = Fleet(Scenario(30.0, workers=20, arrivals=5.0, deployment=Deployment(WAITING))).run()

    assert len(fleet.pickups) > 100
    assert spread(fleet.pickups, 5.0) == [0.0, 0.0]


def test_every_task_of_a_backlog_is_handed_out_once():
    fleet = Fleet(Scenario(60.0, workers=20, backlog=300, task_seconds=2.0)).run()

    assert len(fleet.pickups) == 300
    assert 0.0 < fleet.dry_at < 60.0


def test_the_page_in_the_repository_is_what_its_figures_render_to():
    assert page.PAGE.read_text("utf-8") == page.rendered(), "run `python -m tests.bench fleet --write`"


def test_the_figures_of_a_small_fleet_make_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "KEPT", tmp_path / "scale.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "scale.md")
    page.write(measured(50, ["all start within a second"]))

    assert "## 50 workers, simulated" in page.PAGE.read_text("utf-8")
    assert page.PAGE.read_text("utf-8").count("| all start within a second | ") == 2 * len(SERVERS)


def test_every_scenario_is_on_the_page():
    text = page.PAGE.read_text("utf-8")

    assert all(text.count(f"| {name} | ") >= len(SERVERS) for name in SCENARIOS)
