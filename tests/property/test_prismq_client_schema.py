"""The schema that a `prismq-client` server gets refuses no params that the published one takes.

The exceptions, each with a test below:
1. 1.0 where an integer is meant passes as 1: a submission that does not fit is repeated that way.
2. Whole numbers beyond 64 bits, which the server would store as others.
"""

import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from prismq_worker_sdk.errors import InvalidParams
from prismq_worker_sdk.handlers.values import ParamsSpec
from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.testing.prismq_client.task_types import violations
from prismq_worker_sdk.wire.dialects.prismq_client.schema import converted
from prismq_worker_sdk.wire.dialects.prismq_client.values import RUN_KEY, whole_numbers, with_run_key
from tests.property.params import form_of, model_of, named, near, schema_of

MORE = settings(max_examples=60, deadline=None)
VALUES = 4
BITS_64 = range(-(2**63), 2**63)


class PhpServer:
    """The server's check of params, as it was measured: every word it knows, read the way it reads it."""

    def __init__(self, schema):
        self.schema = json.loads(json.dumps(schema), object_hook=lambda one: one or [])

    def takes(self, params):
        return isinstance(params, dict) and params != {} and self._takes(self.schema, params)

    def _takes(self, schema, value):
        said = schema if isinstance(schema, dict) else {}
        if "type" in said and said["type"] != kind_of(value):
            return False
        inside = [*self._of_object(said, value), *self._of_list(said, value)]
        return all(inside) and self._sized(said, value) and self._listed(said, value)

    def _of_object(self, said, value):
        """PHP has one kind of array: what is said of objects and of lists is asked of both."""
        entries = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(entries, dict):
            return
        for name in said.get("required", []):
            yield entries.get(name) is not None
        properties = said.get("properties")
        for name, item in entries.items() if properties is not None else ():
            if name in properties:
                yield self._takes(properties[name], item)
            else:
                yield said.get("additionalProperties") is not False

    def _of_list(self, said, value):
        entries = value.values() if isinstance(value, dict) else value
        for item in entries if isinstance(entries, list) or isinstance(value, dict) else ():
            yield "items" not in said or self._takes(said["items"], item)

    def _sized(self, said, value):
        match value:
            case str():
                size, names = len(value.encode()), ("minLength", "maxLength")
                if "pattern" in said and not php_finds(said["pattern"], value):
                    return False
            case bool():
                return True
            case int() | float():
                size, names = value, ("minimum", "maximum")
            case list():
                size, names = len(value), ("minItems", "maxItems")
            case _:
                return True
        bounds = said if "type" in said else {}
        return bounds.get(names[0], size) <= size <= bounds.get(names[1], size)

    def _listed(self, said, value):
        return "enum" not in said or any(
            kind_of(one) == kind_of(value) and one == value for one in said["enum"]
        )


def kind_of(value):
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer" if value in BITS_64 else "number"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "array" if list(value) == [str(n) for n in range(len(value))] else "object"
        case _:
            return "array"


def php_finds(pattern, text):
    """preg_match between hashes, in bytes; a pattern that does not compile finds nothing."""
    compiles = not any(sign in pattern for sign in ("#", "[:", "{,"))
    return compiles and re.search(pattern.encode(), text.encode()) is not None


def published_takes(spec, params):
    try:
        return Draft202012Validator(spec.schema).is_valid(params)
    except OverflowError:
        return False


def worker_takes(spec, params):
    try:
        spec.parse(params)
    except InvalidParams:
        return False
    return True


def sent(params, run_key=None):
    text = json.dumps(whole_numbers(params), separators=(",", ":"))
    return json.loads(text if run_key is None and params else with_run_key(text, run_key or ""))


def numbers_in(value):
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, int) else []


@pytest.mark.parametrize(
    ("form", "rich"), [(schema_of, True), (model_of, True), (form_of, False)], ids=["schema", "model", "form"]
)
def test_what_the_published_schema_takes_the_server_takes_with_and_without_a_run_key(form, rich):
    @MORE
    @given(st.data())
    def check(data):
        fields = data.draw(named(rich=rich))
        spec = ParamsSpec.of(form(fields))
        server, stored = PhpServer(converted(spec.schema)), php.decode(php.encode(converted(spec.schema)))
        for params in (data.draw(near(fields)) for _ in range(VALUES)):
            assume(all(number in BITS_64 for number in numbers_in(params)))
            if published_takes(spec, params) or worker_takes(spec, params):
                assert server.takes(sent(params))
                assert server.takes(sent(params, "run 1"))
                assert violations(sent(params), stored) == []

    check()


WHOLE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Search",
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^[a-z]+$", "default": "x"},
        "many": {"type": "integer", "exclusiveMinimum": 0, "maximum": 50},
        "share": {"type": "number", "minimum": 0},
        "sure": {"type": "boolean"},
        "words": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"enum": ["a", "b"]}},
        "where": {"$ref": "#/$defs/Place"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["text", "maybe", "where"],
    "additionalProperties": False,
    "$defs": {"Place": {"type": "object", "properties": {"city": {"const": "Brno"}}, "required": ["city"]}},
}


