"""Conductor's Python SDK on a server that does as little as it can."""

import http.client
import logging
import os
from urllib.parse import urlsplit

import marks
from conductor.client.automator.task_handler import TaskHandler
from conductor.client.configuration.configuration import Configuration
from conductor.client.worker.worker_task import worker_task

SERVER = os.environ["BENCH_CONDUCTOR"]
PLACE = urlsplit(SERVER)
SLOTS = "BENCH_SLOTS"
CONNECTION = http.client.HTTPConnection(PLACE.hostname, PLACE.port)


def put(number):
    CONNECTION.request("POST", "/bench/add", b"%d" % number)
    CONNECTION.getresponse().read()


def fill(numbers):
    for number in numbers:
        put(number)


@worker_task(
    task_definition_name="nothing", thread_count=int(os.environ.get(SLOTS, "1")), register_task_def=False
)
def nothing(number: int) -> dict:
    marks.run(number)
    return {}


def work():
    logging.disable(logging.INFO)
    with TaskHandler(configuration=Configuration(server_api_url=f"{SERVER}/api")) as handler:
        handler.start_processes()
        handler.join_processes()


if __name__ == "__main__":
    work()
