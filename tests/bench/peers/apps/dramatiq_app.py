"""Dramatiq on Redis."""

import os

import dramatiq
import marks
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_REDIS"])
dramatiq.set_broker(broker)


@dramatiq.actor
def nothing(number):
    marks.run(number)


put = nothing.send


def fill(numbers):
    for number in numbers:
        put(number)
