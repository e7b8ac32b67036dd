"""A form made from a schema: which control each value gets, and when only JSON will do."""

import pytest
from pydantic import BaseModel, Field

from prismq_worker_sdk.taskmanager.pages.forms import fields_of, fits_fields


def of(schema, values=None):
    return {one.name: one for one in fields_of({"type": "object", **schema}, values or {})}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 5000}, "long"),
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "flag"),
        ({"enum": ["a", "b"]}, "choice"),
        ({"type": "array", "items": {"type": "string"}}, "lines"),
        ({"type": "array", "items": {"type": "integer"}}, "json"),
        ({"type": "object", "properties": {"a": {}}}, "group"),
        ({"type": "object"}, "json"),
        ({"type": ["string", "null"]}, "json"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "json"),
        ({"$ref": "#/$defs/Else"}, "json"),
        ({"$ref": "https://example.com/a.json"}, "json"),
        (True, "json"),
        ({}, "json"),
    ],
)
def test_each_kind_of_value_has_its_control(schema, kind):
    assert of({"properties": {"x": schema}})["x"].kind == kind


def test_what_is_needed_comes_first():
    found = fields_of({"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"]}, {})
    assert [(one.name, one.required) for one in found] == [("c", True), ("a", False), ("b", False)]


def test_a_model_of_pydantic_becomes_fields():
    class Inner(BaseModel):
        depth: int = Field(2, ge=1, le=9)

    class Params(BaseModel):
        query: str = Field(title="Search query", description="What to look for")
        region: str | None = Field(None, pattern="^[A-Z]{2}$")
        inner: Inner | None = None

    found = of(Params.model_json_schema(), {"query": "ideas", "inner": {"depth": 3}})
    assert (found["query"].label, found["query"].value, found["query"].description) == (
        "Search query",
        "ideas",
        "What to look for",
    )
    assert "as ^[A-Z]{2}$" in found["region"].hint
    (depth,) = found["inner"].fields
    assert (depth.pointer, depth.value, depth.bounds) == (
        "/params/inner/depth",
        "3",
        {"min": 1, "max": 9, "step": 1},
    )


def test_a_schema_that_refers_to_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    loop = {"$ref": "#/$defs/Loop"}
    found = of({"properties": {"a": node, "b": loop}, "$defs": {"Node": node, "Loop": loop}})
    depth, one = 0, found["a"]
    while one.kind == "group":
        depth, one = depth + 1, one.fields[0]
    assert (depth, one.kind, found["b"].kind) == (3, "json", "json")


def test_names_with_slashes_have_pointers_all_the_same():
    assert of({"properties": {"a/b~c": {}}})["a/b~c"].pointer == "/params/a~1b~0c"


@pytest.mark.parametrize(
    ("schema", "values", "fits"),
    [
        ({"type": "string"}, "a", True),
        ({"type": "string"}, "two\nlines", False),
        ({"type": "string"}, 5, False),
        ({"type": "boolean"}, 1, False),
        ({"type": "integer"}, True, False),
        ({"enum": ["a"]}, "b", False),
        ({"enum": ["a", None, 3]}, 3, True),
        ({"type": "array", "items": {"type": "string"}}, ["a", ""], False),
        ({"type": "object", "properties": {"a": {}}}, {"b": 1}, False),
        ({}, {"any": ["thing"]}, True),
    ],
)
def test_values_that_fields_cannot_hold_are_written_as_json(schema, values, fits):
    given = {"x": values}
    assert fits_fields(fields_of({"properties": {"x": schema}}, given), given) is fits


def test_values_beside_the_schema_are_written_as_json():
    assert not fits_fields(fields_of({"properties": {}}, {"more": 1}), {"more": 1})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, ""),
        ({"type": "string"}, "a\rb"),
        ({"type": "string"}, "a\0b"),
        ({"type": "string", "maxLength": 5000}, ""),
        ({"type": "string", "maxLength": 5000}, "\na"),
        ({"type": "string", "maxLength": 5000}, "a\r\nb"),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"type": "string"}}, ["a", ""]),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
        ({"type": "integer"}, 10**400),
    ],
)
def test_what_a_control_would_change_or_leave_out_is_shown_as_json(schema, value):
    assert not fits_fields(fields_of({"properties": {"x": schema}}, {"x": value}), {"x": value})


def test_a_model_that_holds_itself_has_fields():
    class Node(BaseModel):
        name: str
        next: "Node | None" = None

    found = fields_of(Node.model_json_schema(), {})
    assert [one.name for one in found] == ["name", "next"]
