"""Our own worker's plugin and producer, as those of the peers; the worker imports nothing of the producer."""

import os

from prismq_worker_sdk import TaskContext, task_handler
from tests.bench.peers.apps import marks

TYPE = "Bench.Nothing"
BATCH = 100


@task_handler(TYPE)
def nothing(params: dict, ctx: TaskContext) -> dict:
    marks.run(params["number"])
    return {}


def put(number):
    if "BENCH_BASE" in os.environ:
        fill([number])
    else:
        producer().submit(TYPE, {"number": number})


def fill(numbers, told=os.environ):
    """Puts tasks there as fast as it goes.

    Args:
        told: The variables of the service.
    """
    from tests.bench.processes import Client
    from tests.support.deployed import Producer

    if "BENCH_PRISMQ" in told:
        there = Producer(near(told))
        there.register(TYPE)
        there.add(TYPE, *({"number": number} for number in numbers))
        there.close()
        return
    with Client(near(told)) as client:
        if "BENCH_BASE" in told:
            client.prefix = "bench"
            client.post("/add", len(numbers))
            return
        for first in range(0, len(numbers), BATCH):
            some = [{"type": TYPE, "params": {"number": number}} for number in numbers[first : first + BATCH]]
            client.post("/tasks/batch", {"tasks": some})


def near(told):
    """The address of the server itself, however far away it is for the worker."""
    return told.get("BENCH_NEAR", told["TASKMANAGER_API_URL"])


PRODUCERS = []


def producer():
    """One client for all tasks of a process."""
    from prismq_worker_sdk import TaskManagerClient

    if not PRODUCERS:
        PRODUCERS.append(TaskManagerClient(near(os.environ)))
    return PRODUCERS[0]
