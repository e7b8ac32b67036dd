"""How often workers without work ask a server that counts their requests (R34)."""

import pytest

from tests.support.idle import Idle

MINUTES = 5
LIMIT = 100


@pytest.fixture
def idle(tmp_path):
    made = []

    def make(**given):
        made.append(Idle(tmp_path, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("types", [1, 2, 5])
@pytest.mark.parametrize("rate_limit", [0, LIMIT])
def test_an_idle_worker_asks_once_for_each_type_in_each_poll_interval_whatever_the_limit(
    idle, types, rate_limit
):
    counts = idle(workers=1, types=types, rate_limit=rate_limit).minutes(MINUTES)

    assert 6 * types <= sum(counts) / MINUTES <= 9 * types


@pytest.mark.parametrize("types", [1, 2, 5])
def test_r34_idle_workers_of_one_process_keep_to_the_limit_together_and_are_refused_nothing(idle, types):
    here = idle(workers=8, types=types, rate_limit=LIMIT)
    counts = here.minutes(MINUTES)

    assert max(counts) <= LIMIT
    assert 429 not in here.statuses
