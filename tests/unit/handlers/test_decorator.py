import __future__

import asyncio
import functools
import math
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict

from prismq_worker_sdk import Handler, RetryPolicy, TaskHandler, TaskParams, task_handler
from prismq_worker_sdk.errors import PluginError, SchemaError
from prismq_worker_sdk.handlers.handler import Rate
from prismq_worker_sdk.handlers.limits import may_use
from prismq_worker_sdk.handlers.task_handler import as_handler

if TYPE_CHECKING:
    from nowhere import Unseen


class Params(TaskParams):
    n: int


def plain(params, ctx):
    return {"n": 1}


def of_future_annotations(params: "Params", ctx: "Unseen") -> "Unseen":
    return params.n


def with_a_default(params, ctx, extra=None):
    return extra


def generator(params, ctx):
    yield 1


async def async_generator(params, ctx):
    yield 1


async def asynchronous(params, ctx):
    return {"n": 2}


def error_of(function, task_type="Test.Type", **options):
    with pytest.raises((PluginError, SchemaError)) as refused:
        task_handler(task_type, **options)(function)
    return str(refused.value)


def test_a_function_becomes_a_handler_and_is_still_callable():
    handler = task_handler("Test.Type")(plain)

    assert isinstance(handler, Handler)
    assert (handler.task_type, handler.origin) == ("Test.Type", f"{__name__}:plain")
    assert handler(object(), object()) == {"n": 1}
    assert as_handler(handler) is handler


def test_a_handler_has_an_hour_and_no_other_limit_unless_it_says_so():
    handler = task_handler("Test.Type")(plain)

    assert (handler.time_limit, handler.max_concurrent, handler.rate) == (3600.0, None, None)
    assert (handler.retry, handler.isolation) == (None, None)
    assert handler.ready() is None


def test_every_option_reaches_the_handler():
    policy = RetryPolicy(max_attempts=5)
    handler = task_handler(
        "Test.Type", time_limit="2m", max_concurrent=2, rate="30/min", retry=policy, isolation="thread"
    )(plain)

    assert (handler.time_limit, handler.max_concurrent, handler.rate) == (120.0, 2, Rate(30, 60.0))
    assert (handler.retry, handler.isolation) == (policy, "thread")


def test_an_async_function_gives_what_can_be_awaited():
    handler = task_handler("Test.Type")(asynchronous)

    assert asyncio.run(handler(None, None)) == {"n": 2}


@pytest.mark.parametrize(
    "task_type", ["A", "PrismQ.YouTube.ScrapeShorts", "a.b_c.D9", "x" * 255, "A_.B__"], ids=len
)
def test_dotted_names_are_task_types(task_type):
    assert task_handler(task_type)(plain).task_type == task_type


@pytest.mark.parametrize(
    "task_type",
    ["", ".", "A.", ".A", "A..B", "9A", "A.9", "_A", "A-B", "A B", "A.B\n", "Ä", "A/B", "x" * 256],
    ids=ascii,
)
def test_anything_else_is_refused_as_a_task_type(task_type):
    assert error_of(plain, task_type).startswith(f"{__name__}:plain: {task_type!r} is no task type")


def test_the_decorator_without_a_task_type_says_what_to_write():
    with pytest.raises(PluginError, match=r'write @task_handler\("PrismQ'):
        task_handler(plain)


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(TypeError, match="timeout"):
        task_handler("Test.Type", timeout=5)


@pytest.mark.parametrize(
    "function",
    [
        lambda: 1,
        lambda params: 1,
        lambda params, ctx, more: 1,
        lambda params, *, ctx: 1,
        lambda params, ctx, *, more: 1,
        lambda **named: 1,
    ],
)
def test_a_function_that_does_not_take_params_and_ctx_is_refused(function):
    assert error_of(function).endswith("a handler takes two arguments, (params, ctx)")


@pytest.mark.parametrize(
    "function", [plain, with_a_default, lambda *both: 1, lambda p, c, /: 1, of_future_annotations]
)
def test_whatever_can_be_called_with_params_and_ctx_is_taken(function):
    assert task_handler("Test.Type")(function).run is function


