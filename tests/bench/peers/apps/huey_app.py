"""Huey on Redis."""

import os

import marks
from huey import RedisHuey

queue = RedisHuey("bench", url=os.environ["BENCH_REDIS"])


@queue.task()
def nothing(number):
    marks.run(number)


put = nothing


def fill(numbers):
    for number in numbers:
        put(number)
