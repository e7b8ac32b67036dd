"""What Prometheus' own tool says of our numbers."""

from tests.monitoring.exposed import taskmanager_text, worker_text


def test_the_numbers_of_a_worker_keep_to_the_conventions(promtool):
    assert promtool("check", "metrics", text=worker_text()) == (0, "")


def test_the_numbers_of_a_taskmanager_keep_to_the_conventions(promtool):
    assert promtool("check", "metrics", text=taskmanager_text()) == (0, "")
