import json
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from prismq_worker_sdk import TaskContext, TaskParams, task_handler
from prismq_worker_sdk.errors import InvalidParams
from prismq_worker_sdk.handlers.values import ParamsSpec
from prismq_worker_sdk.model.json import DRAFT


class Search(TaskParams):
    search_query: str = Field(min_length=1, max_length=200)
    max_results: int = Field(10, ge=1, le=50)
    language: str = Field("en", pattern="^[a-z]{2}$")


SCHEMA = {
    "type": "object",
    "properties": {
        "search_query": {"type": "string", "minLength": 1, "maxLength": 200},
        "max_results": {"type": "integer", "default": 10, "minimum": 1, "maximum": 50},
        "language": {"type": "string", "default": "en", "pattern": "^[a-z]{2}$"},
    },
    "required": ["search_query"],
    "additionalProperties": False,
}
FORM = {
    "search_query": {"type": "string", "required": True, "min": 1, "max": 200},
    "max_results": {"type": "integer", "required": False, "default": 10, "min": 1, "max": 50},
    "language": {"type": "string", "default": "en", "pattern": "^[a-z]{2}$"},
}
DECLARATIONS = {"model": Search, "schema": SCHEMA, "form": FORM}


@pytest.fixture(params=DECLARATIONS.values(), ids=DECLARATIONS)
def spec(request):
    return ParamsSpec.of(request.param)


def plain(params):
    return params if isinstance(params, dict) else params.model_dump()


def faults_of(spec, params):
    with pytest.raises(InvalidParams) as refused:
        spec.parse(params)
    return {fault.pointer: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize("declaration", [*DECLARATIONS.values(), dict], ids=[*DECLARATIONS, "dict"])
def test_every_form_becomes_one_json_schema_of_2020_12_for_an_object(declaration):
    schema = ParamsSpec.of(declaration).schema

    Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["type"]) == (DRAFT, "object")
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


def test_every_form_publishes_the_same_bounds(spec):
    published = {
        name: {keyword: value for keyword, value in own.items() if keyword != "title"}
        for name, own in spec.schema["properties"].items()
    }

    assert published == SCHEMA["properties"]
    assert spec.schema["required"] == ["search_query"]
    assert spec.schema["additionalProperties"] is False


def test_defaults_are_filled_in(spec):
    assert plain(spec.parse({"search_query": "cats"})) == {
        "search_query": "cats",
        "max_results": 10,
        "language": "en",
    }


def test_what_is_given_stands_against_a_default(spec):
    assert plain(spec.parse({"search_query": "cats", "max_results": 3}))["max_results"] == 3


def test_the_params_of_a_task_are_not_changed(spec):
    params = {"search_query": "cats"}
    spec.parse(params)

    assert params == {"search_query": "cats"}


def test_keys_that_nobody_declared_are_refused_by_name(spec):
    assert faults_of(spec, {"search_query": "cats", "querry": 1, "a/b~c": 2}) == {
        "/querry": "is not a known parameter",
        "/a~1b~0c": "is not a known parameter",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_results", "10"),
        ("max_results", True),
        ("max_results", 10.5),
        ("max_results", None),
        ("search_query", 5),
        ("search_query", ["cats"]),
        ("language", None),
    ],
)
def test_values_are_not_coerced(spec, name, value):
    assert list(faults_of(spec, {"search_query": "cats"} | {name: value})) == [f"/{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_results", 0),
        ("max_results", 51),
        ("search_query", ""),
        ("search_query", "x" * 201),
        ("language", "EN"),
        ("language", "en\n"),
    ],
)
def test_values_outside_their_bounds_are_refused(spec, name, value):
    assert list(faults_of(spec, {"search_query": "cats"} | {name: value})) == [f"/{name}"]


def test_every_field_at_fault_is_named_at_once(spec):
    assert set(faults_of(spec, {"max_results": 51, "language": 7, "other": 1})) == {
        "/search_query",
        "/max_results",
        "/language",
        "/other",
    }


def test_a_missing_field_is_named_as_the_place_where_it_belongs(spec):
    assert faults_of(spec, {}) == {"/search_query": "is missing"}


def test_one_point_nought_is_an_integer_and_arrives_as_one(spec):
    found = plain(spec.parse({"search_query": "cats", "max_results": 5.0}))["max_results"]

    assert (found, type(found)) == (5, int)


@pytest.mark.parametrize("params", [None, "cats", ["cats"], 5, True])
def test_params_that_are_no_object_are_refused_as_a_whole(spec, params):
    assert list(faults_of(spec, params)) == [""]


def test_a_plain_dict_takes_any_object_as_it_is():
    params = {"a": [1, 1.0, None, {"b": "ü"}], "": True}

    assert ParamsSpec.of(dict).parse(params) == params


@pytest.mark.parametrize("annotation", [dict, dict[str, Any], Mapping[str, Any], Mapping, Any])
def test_a_handler_that_takes_any_mapping_takes_any_object(annotation):
    def handle(params, ctx):
        return params

    handle.__annotations__ = {"params": annotation, "ctx": TaskContext}

    assert task_handler("Test.Any")(handle).params.schema == {"$schema": DRAFT, "type": "object"}


def test_a_model_arrives_as_a_frozen_instance():
    params = ParamsSpec.of(Search).parse({"search_query": "cats"})

    assert isinstance(params, Search)
    with pytest.raises(ValueError, match="frozen"):
        params.max_results = 3


@pytest.mark.parametrize(
    "wrong",
    [{"max_results": "5"}, {"max_results": 5.5}, {"search_query": b"x"}, {"other": 1}, {"language": "EN"}],
)
def test_a_model_that_is_made_by_hand_is_as_strict(wrong):
    with pytest.raises(ValueError, match="validation error"):
        Search(**{"search_query": "cats"} | wrong)


def test_defaults_reach_into_objects_and_lists():
    inner = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}
    spec = ParamsSpec.of(
        {
            "type": "object",
            "properties": {"one": {**inner, "default": {}}, "many": {"type": "array", "items": inner}},
        }
    )

    assert spec.parse({"many": [{}, {"n": 5.0}]}) == {"one": {"n": 3}, "many": [{"n": 3}, {"n": 5}]}


def test_a_default_is_not_shared_between_tasks():
    spec = ParamsSpec.of({"names": {"type": "array", "default": []}})
    spec.parse({})["names"].append("first")

    assert spec.parse({}) == {"names": []}


def test_a_declaration_that_is_changed_later_changes_nothing():
    declared = {"n": {"type": "integer", "max": 5}}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    specs = [ParamsSpec.of(declared), ParamsSpec.of(schema)]
    declared["n"]["max"] = 9
    schema["properties"]["n"]["type"] = "string"

    assert [spec.schema["properties"]["n"]["type"] for spec in specs] == ["integer", "integer"]
    assert specs[0].schema["properties"]["n"]["maximum"] == 5


def test_a_spec_is_its_own_declaration():
    spec = ParamsSpec.of(FORM)

    assert ParamsSpec.of(spec) is spec
