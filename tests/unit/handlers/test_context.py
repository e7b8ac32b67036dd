"""What is promised as `ctx` is there, in a worker and in the harness."""

import inspect

import pytest

from prismq_worker_sdk import TaskContext, task_handler
from prismq_worker_sdk.testing import HandlerHarness
from prismq_worker_sdk.worker.context import RunningContext

PROMISED = [name for name in vars(TaskContext) if not name.startswith("_")]
METHODS = [name for name in PROMISED if inspect.isfunction(getattr(TaskContext, name))]


def context_of_a_harness():
    kept = []

    @task_handler("Test.Type")
    def handle(params, ctx):
        kept.append(ctx)

    HandlerHarness(handle).run()
    return type(kept[0])


def test_these_are_all_the_promises():
    assert set(PROMISED) == {
        "task",
        "attempt",
        "settings",
        "idempotency_key",
        "last_checkpoint",
        "time_left",
        "stopping",
        "cancelled",
        "max_result_bytes",
        "check",
        "progress",
        "checkpoint",
        "submit",
        "then",
        "pause_limit",
        "sleep",
    }


@pytest.mark.parametrize("name", PROMISED)
def test_every_promise_is_kept_by_both(name):
    assert hasattr(RunningContext, name)
    assert hasattr(context_of_a_harness(), name)


@pytest.mark.parametrize("name", METHODS)
def test_methods_take_the_same_and_none_of_them_has_to_be_awaited(name):
    promised = inspect.signature(getattr(TaskContext, name))

    for kept in (RunningContext, context_of_a_harness()):
        method = getattr(kept, name)
        assert inspect.signature(method).parameters == promised.parameters
        assert not inspect.iscoroutinefunction(method)
