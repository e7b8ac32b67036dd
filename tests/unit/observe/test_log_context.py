"""Every line that a handler writes, or a library called from its thread, says which task it belongs to."""

import asyncio
import logging
import threading
import warnings

import pytest

from prismq_worker_sdk.handlers.context import TaskLog
from prismq_worker_sdk.model.events import TaskRef
from tests.support.task_scope import task_scope

WHO = ("worker", "task", "type", "attempt")


def who(line):
    return tuple(line[name] for name in WHO)


def library_call():
    logging.getLogger("third.party").warning("from a library")


def in_a_coroutine():
    async def work():
        await asyncio.sleep(0)
        library_call()

    asyncio.run(work())


def in_a_worker_thread_of_a_coroutine():
    async def work():
        await asyncio.to_thread(library_call)

    asyncio.run(work())


def with_a_traceback():
    try:
        raise ValueError("broken")
    except ValueError:
        TaskLog().exception("it broke")


def a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)


WAYS = [
    library_call,
    in_a_coroutine,
    in_a_worker_thread_of_a_coroutine,
    with_a_traceback,
    lambda: TaskLog().info("from the handler", shorts=25),
    lambda: TaskLog().error("from the handler", task="another", worker="another", attempt="another"),
    a_warning,
    lambda: logging.getLogger("third.party").error("a field of theirs", extra={"task": "their task"}),
]


@pytest.mark.parametrize("way", WAYS)
def test_worker_task_type_and_attempt_are_on_every_json_line_of_a_handler(logs, ref, way):
    logs.set_up()
    with task_scope(ref):
        way()

    assert who(logs.only) == ("worker-1", "7b1f6a52-5d6b", "PrismQ.Test.Echo", 2)


@pytest.mark.parametrize("way", WAYS)
def test_task_type_and_attempt_are_on_every_console_line_of_a_handler(logs, ref, way):
    logs.set_up("console")
    with task_scope(ref):
        way()

    assert " PrismQ.Test.Echo 7b1f6a52 #2 " in logs.text.splitlines()[0]


def test_outside_of_a_task_a_line_names_the_worker_alone(logs, ref):
    logs.set_up()
    with task_scope(ref):
        pass
    library_call()

    assert who(logs.only) == ("worker-1", None, None, None)


def test_tasks_at_the_same_time_keep_their_lines_apart(logs):
    logs.set_up()
    barrier = threading.Barrier(4, timeout=10)

    def run(number):
        with task_scope(TaskRef(f"t-{number}", "PrismQ.Test.Echo", number)):
            barrier.wait()
            logging.getLogger("third.party").warning("I am %d", number)
            barrier.wait()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted((line["message"], line["task"], line["attempt"]) for line in logs.lines) == [
        (f"I am {number}", f"t-{number}", number) for number in range(4)
    ]


def test_an_event_of_another_task_is_told_under_its_own_name(logs, ref):
    logs.set_up()
    with task_scope(ref):
        logging.getLogger("prismq.worker").info("x", extra={"task": TaskRef("t-2", "PrismQ.Test.Other")})

    assert who(logs.only) == ("worker-1", "t-2", "PrismQ.Test.Other", None)


def test_a_scope_within_a_scope_ends_with_the_outer_task(logs, ref):
    logs.set_up()
    with task_scope(ref):
        with pytest.raises(ValueError), task_scope(TaskRef("inner", "T")):
            raise ValueError
        library_call()

    assert logs.only["task"] == ref.task_id