def test_a_method_is_refused_until_it_is_bound():
    class Author:
        def work(self, params, ctx):
            return 1

    assert "takes two arguments" in error_of(Author.work)
    assert task_handler("Test.Type")(Author().work)(None, None) == 1


@pytest.mark.parametrize("function", [generator, async_generator])
def test_a_generator_is_refused(function):
    assert (
        error_of(function)
        == f"{__name__}:{function.__name__}: a handler returns its result; it cannot be a generator"
    )


@pytest.mark.parametrize(
    "thing",
    [None, 5, "name", Params, functools.partial(plain), task_handler("Test.Other")(plain)],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_no_function_is_refused(thing):
    assert error_of(thing).endswith("is no function; decorate one, or subclass TaskHandler")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_limit": "soon"}, "time_limit: 'soon' is not a duration"),
        ({"time_limit": -1}, "time_limit: -1 is not a duration"),
        ({"time_limit": math.nan}, "time_limit: nan is not a duration"),
        ({"time_limit": math.inf}, "time_limit: inf is not a duration"),
        ({"time_limit": True}, "time_limit: True is not a duration"),
        ({"time_limit": 0}, "time_limit=0.0 must be more than 0"),
        ({"max_concurrent": 0}, "max_concurrent=0 must be a whole number, 1 or more"),
        ({"max_concurrent": "2"}, "max_concurrent='2' must be"),
        ({"max_concurrent": 2.5}, "max_concurrent=2.5 must be"),
        ({"max_concurrent": True}, "max_concurrent=True must be"),
        ({"rate": "fast"}, "rate='fast' is no rate; write for example 30/min"),
        ({"rate": 30}, "rate=30 is no rate"),
        ({"rate": "0/s"}, "rate='0/s' is no rate"),
        ({"rate": "1/0s"}, "rate='1/0s' is no rate"),
        ({"rate": "-1/s"}, "rate='-1/s' is no rate"),
        ({"rate": "1/week"}, "rate='1/week' is no rate"),
        ({"limits": "youtube"}, "limits='youtube' is no list"),
        ({"limits": [{}]}, "{} says no use of a limit"),
        ({"limits": [{"key": "a", "path": "/b"}]}, "says no use of a limit"),
        ({"limits": [{"path": "b"}]}, "says no use of a limit"),
        ({"limits": [{"key": "a", "units": 0}]}, "says no use of a limit"),
        ({"limits": [{"key": "a", "prefix": "b"}]}, "says no use of a limit"),
        ({"limits": [5]}, "5 says no use of a limit"),
        ({"limits": [""]}, "'' says no use of a limit"),
        ({"rate": "\u0663/s"}, "is no rate"),
        ({"retry": 3}, "retry=3 is no RetryPolicy"),
        ({"isolation": "fork"}, "isolation='fork' is unknown; write 'thread' or 'process'"),
        ({"params": 5}, "params 5 is no declaration of parameters"),
        ({"params": {"n": {"type": "int"}}}, "parameter 'n' has type 'int'"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_naming_the_function(options, said):
    message = error_of(plain, **options)

    assert message.startswith(f"{__name__}:plain: ")
    assert said in message


@pytest.mark.parametrize(
    ("rate", "count", "period"),
    [
        ("30/min", 30, 60.0),
        ("5/s", 5, 1.0),
        ("100/h", 100, 3600.0),
        ("10/30s", 10, 30.0),
        (" 7 / 2 day ", 7, 172800.0),
        ("1/m", 1, 60.0),
        ("2/hour", 2, 3600.0),
        ("3/sec", 3, 1.0),
        ("4/d", 4, 86400.0),
    ],
)
def test_a_rate_is_starts_in_a_stretch_of_time(rate, count, period):
    assert task_handler("Test.Type", rate=rate)(plain).rate == Rate(count, period)


def test_the_annotation_of_the_first_parameter_declares_the_params():
    assert task_handler("Test.Type")(of_future_annotations).params.model is Params


def test_what_is_declared_comes_before_the_annotation():
    handler = task_handler("Test.Type", params={"q": {"type": "string"}})(of_future_annotations)

    assert list(handler.params.schema["properties"]) == ["q"]
    assert handler.params.model is None


def test_an_annotation_that_is_known_to_type_checkers_only_is_refused():
    def handle(params: "Unseen", ctx: Any) -> None:
        """Its params cannot be found at run time."""

    assert "the annotation 'Unseen' is not known where the module is imported" in error_of(handle)


@pytest.mark.parametrize("annotation", [int, str, Params | None, list[int]])
def test_an_annotation_that_declares_no_params_is_refused(annotation):
    def handle(params, ctx):
        return 1

    handle.__annotations__ = {"params": annotation}

    assert "is no declaration of parameters" in error_of(handle)


def test_a_wrapped_function_keeps_the_annotation_of_the_one_inside():
    @functools.wraps(of_future_annotations)
    def outer(*both):
        return of_future_annotations(*both)

    assert task_handler("Test.Type")(outer).params.model is Params


class Found(BaseModel):
    text: str
    at: datetime | None = None


class Unpublishable(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    what: object.__class__


async def finds(params: Params, ctx: Any) -> Found:
    return Found(text="x")


def test_the_schema_of_the_model_that_it_returns_is_published():
    schema = task_handler("Test.Type")(finds).result_schema

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["text"] == {"title": "Text", "type": "string"}

    class Finder(TaskHandler):
        task_type = "Test.Finder"

        def process(self, params: Params, ctx: Any) -> Found:
            return Found(text="x")

    assert Finder().as_handler().result_schema == schema


@pytest.mark.parametrize("function", [plain, of_future_annotations, asynchronous])
def test_what_returns_no_model_publishes_no_schema(function):
    assert task_handler("Test.Type")(function).result_schema is None


def test_a_returned_model_without_a_schema_is_refused_with_the_handlers_name():
    def returns(params, ctx) -> Unpublishable:
        raise NotImplementedError

    assert "returns: Unpublishable has no JSON Schema" in error_of(returns)


LATE = """
from prismq_worker_sdk import TaskHandler, TaskParams, task_handler

class Params(TaskParams):
    n: int

class Found(TaskParams):
    n: int

@task_handler("A.Function")
def function(params: Params, ctx: Unseen) -> Found:
    return Found(n=params.n)

class Object(TaskHandler):
    task_type = "An.Object"

    def process(self, params: Params, ctx: Unseen) -> Found:
        return Found(n=params.n)

def unreadable(params: Unseen, ctx):
    return {}
"""


def test_annotations_that_are_evaluated_late_may_name_what_only_type_checkers_see():
    # from Python 3.14 on late is the rule
    flags = 0 if sys.version_info >= (3, 14) else __future__.annotations.compiler_flag
    found = {"__name__": "late"}
    exec(compile(LATE, "late.py", "exec", flags, dont_inherit=True), found)

    for handler in (found["function"], as_handler(found["Object"])):
        assert handler.params.schema["required"] == ["n"]
        assert handler.result_schema["required"] == ["n"]
    with pytest.raises(SchemaError, match="the annotation 'Unseen' is not known"):
        task_handler("An.Unreadable")(found["unreadable"])


def test_limits_are_said_by_key_or_by_a_path_into_the_params():
    limits = ["api", {"key": "b", "units": 1}, {"path": "/account", "prefix": "account:", "units": 2}]

    assert task_handler("Test.Type", limits=limits)(plain).limits == (
        {"key": "api"},
        {"key": "b"},
        {"path": "/account", "prefix": "account:", "units": 2},
    )
    assert task_handler("Test.Type", limits=[])(plain).limits == ()
    assert task_handler("Test.Type")(plain).limits is None


def test_only_a_type_that_may_use_a_limit_is_paused_where_the_server_counts_none():
    assert may_use(None, "api")
    assert may_use([{"key": "api"}], "api")
    assert may_use([{"key": "b"}, {"path": "/account"}], "api")
    assert not may_use([{"key": "b"}], "api")
    assert not may_use([], "api")
