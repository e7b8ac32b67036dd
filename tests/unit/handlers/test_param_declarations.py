"""Declarations of parameters that are wrong are refused when the handler is made."""

import json
import math
import socket
from collections.abc import Callable

import pytest
from pydantic import BaseModel, RootModel, create_model

from prismq_worker_sdk import TaskParams
from prismq_worker_sdk.errors import InvalidParams, SchemaError
from prismq_worker_sdk.handlers.values import ParamsSpec
from prismq_worker_sdk.model.json import DRAFT

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def schema_of(**properties):
    return {"type": "object", "properties": properties}


def model_of(annotation, default=...):
    return create_model("Some", __base__=TaskParams, x=(annotation, default))


@pytest.mark.parametrize("declaration", [None, 5, "Search", int, dict[str, int], ["a"], object(), True])
def test_what_declares_nothing_is_refused_with_the_four_ways(declaration):
    with pytest.raises(
        SchemaError, match=r"no declaration of parameters; give a TaskParams model, a JSON Schema"
    ):
        ParamsSpec.of(declaration)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (schema_of(n={"type": "whole"}), "no JSON Schema: 'whole' is not valid"),
        (schema_of(n={"minimum": "1"}), r"'1' is not of type 'number' at \$\.properties\.n\.minimum"),
        (schema_of(n={"required": True}), "True is not of type 'array'"),
        (schema_of(n={"pattern": "(a"}), "pattern|regex"),
        (schema_of(n={"enum": {1, 2}}), "no JSON"),
        (schema_of(n={"default": math.nan}), "no JSON"),
        (schema_of(n={"default": object()}), "no JSON"),
        (schema_of(n={"type": "integer", "default": "5"}), "default of parameter 'n' does not fit"),
        (schema_of(n={"type": "integer", "minimum": 3, "default": 2}), "default of parameter 'n'"),
        (schema_of(o=schema_of(n={"type": "integer", "default": "5"})), "default of parameter 'n'"),
        (
            schema_of(o={"type": "array", "items": schema_of(n={"pattern": "^a$", "default": "a\n"})}),
            "default of parameter 'n'",
        ),
        ({"$schema": DRAFT, "type": "array"}, "of type 'array'; parameters are always an object"),
        ({"$schema": DRAFT, "type": ["object", "null"]}, "parameters are always an object"),
        ({"$schema": DRAFT_7, "type": "object"}, f"written for '{DRAFT_7}'; write it for {DRAFT}"),
        ({"$schema": 7, "type": "object"}, "written for 7"),
        (schema_of(n={"$ref": "#/$defs/missing"}), "refers to '#/\\$defs/missing', which is not in it"),
        (schema_of(n={"$ref": "#/properties/n", "default": 1}), "refers to itself without end"),
    ],
)
def test_a_wrong_json_schema_is_refused_saying_where(schema, said):
    with pytest.raises(SchemaError, match=said):
        ParamsSpec.of(schema)


def test_a_schema_that_contains_itself_is_refused():
    schema = schema_of()
    schema["properties"]["again"] = schema

    with pytest.raises(SchemaError, match="no JSON"):
        ParamsSpec.of(schema)


def test_nothing_is_fetched_for_a_schema_that_refers_elsewhere():
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/schema"

        with pytest.raises(SchemaError, match=url):
            ParamsSpec.of(schema_of(n={"$ref": url}))
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (model_of(Callable[[], int]), "Some has no JSON Schema"),
        (model_of(int, "5"), "default of parameter 'x'"),
        (model_of(int, None), "default of parameter 'x'"),
        (model_of(float, math.inf), "no JSON"),
        (RootModel[list[int]], "of type 'array'; parameters are always an object"),
    ],
)
def test_a_model_that_cannot_be_published_is_refused(model, said):
    with pytest.raises(SchemaError, match=said):
        ParamsSpec.of(model)


def test_a_schema_needs_no_type_where_it_names_its_draft():
    spec = ParamsSpec.of({"$schema": f"{DRAFT}#", "properties": {"n": {"type": "integer"}}})

    assert (spec.schema["$schema"], spec.schema["type"]) == (DRAFT, "object")
    with pytest.raises(InvalidParams):
        spec.parse("no object")


def test_a_schema_may_use_its_own_parts_and_the_whole_vocabulary():
    spec = ParamsSpec.of(
        {
            "type": "object",
            "$defs": {"name": {"type": "string", "minLength": 1}},
            "properties": {
                "first": {"$ref": "#/$defs/name", "default": "Ann"},
                "pair": {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
            },
            "dependentRequired": {"last": ["first"]},
            "unevaluatedProperties": {"type": "integer"},
        }
    )

    assert spec.parse({"pair": [1, "a"], "other": 5}) == {"pair": [1, "a"], "other": 5, "first": "Ann"}
    with pytest.raises(InvalidParams, match=r"/pair:"):
        spec.parse({"pair": [1, "a", 2]})


def test_a_value_named_pattern_is_not_taken_for_a_pattern():
    spec = ParamsSpec.of(schema_of(rule={"default": {"pattern": "("}, "examples": [{"pattern": "["}]}))

    assert spec.parse({}) == {"rule": {"pattern": "("}}


def test_properties_whose_names_are_numbers_are_published_as_texts():
    spec = ParamsSpec.of({5: {"type": "integer"}})

    assert list(spec.schema["properties"]) == ["5"]
    assert spec.parse({"5": 1}) == {"5": 1}


class Node(TaskParams):
    name: str
    next: "Node | None" = None


def test_a_model_may_contain_itself():
    schema = ParamsSpec.of(Node).schema
    found = ParamsSpec.of(Node).parse({"name": "a", "next": {"name": "b"}})

    assert schema["type"] == "object"
    assert found.next.name == "b"
    with pytest.raises(InvalidParams) as refused:
        ParamsSpec.of(Node).parse({"name": "a", "next": {"name": "b", "next": {"name": 1}}})
    assert [fault.pointer for fault in refused.value.faults] == ["/next/next/name"]


def test_a_model_without_the_base_is_taken_as_strictly_as_its_schema():
    class Loose(BaseModel):
        n: int = 1

    spec = ParamsSpec.of(Loose)

    assert spec.parse({"n": 2, "other": 3}).n == 2
    assert json.dumps(spec.schema)
    with pytest.raises(InvalidParams):
        spec.parse({"n": "2"})
