"""A program with a worker inside: it owns the process, its signals and its logs; the worker owns its threads.

    python examples/embedding.py http://localhost:8000/api

What is not set here comes from the environment, as for `prismq-worker`. Ctrl-C or SIGTERM lets running tasks end;
a second one ends them now.
"""

import logging
import queue
import signal
import sys

from prismq_worker_sdk import TaskContext, TaskParams, Worker, WorkerSettings, task_handler

LOOK_EVERY = 0.5
"""Seconds between two looks at the worker."""


class GreetParams(TaskParams):
    name: str


@task_handler("Example.Greet", time_limit="10s")
def greet(params: GreetParams, ctx: TaskContext) -> dict[str, str]:
    ctx.log.info("greeting", name=params.name)
    return {"greeting": f"Hello {params.name}!"}


def main(api_url: str) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()  # the one queue that a signal handler may put into
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: asked.put(number))

    worker = Worker([greet], settings=WorkerSettings(api_url=api_url, concurrency=2, poll_interval=2))
    worker.start()
    grace = None  # the first signal gives the time that is set, the second none
    while (code := worker.wait(timeout=0)) is None:
        try:
            asked.get(timeout=LOOK_EVERY)
        except queue.Empty:
            continue
        worker.stop(grace)
        grace = 0.0

    stats = worker.stats
    print(f"claimed {stats.claimed}, completed {stats.ends.get('completed', 0)}, exit code {code}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["http://localhost:8000/api"]))
