import pytest

from prismq_worker_sdk.errors import SchemaError
from prismq_worker_sdk.handlers.mission_form import json_schema_of


def published(**said):
    return json_schema_of({"p": said})["properties"]["p"]


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("integer", "minimum", "maximum"),
        ("number", "minimum", "maximum"),
        ("string", "minLength", "maxLength"),
        ("array", "minItems", "maxItems"),
    ],
)
def test_min_and_max_bound_what_the_type_has(kind, low, high):
    assert published(type=kind, min=1, max=50) == {"type": kind, low: 1, high: 50}
    assert published(type=kind, min=0) == {"type": kind, low: 0}


@pytest.mark.parametrize("kind", ["boolean", "object"])
def test_min_and_max_are_refused_where_they_mean_nothing(kind):
    with pytest.raises(SchemaError, match=f"'p' of type {kind} cannot have min or max"):
        published(type=kind, max=1)


@pytest.mark.parametrize(
    "said",
    [
        {"default": 5},
        {"description": "How many"},
        {"enum": [1, 2]},
        {"title": "N"},
        {"examples": [3]},
        {"format": "int32"},
        {"writeOnly": True},
        {"pattern": "^a$"},
        {"items": {"type": "string"}},
    ],
)
def test_what_json_schema_knows_is_kept(said):
    assert published(type="integer", **said) == {"type": "integer", **said}


def test_a_parameter_is_optional_unless_it_is_required():
    schema = json_schema_of(
        {
            "a": {"type": "string", "required": True},
            "b": {"type": "string", "required": False},
            "c": {"type": "string"},
        }
    )

    assert schema["required"] == ["a"]
    assert "required" not in json_schema_of({"b": {"type": "string"}})


def test_a_form_without_parameters_takes_the_empty_object_only():
    assert json_schema_of({}) == {"type": "object", "properties": {}, "additionalProperties": False}


def test_min_and_max_mean_the_same_for_what_a_list_holds():
    inner = {"type": "array", "items": {"type": "integer", "min": 3}, "max": 2}

    assert published(type="array", items=inner)["items"] == {
        "type": "array",
        "items": {"type": "integer", "minimum": 3},
        "maxItems": 2,
    }


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("string", "parameter 'p' is 'string'; write {'type': 'string'"),
        ({"type": "str"}, "parameter 'p' has type 'str'; choose one of string, integer"),
        ({"type": ["string"]}, "parameter 'p' has type"),
        ({}, "parameter 'p' has type None"),
        (
            {"type": "integer", "minimum": 1},
            "parameter 'p' has unknown keys minimum; known are type, required",
        ),
        ({"type": "integer", "mni": 1, 5: 1}, "unknown keys 5, mni"),
        ({"type": "integer", "required": "yes"}, "parameter 'p' has required='yes'; write true or false"),
    ],
)
def test_a_wrong_form_is_refused_naming_the_parameter(said, message):
    with pytest.raises(SchemaError) as refused:
        json_schema_of({"p": said})

    assert message in str(refused.value)


def test_a_parameter_may_be_called_type():
    assert json_schema_of({"type": {"type": "string"}})["properties"] == {"type": {"type": "string"}}
