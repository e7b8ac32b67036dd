"""Quick tasks that come one by one to a worker that waits, beside a type that pauses and resumes: none waits long."""

import logging
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

from prismq_worker_sdk import TaskManagerClient, Unavailable, Worker, task_handler
from tests.prove.page import grid
from tests.prove.proof import Part, Proof
from tests.prove.servers import TaskManager
from tests.support.fleet import Settings
from tests.support.processes import wait_until

QUICK, FLIPPING = "Prove.Waited", "Prove.Flipping"
TASKS, PARTS = 500, 6
SLOTS = 4
LONGEST_PAUSE = 0.2
LONGEST_BREAK = 0.05
"""Seconds between two tasks: some find the worker waiting, some while its wait is being ended."""

ALLOWED = 2.0
"""Seconds from a task's creation to the start of its handler."""


def parts():
    return [Part(f"{number}", partial(run, number)) for number in range(PARTS)]


def run(seed, tasks=TASKS):
    """How long each task waited, and how often the other type paused."""
    logging.getLogger("prismq").addHandler(logging.NullHandler())  # the warning of each pause is nothing new
    rng = Random(seed)
    begun, pauses = {}, []

    @task_handler(QUICK)
    def quick(params: dict, ctx):
        begun[params["n"]] = time.monotonic()

    @task_handler(FLIPPING)
    def flipping(params: dict, ctx):
        pauses.append(ctx.task.id)
        raise Unavailable("it is paused on purpose", retry_in=rng.random() * LONGEST_PAUSE)

    with tempfile.TemporaryDirectory() as folder:
        server = TaskManager(Path(folder) / "server", lease="30s", claim_timeout="5m")
        settings = Settings(api_url=server.url, state_dir=Path(folder) / "state", concurrency=SLOTS)
        try:
            with (
                Worker([quick, flipping], settings=settings),
                closing(TaskManagerClient(server.url)) as producer,
            ):
                producer.submit(FLIPPING, {})
                wait_until(lambda: pauses, "the first pause")
                created = {}
                for number in range(tasks):
                    time.sleep(rng.random() * LONGEST_BREAK)
                    created[number] = time.monotonic()
                    producer.submit(QUICK, {"n": number})
                wait_until(lambda: len(begun) == tasks, "the start of all tasks", 60)
        finally:
            server.kill()
    waits = sorted(round(begun[number] - created[number], 3) for number in created)
    return {"tasks": tasks, "pauses": len(pauses), "waits": waits}


def figures(results):
    waits = sorted(wait for result in results for wait in result["waits"])
    places = {"p50": len(waits) // 2, "p99": len(waits) * 99 // 100, "p100": -1}
    return {
        "tasks": len(waits),
        "pauses": sum(result["pauses"] for result in results),
        "late": sum(wait > ALLOWED for wait in waits),
        **{name: waits[place] if waits else 0.0 for name, place in places.items()},
    }


def failures(found):
    if found["late"]:
        yield f"{found['late']} tasks waited for more than {ALLOWED:.0f} s, the longest for {found['p100']} s"


def table(found):
    return grid(
        (
            "tasks",
            "pauses of the other type",
            "median, s",
            "1 in 100, s",
            "longest, s",
            f"over {ALLOWED:.0f} s",
        ),
        [
            (
                f"{found['tasks']:,}",
                f"{found['pauses']:,}",
                found["p50"],
                found["p99"],
                found["p100"],
                found["late"],
            )
        ],
    )


PROOF = Proof(
    name="wait",
    title="No task waits on an idle worker",
    about=f"""
Promise: a task begins at once where a slot is free. {TASKS * PARTS:,} quick tasks are created one by one on an embedded
TaskManager; a worker of {SLOTS} slots waits for them, while another of its types pauses and resumes several times a
second, and each resumption ends the worker's wait on the server. Measured is the time from a task's creation to the
start of its handler.
""",
    parts=parts,
    figures=figures,
    table=table,
    failures=failures,
)