def test_it_says_what_the_server_understands_and_nothing_else():
    assert converted(WHOLE) == {
        "type": "object",
        "required": ["text", "where"],
        "properties": {
            RUN_KEY: {"type": "string"},
            "text": {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z]+$"},
            "many": {"type": "integer", "minimum": 0, "maximum": 50},
            "share": {"minimum": 0},
            "sure": {"type": "boolean"},
            "words": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"enum": ["a", "b"]}},
            "where": {"type": "object", "required": ["city"], "properties": {"city": {"enum": ["Brno"]}}},
            "maybe": {},
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize("schema", [{}, {"type": ["object"]}, {"$ref": "#/$defs/Gone"}, {"$ref": "#"}])
def test_at_the_top_stands_always_an_object(schema):
    assert converted(schema) == {"type": "object"}


@pytest.mark.parametrize(
    ("own", "value"),
    [
        ({"type": "string", "maxLength": 2}, "üž"),
        ({"type": "string", "pattern": "^.$"}, "ü"),
        ({"type": "string", "pattern": "^.+$"}, "ü"),
        ({"type": "string", "pattern": "^[^a]$"}, "ü"),
        ({"type": "string", "pattern": r"^\w+$"}, "ü"),
        ({"type": "string", "pattern": "^ü$"}, "ü"),
        ({"type": "string", "pattern": "^a/b"}, "a/b"),
        ({"type": "string", "pattern": "^#[#/]+$"}, "##/"),
        ({"type": "string", "pattern": "^a{,2}$"}, "aa"),
        ({"type": "string", "pattern": "^[:a:]$"}, "a"),
        ({"type": "number", "minimum": 0}, 1),
        ({"type": "number"}, 1.5),
        ({"type": ["integer", "null"], "minimum": 3}, None),
        ({"type": ["integer", "string"], "minimum": 3}, "2"),
        ({"type": "object"}, {}),
        ({"type": "object"}, {"0": 1}),
        ({"type": "object", "required": ["0"]}, {"0": 1}),
        ({"type": "object", "items": {"type": "string"}}, {"a": 1}),
        ({"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": False}, {"x1": 1}),
        ({"properties": {"a": {}}, "additionalProperties": False}, [1]),
        ({"required": ["a"]}, [1]),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1]),
        ({"enum": [1, 1.5, None, "a"]}, 1.5),
        ({"enum": [{"a": 1}]}, {"a": 1}),
        ({"$ref": "#/$defs/Node", "type": "object"}, {"next": {"next": {}}}),
        ({"$ref": "#/$defs/with~1slash"}, "x"),
        ({"$ref": "#node"}, {"next": {}}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1),
        (True, [1]),
    ],
    ids=json.dumps,
)
def test_where_the_server_reads_a_word_otherwise_it_is_left_out(own, value):
    node = {"$anchor": "node", "type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {
        "type": "object",
        "properties": {"x": own},
        "required": ["x"],
        "additionalProperties": False,
        "$defs": {"Node": node, "with/slash": {"type": "string"}},
    }
    spec = ParamsSpec.of(schema)

    assert published_takes(spec, {"x": value})
    assert PhpServer(converted(spec.schema)).takes(sent({"x": value}, "run 1")), converted(spec.schema)


def test_what_it_can_say_is_still_checked_there():
    server = PhpServer(converted(WHOLE))
    good = {"text": "abc", "maybe": None, "where": {"city": "Brno"}, "many": 5}

    assert server.takes(good)
    for wrong in (
        {"text": "ABC"},
        {"text": "a" * 41},
        {"many": 51},
        {"many": "5"},
        {"words": ["c"]},
        {"where": {"city": "Praha"}},
        {"more": 1},
    ):
        assert not server.takes(good | wrong), wrong


def test_patterns_with_hashes_and_slashes_are_checked_there_and_mean_the_same():
    schema = {"type": "object", "properties": {"tag": {"type": "string", "pattern": "^#[a-z]+/#$"}}}
    stored = php.decode(php.encode(converted(schema)))

    assert stored["properties"]["tag"]["pattern"] == r"^\x23[a-z]+/\x23$"
    assert violations({"tag": "#abc/#"}, stored) == []
    assert violations({"tag": "abc"}, stored) == ["Pattern mismatch at tag"]


def test_exception_1_a_whole_float_passes_as_a_whole_number():
    server = PhpServer(converted({"type": "object", "properties": {"n": {"type": "integer"}}}))

    assert not server.takes({"n": 1.0})
    for number in (1.0, 2.0**53, -(2.0**62)):
        assert server.takes(whole_numbers({"n": number}))
    assert not server.takes(whole_numbers({"n": 2.0**63}))


def test_exception_2_a_number_beyond_64_bits_is_no_integer_there():
    server = PhpServer(converted({"type": "object", "properties": {"n": {"type": "integer"}}}))

    assert not server.takes({"n": 2**63})
