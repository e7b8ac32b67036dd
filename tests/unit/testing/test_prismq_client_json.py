"""The stand-in of the server in production: what becomes of JSON in PHP."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from prismq_worker_sdk.handlers import patterns
from prismq_worker_sdk.testing.prismq_client import php, task_types, tasks
from tests.support.prismq_client import good, running_prismq_client, send

LONGEST = php.TEXT_BYTES


@pytest.fixture
def api():
    with running_prismq_client() as caller:
        yield caller


def stored(api, **said):
    task_id = api.create()
    api.claim()
    good(api.complete(task_id, **said))
    return api.show(task_id)


def raw_create(api, params):
    api.register()
    good(send(api.url, "POST", "/tasks", body=f'{{"type":"Test.Some","params":{params}}}'.encode()))
    return api.claim()["params"]


@pytest.mark.parametrize("result", [{}, [], 0, False, "", "0", 0.0, None])
def test_a_result_that_php_takes_for_nothing_is_gone(result, api):
    assert stored(api, result=result)["result"] is None


@pytest.mark.parametrize("result", [[1], "text", 5, True, "0.0", " ", {"value": 0}, [0], "ž🐍 a/b"])
def test_any_other_result_comes_back(result, api):
    assert stored(api, result=result)["result"] == result


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (None, None),
        ("", ""),
        (5, "5"),
        (True, "1"),
        (False, ""),
        ([1], "Array"),
        ({"a": 1}, "Array"),
        (1.5, "1.5"),
    ],
)
def test_an_error_becomes_text(error, kept, api):
    assert stored(api, success=False, error=error)["error_message"] == kept


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ('{"a":{}}', '{"a":[]}'),
        ('{"a":{"b":{}}}', '{"a":{"b":[]}}'),
        ('{"a":{"0":1,"1":2}}', '{"a":[1,2]}'),
        ('{"a":{"1":1}}', '{"a":{"1":1}}'),
        ('{"a":1.0}', '{"a":1}'),
        ('{"a":[-2.0,"3.0",10.05]}', '{"a":[-2,"3.0",10.05]}'),
        ('{"a":123456789012345678901234567890}', '{"a":1.2345678901234568e+29}'),
        ('{"a":9223372036854775807}', '{"a":9223372036854775807}'),
        ('{"a":9223372036854775808}', '{"a":9.223372036854776e+18}'),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('{"a":"\\u0000ž🐍\\u017e a\\/b"}', '{"a":"\\u0000ž🐍ž a/b"}'),
    ],
)
def test_params_come_to_the_worker_as_php_wrote_them(given, seen, api):
    params = raw_create(api, given)

    assert json.dumps(params, ensure_ascii=False, separators=(",", ":")) == seen
    assert php.encode(php.decode(given)) == seen


@pytest.mark.parametrize("fits", [True, False])
def test_size_is_counted_in_bytes_of_text_that_is_not_escaped(fits, api):
    letters = (LONGEST - 2) // 2
    task_id = api.create()
    api.claim()
    said = api.complete(task_id, result="ž" * letters + ("" if fits else "ž"))

    assert said.status == (200 if fits else 500)
    assert api.show(task_id)["status"] == ("completed" if fits else "claimed")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{type",
        "[NaN]",
        "[Infinity]",
        "\ufeff[]",
        '["\\ud83c"]',
        "[1,]",
        '["\n"]',
        "[" * 513 + "]" * 513,
    ],
    ids=lambda text: text[:5],
)
def test_what_php_takes_for_no_json(text):
    with pytest.raises(php.InvalidJsonError):
        php.decode(text)


def test_json_may_nest_512_deep_and_no_deeper():
    assert php.encode(php.decode("[" * 512 + "]" * 512)) == "[" * 512 + "]" * 512
    assert php.decode('["' + "[" * 600 + '"]') == ["[" * 600]


@pytest.mark.parametrize("nothing", [None, False, 0, 0.0, "", "0", [], {}])
def test_what_php_takes_for_false(nothing):
    assert not php.truthy(nothing)


@pytest.mark.parametrize("something", [True, 1, -1, 0.1, "false", "0.0", " ", [0], {"a": None}])
def test_what_php_takes_for_true(something):
    assert php.truthy(something)


@pytest.mark.parametrize(
    ("value", "number"),
    [("9", 9), (" 12abc", 12), ("abc", 0), ("", 0), ("1e2", 100), (True, 1), (None, 0), (1.9, 1), (-1.9, -1)],
)
def test_what_a_value_is_as_an_int(value, number):
    assert php.as_int(value) == number


@pytest.mark.parametrize(("value", "number"), [([], 0), ([9], 1), ({"a": 9}, 1), (float("inf"), 0)])
def test_what_is_no_number_is_0_or_1_as_an_int(value, number):
    assert php.as_int(value) == number


@pytest.mark.parametrize(
    ("text", "row"),
    [("5abc", 5), ("5f0c1d3e", 5), ("1e3x", 1000), ("1.0", 1), ("1.5", None), ("abc", 0), ("-1", -1)],
)
def test_the_row_that_sql_finds_for_an_id(text, row):
    assert tasks.row_id(text) == row


def test_a_task_too_deep_to_be_shown_can_still_be_claimed_two_levels_higher(api):
    deep = "[" * 508 + "]" * 508

    assert raw_create(api, f'{{"a":{deep}}}') == {"a": json.loads(deep)}
    assert (api.get("/tasks/1").status, api.get("/tasks/1").body) == (200, b"")


SCHEMA = {
    "type": "object",
    "required": ["word"],
    "additionalProperties": False,
    "properties": {
        "word": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-zž]+$"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "boolean"}},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "inner": {"type": "object", "required": ["x"]},
    },
}


@pytest.mark.parametrize(
    ("more", "faults"),
    [
        ({}, 0),
        ({"word": "a"}, 1),
        ({"word": "žžž"}, 1),
        ({"word": "žž"}, 0),
        ({"word": "A1"}, 1),
        ({"count": 0}, 1),
        ({"count": 10}, 1),
        ({"count": None}, 1),
        ({"list": []}, 1),
        ({"list": [True, 1]}, 1),
        ({"list": [True, True, True]}, 1),
        ({"kind": "c"}, 1),
        ({"inner": {}}, 1),
        ({"inner": {"x": None}}, 1),
        ({"inner": {"x": 1}}, 0),
        ({"other": 1}, 1),
        ({"word": None, "count": 10}, 3),
    ],
)
def test_the_dialect_of_schemas(more, faults, api):
    params = {"word": "abc"} | more
    api.register(schema=SCHEMA)
    said = api.post("/tasks", {"type": "Test.Some", "params": params})
    told = task_types.violations(php.decode(php.encode(params)), SCHEMA)

    assert len(told) == faults
    assert said.status == (400 if faults else 200)
    assert not faults or said.error == f"Parameter validation failed: {', '.join(told)}"


def test_a_pattern_is_matched_as_php_does_it_and_holds_nobody_up(monkeypatch):
    def late(_pattern, _text, _seconds):
        raise TimeoutError

    monkeypatch.setattr(patterns, "_PROCESSES", SimpleNamespace(search=late))

    def told(pattern, value):
        return task_types.violations(value, {"type": "string", "pattern": pattern})

    assert told("^[a-z]+$", "abc\n") == told("^[a-z]+$", "abc") == []
    assert told("^[a-z]+$", "abc\n\n") == told("^[a-z]+$", "ab1") == ["Pattern mismatch at "]
    assert told("^(?=a)", "abc") == told("(", "abc") == ["Invalid regex pattern at "]


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("1e16", "10000000000000000"),
        ("12345678901234567.0", "12345678901234568"),
        ("1e17", "1.0e+17"),
        ("1e-5", "1.0e-5"),
        ("9223372036854775808", "9.223372036854776e+18"),
    ],
)
def test_how_php_writes_long_numbers(number, written):
    assert php.encode(php.decode(number)) == written


def test_a_property_without_a_type_is_warned_of_four_times_and_its_bounds_are_not_checked(api):
    api.server.deployment = replace(api.server.deployment, display_errors=True)
    api.register(schema={"type": "object", "properties": {"n": {"maximum": 1}, "m": {"type": "integer"}}})
    said = api.post("/tasks", {"type": "Test.Some", "params": {"n": 9, "m": 1}})

    assert said.status == 200
    assert said.body.count(b'Undefined array key "type"') == 4
    assert b'"status":"pending"' in said.body


def test_params_in_the_database_that_php_does_not_take_are_null(api):
    api.create()
    change = "UPDATE tasks SET params = ?"
    api.server._store.run(lambda db: db.execute(change, ('{"x":"\\ud800"}',)).rowcount)

    assert api.claim()["params"] is None
