"""What is read of a worker for its metrics, as Prometheus reads it."""

from dataclasses import replace

from prismq_worker_sdk.model.events import TaskRef
from prismq_worker_sdk.observe.gauges import Gauges
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.readings import ChildrenUsage, Readings
from prismq_worker_sdk.observe.status import RunningTask, WorkerStatus

TYPE = "PrismQ.Test.Echo"
STATUS = WorkerStatus(
    worker_id="w", version="1", server="s", phase="running", health=Health(live=True, ready=True), slots=4
)
READINGS = Readings(status=STATUS)


def samples(readings, types=(TYPE,)):
    """Name and labels, without the prefix, of each sample, and its value."""
    return of(Gauges(lambda: readings, types))


def of(gauges):
    return {
        (sample.name.removeprefix("prismq_worker_"), *sample.labels.values()): sample.value
        for family in gauges.collect()
        for sample in family.samples
    }


def task(state, task_type=TYPE):
    return RunningTask(ref=TaskRef("t-1", task_type), state=state, seconds=1.0)


def test_slots_are_free_busy_or_lost_and_add_up():
    running = (task("running"), task("storing"), task("waiting"), task("stray"))
    found = samples(replace(READINGS, status=replace(STATUS, running=running, lost=1)))

    assert (found["slots", "free"], found["slots", "busy"], found["slots", "lost"]) == (1, 2, 1)


def test_tasks_are_counted_by_type_and_state_and_stand_at_0_from_the_start():
    found = samples(
        replace(READINGS, status=replace(STATUS, running=(task("running"), task("running", "T"))))
    )

    assert (found["tasks", TYPE, "running"], found["tasks", TYPE, "stray"]) == (1, 0)
    assert found["tasks", "T", "running"] == 1


def test_a_worker_that_is_not_live_is_not_ready():
    found = samples(replace(READINGS, status=replace(STATUS, health=Health(live=False, ready=True))))

    assert (found["live",], found["ready",]) == (0, 0)


def test_what_cannot_be_read_has_no_series():
    names = {name for name, *_ in samples(READINGS)}

    assert names == {"build_info", "live", "ready", "slots", "tasks"}


def test_the_time_of_processes_never_goes_back_whoever_ends_between_two_looks():
    seen = iter((5.0, 3.0, 6.0))
    gauges = Gauges(lambda: replace(READINGS, children=ChildrenUsage(1, 2, next(seen))), ())

    assert [of(gauges)["children_cpu_seconds_total",] for _ in range(3)] == [5.0, 5.0, 6.0]
