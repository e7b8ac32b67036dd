import asyncio
import functools
from typing import Any, ClassVar

import pytest

from prismq_worker_sdk import RetryPolicy, TaskHandler, TaskParams
from prismq_worker_sdk.errors import PluginError, SchemaError
from prismq_worker_sdk.handlers.handler import Rate
from prismq_worker_sdk.handlers.task_handler import as_handler


class Params(TaskParams):
    n: int = 1


class Counting(TaskHandler):
    task_type = "Test.Counting"
    time_limit = "2m"
    max_concurrent = 3
    rate = "5/s"
    retry = RetryPolicy(max_attempts=2)
    isolation = "thread"

    def __init__(self):
        self.opened = 0

    def ready(self) -> str | None:
        return None if self.settings else "there are no settings"

    def setup(self) -> None:
        self.opened += 1

    def process(self, params: Params, ctx: Any) -> Any:
        return {"n": params.n, "opened": self.opened}

    def teardown(self) -> None:
        self.opened -= 1


class Waiting(TaskHandler):
    task_type = "Test.Waiting"
    params: ClassVar = {"n": {"type": "integer", "required": True}}

    async def process(self, params, ctx):
        return params


def test_a_class_becomes_a_handler_with_all_that_it_says():
    handler = as_handler(Counting)

    assert (handler.task_type, handler.origin) == ("Test.Counting", f"{__name__}:Counting")
    assert (handler.time_limit, handler.max_concurrent, handler.rate) == (120.0, 3, Rate(5, 1.0))
    assert (handler.retry, handler.isolation) == (RetryPolicy(max_attempts=2), "thread")
    assert handler.params.model is Params


def test_an_instance_becomes_a_handler_of_that_instance():
    own = Counting()
    handler = as_handler(own)
    handler.setup()

    assert handler(Params(), None) == {"n": 1, "opened": 1}
    handler.teardown()
    assert own.opened == 0


def test_settings_reach_the_instance_before_it_is_asked():
    handler = as_handler(Counting)
    assert handler.ready() == "there are no settings"

    assert handler.with_settings("some").ready() is None


def test_an_async_process_gives_what_can_be_awaited():
    handler = as_handler(Waiting)

    assert asyncio.run(handler({"n": 1}, None)) == {"n": 1}
    assert handler.params.schema["required"] == ["n"]


def test_a_handler_that_says_little_needs_nothing():
    handler = as_handler(Waiting)

    assert handler.ready() is None
    assert handler.setup() is None
    assert handler.teardown() is None
    assert handler.time_limit == 3600.0


def error_of(**attributes):
    made = type("Made", (Counting,), attributes)
    with pytest.raises((PluginError, SchemaError)) as refused:
        as_handler(made)
    return str(refused.value)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"task_type": ""}, "'' is no task type"),
        ({"task_type": None}, "None is no task type"),
        ({"process": TaskHandler.process}, "has no process(self, params, ctx); write it"),
        ({"process": lambda self, params: 1}, "takes two arguments, (params, ctx)"),
        ({"params": 5}, "params 5 is no declaration"),
        ({"time_limit": "long"}, "time_limit: 'long' is not a duration"),
        ({"max_concurrent": 0}, "max_concurrent=0"),
        ({"rate": "x"}, "rate='x' is no rate"),
        ({"retry": 2}, "retry=2 is no RetryPolicy"),
        ({"isolation": "fork"}, "isolation='fork' is unknown"),
        (
            {"__init__": lambda self, url: None},
            "cannot be made without arguments (missing a required argument: 'url')",
        ),
    ],
)
def test_an_attribute_that_cannot_be_used_is_refused_naming_the_class(attributes, said):
    message = error_of(**attributes)

    assert message.startswith(f"{__name__}:Made")
    assert said in message


def test_a_generator_process_is_refused():
    def process(self, params, ctx):
        yield 1

    assert "it cannot be a generator" in error_of(process=process)


@pytest.mark.parametrize("name", ["ready", "setup", "teardown", "quotas"])
def test_an_async_method_that_nobody_would_await_is_refused_also_under_a_decorator(name):
    async def method(self):
        return None

    @functools.wraps(method)
    def around(self):
        return method(self)

    for one in (method, around):
        assert f"{name}() is async, and nobody would await it" in error_of(
            process=lambda self, params, ctx: 1, **{name: one}
        )


def test_a_class_without_a_task_type_is_refused():
    class Nameless(TaskHandler):
        def process(self, params, ctx):
            return 1

    with pytest.raises(PluginError, match="'' is no task type"):
        as_handler(Nameless)


@pytest.mark.parametrize("thing", [None, "name", lambda params, ctx: 1, int, [], object()])
def test_what_is_no_handler_is_refused(thing):
    with pytest.raises(
        PluginError, match="is no handler; decorate it with @task_handler, or subclass TaskHandler"
    ):
        as_handler(thing)


def test_the_base_itself_does_no_work():
    with pytest.raises(NotImplementedError):
        TaskHandler().process({}, None)
