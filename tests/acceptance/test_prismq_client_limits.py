"""Several workers on one server in production: deadlocks, its limit of requests, and what a task costs."""

from collections import Counter

import pytest

from tests.support.deployed import Embedded
from tests.support.fleet import Fleet
from tests.support.processes import wait_until

TYPE = "Fleet.Some"
OURS = "127.0.0.1"
FROM_ONE_ADDRESS = 20
"""Tasks; the limit is counted for each address, so that a producer of more must have several."""


@pytest.fixture
def start_deployed():
    started = []

    def start(**deployment):
        running = Embedded(**deployment)
        started.append(running)
        running.__enter__()
        running.producer.register(TYPE)
        return running

    yield start
    for running in started:
        running.__exit__()


def work_off(folder, deployed, *, tasks, **fleet):
    """Lets a fleet complete so many tasks; what it was, each task once."""
    ids = []
    for n in range(tasks):
        deployed.producer.comes_from(f"producer-{n // FROM_ONE_ADDRESS}")
        ids += deployed.producer.add(TYPE, {"n": n})
    workers = Fleet(folder, deployed.url, TYPE, **fleet)
    with workers.running():
        wait_until(lambda: deployed.counts() == {"completed": tasks}, "the end of all tasks", deadline=60)
    assert workers.codes() == {0}
    assert workers.runs == Counter(ids)
    assert all(deployed.steps(task_id) == ["claimed", "completed"] for task_id in ids)
    return workers


def test_every_task_completes_once_though_the_database_rolls_back_some_claims_and_reports(
    tmp_path, start_deployed
):
    deployed = start_deployed(deadlocks=0.05)
    workers = work_off(tmp_path, deployed, tasks=160, size=4, concurrency=4)

    assert workers.failed("http_500") > 0
    assert workers.of("complete") < 1.25 * 160
    assert workers.of("claim") < 1.5 * 160


def test_r34_workers_of_one_process_share_the_limit_and_the_server_refuses_none_of_them(
    tmp_path, start_deployed
):
    deployed = start_deployed(rate_limit=20, rate_window=2.0)
    workers = work_off(tmp_path, deployed, tasks=50, size=4, concurrency=2)

    assert workers.of("claim") >= 50
    assert workers.failed("http_429") == 0


def test_r34_no_task_is_lost_to_a_refusal_where_strangers_use_up_the_limit_of_the_same_address(
    tmp_path, start_deployed
):
    deployed = start_deployed(rate_limit=20, rate_window=5.0)
    deployed.producer.comes_from(OURS)
    for _ in range(20):
        deployed.producer.claim_nothing()
    workers = work_off(tmp_path, deployed, tasks=20, size=2, concurrency=2)

    assert workers.failed("http_429") <= 2
