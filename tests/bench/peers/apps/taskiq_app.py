"""taskiq on a list in Redis, with tasks of its own kind: coroutines."""

import asyncio
import os

import marks
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["BENCH_REDIS"])


@broker.task(task_name="nothing")
async def nothing(number: int) -> None:
    marks.STARTED.mark(number)
    if marks.SECONDS:
        await asyncio.sleep(marks.SECONDS)
        marks.ENDED.mark(number)


LOOP = asyncio.new_event_loop()


def put(number):
    LOOP.run_until_complete(nothing.kiq(number))


def fill(numbers):
    for number in numbers:
        put(number)
