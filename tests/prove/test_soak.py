"""The soak, in small: it measures, and growth does not pass."""

import pytest

from tests.prove import soak

SMALL = soak.Size(tasks=300, idle=0.3, warm=0.1, every=0.1, backlog=200, patience=60.0)


def test_a_small_soak_works_off_its_tasks_and_measures():
    found = soak.figures([soak.run(SMALL)])

    assert (found["done"], found["code"], found["warnings"]) == (300, 0, 0)
    assert found["marks"]["end"]["rows"] == 0
    assert found["marks"]["warm"]["memory"] > soak.MEBIBYTE
    assert "300 tasks" in soak.table(found)


def sample(**said):
    whole = dict.fromkeys(soak.Sample.__slots__, 0)
    return whole | {"memory": 1000, "threads": 20, "files": 30, "outbox": 1000, "rows": 5} | said


@pytest.mark.parametrize(
    "end",
    [{"memory": 1051}, {"threads": 37}, {"files": 31}, {"rows": 6}, {"outbox": 1051}, {"done": 9}],
    ids=lambda end: next(iter(end)),
)
def test_growth_since_the_first_minute_is_a_failure_of_the_proof(end):
    def result(**last):
        samples = [sample(), sample(at=60.0, done=5), sample(at=120.0, **{"done": 10, **last})]
        return {"samples": samples, "tasks": 10, "idle": 1.0, "warm": 60.0, "code": 0, "warnings": 0}

    assert list(soak.failures(soak.figures([result()]))) == []
    assert len(list(soak.failures(soak.figures([result(**end)])))) == 1
