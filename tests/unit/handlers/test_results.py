import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import typing
import uuid

import pytest
from pydantic import BaseModel, field_serializer

from prismq_worker_sdk.errors import PluginError, UnfitResult
from prismq_worker_sdk.handlers.values import MAX_DEPTH, encode_result
from prismq_worker_sdk.worker.context import child_of

ENOUGH = 8 * 1024 * 1024


def encoded(value, **more):
    return encode_result(value, **({"max_bytes": ENOUGH} | more))


def refusal(value, **more):
    with pytest.raises(UnfitResult) as refused:
        encoded(value, **more)
    return str(refused.value)


class Colour(str, enum.Enum):  # the older way, whose str() is not its value
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Pair(typing.NamedTuple):
    left: int
    right: int


class Short(BaseModel):
    title: str
    at: dt.datetime
    score: float = 0.5


class Anything(BaseModel):
    x: typing.Any


@dataclasses.dataclass
class Found:
    n: int


def nested(levels, make=lambda inner: [inner], inner=0):
    for _ in range(levels):
        inner = make(inner)
    return inner


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5,
        1e300,
        10**4200,
        "",
        "ü\U0001f600\x00\u2028",
        [],
        {},
        {"a": [1, {"b": None}], "": False},
    ],
)
def test_json_goes_as_it_is(value):
    assert json.loads(encoded(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, (2,)), "[1,[2]]"),
        (Pair(1, 2), "[1,2]"),
        ({Colour.RED: Colour.RED}, '{"red":"red"}'),
        ([Size.BIG], "[3]"),
        ("ü", '"ü"'),
    ],
)
def test_what_python_means_the_same_by_goes_too(value, text):
    assert encoded(value) == text


def test_models_go_in_their_json_form_wherever_they_stand():
    short = Short(title="t", at=dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc))

    assert json.loads(encoded({"shorts": [short]})) == {
        "shorts": [{"title": "t", "at": "2026-01-01T00:00:00Z", "score": 0.5}]
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("wrapped", "place"),
    [
        (lambda number: number, "result"),
        (lambda number: {"shorts": [{"score": number}]}, "result.shorts[0].score"),
        (lambda number: [Anything(x={"y": (number,)})], "result[0].x.y[0]"),
        (lambda number: Anything(x=Anything(x=number)), "result.x.x"),
    ],
    ids=["alone", "inside", "model", "model-in-model"],
)
def test_r14_a_number_that_json_does_not_know_is_refused_naming_the_place(wrapped, place, number):
    assert refusal(wrapped(number)).startswith(f"{place} is {number}, which JSON does not know")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("ab\ud800", "result has a lone surrogate at character 2"),
        (["ok", {"t": "\udfff"}], "result[1].t has a lone surrogate at character 0"),
        ({"a": {"k\ud800": 1}}, "result.a has a lone surrogate at character 1"),
        (Anything(x="\ud800"), "result"),
    ],
)
def test_r14_a_lone_surrogate_is_refused_naming_the_place(value, place):
    said = refusal(value)

    assert said.startswith(place)
    assert "surrogate" in said
    said.encode("utf-8")


@pytest.mark.parametrize("key", [1, 1.5, None, True, (1, 2), dt.date(2026, 1, 1)])
def test_r14_a_key_that_is_no_text_is_refused_naming_the_place(key):
    assert refusal({"a": [{key: 1}]}).startswith(
        f"result.a[0] has the key {key!r} of type {type(key).__name__}"
    )


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
        dt.date(2026, 1, 1),
        decimal.Decimal("1.5"),
        uuid.UUID(int=0),
        pathlib.PurePosixPath("/x"),
        b"bytes",
        {1, 2},
        1j,
        Found(1),
        object(),
        Short,
        (x for x in ()),
        len,
    ],
    ids=lambda value: type(value).__name__,
)
def test_r14_what_json_does_not_know_is_refused_by_its_type(value):
    said = refusal({"x": value})

    assert said.startswith(f"result.x is of type {type(value).__name__}, which JSON does not know; use dicts")


@pytest.mark.parametrize(
    "make",
    [lambda inner: [inner], lambda inner: {"k": inner}, lambda inner: (inner,)],
    ids=["list", "dict", "tuple"],
)
def test_r14_the_deepest_result_goes_and_a_deeper_one_is_refused(make):
    assert json.loads(encoded(nested(MAX_DEPTH, make)))
    assert "is nested too deep" in refusal(nested(MAX_DEPTH + 1, make))
    assert "is nested too deep" in refusal(nested(50_000, make))


def test_r14_an_empty_list_counts_as_a_level():
    assert encoded(nested(MAX_DEPTH - 1, inner=[]))
    assert "is nested too deep" in refusal(nested(MAX_DEPTH, inner=[]))


def test_r14_a_result_that_contains_itself_is_refused():
    ring = []
    ring += [ring, ring]
    knot = {}
    knot["self"] = knot
    model = Anything(x=None)
    model.x = [model]

    assert "contains itself" in refusal(ring)
    assert "contains itself" in refusal(knot)
    assert "result is of type Anything, which has no JSON form" in refusal(model)


def test_r14_a_model_that_cannot_be_written_is_refused():
    class Broken(BaseModel):
        n: int = 1

        @field_serializer("n")
        def broken(self, _value):
            raise ValueError("no way")

    assert refusal([Anything(x=object())]).startswith(
        "result[0] is of type Anything, which has no JSON form: "
    )
    assert "no way" in refusal(Broken())


def test_r14_a_number_that_no_reader_takes_is_refused():
    assert refusal({"n": [10**4300]}).startswith(
        "result.n[0] is a number of more digits than JSON readers take"
    )


def test_r14_the_size_is_that_of_the_utf_8_text():
    assert encoded("ü" * 10, max_bytes=22)
    said = refusal("ü" * 10, max_bytes=21)

    assert said.startswith("the result is 22 bytes of JSON, 21 at most can be sent")


def test_a_value_of_another_name_is_refused_under_that_name():
    assert refusal({"a": math.nan}, name="checkpoint").startswith("checkpoint.a is nan")
    assert refusal("xx", name="checkpoint", max_bytes=1).startswith("the checkpoint is 4 bytes")


def test_a_child_carries_its_params_as_json():
    child = child_of(2, "Test.Child", {"n": 1}, 5, max_bytes=1024)

    assert (child.key, child.type, child.params, child.priority) == ("2", "Test.Child", '{"n":1}', 5)


@pytest.mark.parametrize(
    ("task_type", "params", "error", "said"),
    [
        ("no type", {}, PluginError, "ctx.submit: 'no type' is no task type"),
        ("Test.Child", [1], UnfitResult, "the params of Test.Child are [1]; params are always an object"),
        ("Test.Child", {"a": math.inf}, UnfitResult, "child.a is inf"),
        ("Test.Child", {"a": "x" * 1024 * 1024}, UnfitResult, "the child is 1048584 bytes"),
    ],
)
def test_a_child_that_no_server_takes_is_refused_at_once(task_type, params, error, said):
    with pytest.raises(error) as refused:
        child_of(0, task_type, params, None, max_bytes=1024 * 1024)

    assert str(refused.value).startswith(said)
