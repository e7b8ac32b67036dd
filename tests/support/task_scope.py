"""A task at hand, as a slot has it while its handler runs."""

from contextlib import contextmanager

from prismq_worker_sdk.observe.logs import TASK


@contextmanager
def task_scope(ref):
    token = TASK.set(ref)
    try:
        yield
    finally:
        TASK.reset(token)
