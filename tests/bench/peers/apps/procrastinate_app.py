"""Procrastinate on PostgreSQL, with tasks of its own kind: coroutines."""

import asyncio
import os

import marks
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

WORKER = PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"])
app = App(connector=WORKER)


@app.task(name="nothing")
async def nothing(number: int) -> None:
    marks.STARTED.mark(number)
    if marks.SECONDS:
        await asyncio.sleep(marks.SECONDS)
        marks.ENDED.mark(number)


def producer():
    """The same application on a connection that needs no loop."""
    made = App(connector=SyncPsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))
    made.open()
    return made.configure_task("nothing")


PRODUCER = []


def put(number):
    if not PRODUCER:
        PRODUCER.append(producer())
    PRODUCER[0].defer(number=number)


def fill(numbers):
    producer().batch_defer(*({"number": number} for number in numbers))
