"""The proof of waits, in small: it times tasks, and one that waits for a lease does not pass."""

from tests.prove import wait
from tests.prove.wait import failures, figures, table


def test_a_small_part_runs_every_task_beside_a_type_that_pauses():
    result = wait.run(1, tasks=10)

    assert len(result["waits"]) == 10
    assert result["pauses"] > 0
    assert "| 10 |" in table(figures([result]))


def test_a_task_that_waited_too_long_is_a_failure_of_the_proof():
    good = {"tasks": 2, "pauses": 1, "waits": [0.01, 1.9]}

    assert list(failures(figures([good]))) == []
    assert len(list(failures(figures([good, good | {"waits": [0.01, 29.9]}])))) == 1
