"""Faults name their field with a JSON pointer and tell no secret."""

import datetime as dt
import math
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel, SecretStr, field_validator, model_validator

from prismq_worker_sdk import TaskParams
from prismq_worker_sdk.errors import InvalidParams
from prismq_worker_sdk.handlers.values import ParamsSpec


class Place(TaskParams):
    kind: Literal["place"] = "place"
    city: str = Field(min_length=2)


class Person(TaskParams):
    kind: Literal["person"]
    age: int


class Order(TaskParams):
    place: Place | None = None
    stops: list[Place] = Field(default_factory=list)
    prices: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    who: Annotated[Place | Person, Field(discriminator="kind")] | None = None
    when: dt.date | int = 0
    by_day: dict[dt.date, int] = Field(default_factory=dict)


class Account(TaskParams):
    password: SecretStr = Field(SecretStr("0" * 12), min_length=5)
    pin: SecretStr | None = None
    tokens: list[SecretStr] = Field([], max_length=1)


def faults_of(declaration, params):
    with pytest.raises(InvalidParams) as refused:
        ParamsSpec.of(declaration).parse(params)
    return [(fault.pointer, fault.message) for fault in refused.value.faults]


def pointers_of(declaration, params):
    return [pointer for pointer, _message in faults_of(declaration, params)]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"place": {"city": "x"}}, "/place/city"),
        ({"place": {}}, "/place/city"),
        ({"place": {"city": "Rome", "zip": 1}}, "/place/zip"),
        ({"place": "Rome"}, "/place"),
        ({"stops": [{"city": "Rome"}, {"city": 5}]}, "/stops/1/city"),
        ({"stops": {}}, "/stops"),
        ({"prices": {"a/b": -1}}, "/prices/a~1b"),
        ({"who": {"kind": "person", "age": "9"}}, "/who/age"),
        ({"who": {"kind": "dog"}}, "/who"),
        ({"when": "no date"}, "/when"),
        ({"by_day": {"no date": 1}}, "/by_day/no date"),
    ],
)
def test_a_fault_deep_inside_is_named_where_it_is(params, pointer):
    assert set(pointers_of(Order, params)) == {pointer}


def test_faults_of_several_places_are_told_together_in_the_order_of_the_places():
    assert pointers_of(Order, {"stops": 1, "place": {"city": 1}, "prices": {"a": "x"}}) == [
        "/place/city",
        "/prices/a",
        "/stops",
    ]


def test_what_a_model_itself_refuses_is_named_too():
    class Even(TaskParams):
        n: int
        low: int = 0

        @field_validator("n")
        @classmethod
        def even(cls, value):
            if value % 2:
                raise ValueError("must be even")
            return value

        @model_validator(mode="after")
        def ordered(self):
            if self.low > self.n:
                raise ValueError("low must not be above n")
            return self

    assert faults_of(Even, {"n": 3}) == [("/n", "must be even")]
    assert faults_of(Even, {"n": 2, "low": 4}) == [("", "low must not be above n")]


def test_a_field_is_named_as_the_producer_writes_it():
    class Aliased(TaskParams):
        query: str = Field(alias="q", min_length=1)

        @field_validator("query")
        @classmethod
        def clean(cls, value):
            if value == "bad":
                raise ValueError("is a bad word")
            return value

    assert pointers_of(Aliased, {}) == ["/q"]
    assert pointers_of(Aliased, {"q": ""}) == ["/q"]
    assert pointers_of(Aliased, {"q": "bad"}) == ["/q"]
    assert set(pointers_of(Aliased, {"query": "x"})) == {"/q", "/query"}


def test_a_property_that_is_forbidden_is_named():
    inner = {"type": "object", "properties": {"old": False}}
    schema = {"type": "object", "properties": {"o": inner}}

    assert faults_of(schema, {"o": {"old": 1, "new": 2}}) == [("/o/old", "is not allowed")]


@pytest.mark.parametrize(
    "schema", [{"anyOf": [False, {"type": "integer"}]}, {"oneOf": [False]}, {"not": {}}, {"oneOf": [{}, {}]}]
)
def test_alternatives_that_nothing_fits_are_told_at_the_value(schema):
    assert pointers_of({"type": "object", "properties": {"x": schema}}, {"x": "a"}) == ["/x"]


@pytest.mark.parametrize(
    "params",
    [
        {"password": "hunt"},
        {"pin": 9081},
        {"tokens": ["hunt", "hunt"]},
        {"tokens": [9081]},
        {"password": ["hunt"]},
    ],
)
def test_a_secret_is_not_told(params):
    (fault,) = faults_of(Account, params)

    assert "hunt" not in fault[1]
    assert "9081" not in fault[1]


def test_a_secret_inside_an_object_that_does_not_fit_is_not_told():
    schema = {
        "type": "object",
        "maxProperties": 1,
        "minProperties": 1,
        "properties": {"key": {"type": "string", "format": "password"}},
    }
    (fault,) = faults_of(schema, {"key": "hunter2", "n": 1})

    assert fault[0] == ""
    assert fault[1].startswith("this object ")
    assert "hunter2" not in fault[1]


def test_a_long_value_makes_no_long_message():
    (fault,) = faults_of({"n": {"type": "integer"}}, {"n": "x" * 10_000})

    assert len(fault[1]) < 400


def test_the_text_of_the_error_has_every_pointer():
    with pytest.raises(InvalidParams) as refused:
        ParamsSpec.of(Place).parse({"city": "x", "y": 1})

    assert str(refused.value).startswith("invalid params: ")
    assert "/city: " in str(refused.value)
    assert "/y: is not a known parameter" in str(refused.value)


def nested(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


class Anything(TaskParams):
    x: Any


FORMS = {
    "model": Anything,
    "root": RootModel[dict[str, Any]],
    "schema": {"type": "object", "properties": {"x": {}}},
    "dict": dict,
}


@pytest.mark.parametrize("declaration", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        (math.nan, "/x", "is nan, which JSON does not know"),
        ([1, math.inf], "/x/1", "is inf, which JSON does not know"),
        ({"a": "\ud800"}, "/x/a", "has a lone surrogate at character 0, which UTF-8 cannot carry"),
        ({"\udfff": 1}, "/x", "has the key '\\udfff'; JSON keys are texts"),
        ({1: 2}, "/x", "has the key 1; JSON keys are texts"),
        ((1, 2), "/x", "is of type tuple, which JSON does not know"),
        ({1}, "/x", "is of type set, which JSON does not know"),
        (dt.date(2026, 1, 1), "/x", "is of type date, which JSON does not know"),
        (10**4300, "/x", "is a number of more digits than JSON readers take"),
        (nested(200), "", "is nested deeper than 200 levels"),
        (nested(5000 // 6), "", "is nested deeper than 200 levels"),
    ],
    ids=["nan", "inf", "surrogate", "key", "number-key", "tuple", "set", "date", "digits", "deep", "deeper"],
)
def test_what_is_no_json_is_refused_by_every_form(declaration, value, pointer, message):
    assert faults_of(declaration, {"x": value}) == [(pointer, message)]


@pytest.mark.parametrize("declaration", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("value", [nested(199), 10**4200, -0.0, "\U0001f600\x00", [], {"": None}])
def test_what_is_json_is_taken_by_every_form(declaration, value):
    assert ParamsSpec.of(declaration).parse({"x": value})


def test_a_model_that_coerces_gets_no_chance_to():
    class Lax(BaseModel):
        n: int

    assert pointers_of(Lax, {"n": "5"}) == ["/n"]
