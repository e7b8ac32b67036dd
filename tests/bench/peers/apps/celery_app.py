"""Celery on Redis; without results, as nobody reads them."""

import os

import marks
from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": int(os.environ.get("BENCH_REDELIVERY", "3600"))},
)


@app.task(name="nothing")
def nothing(number):
    marks.run(number)


put = nothing.delay


def fill(numbers):
    for number in numbers:
        put(number)
