"""The published schema and the worker agree, whatever form the parameters were declared in.

For the listed keywords they agree both ways. The mission's form: type, required, default, min, max, enum, pattern,
items. JSON Schema: every keyword of 2020-12. Models: what pydantic publishes of `min_length`, `max_length`, `ge`, `gt`,
`le`, `lt`, whole `multiple_of`, `pattern`, `Literal`, `list`, `dict[str, …]`, `| None`, nested models and defaults.

The exceptions, each with a test below:
1. `$` in a pattern means the end of the text, not also the place before a last newline.
2. 1.0 is an integer, as JSON Schema has it, and arrives as 1.
3. What is no strict JSON is refused, though a JSON Schema has no word for it: NaN, infinities, lone surrogates, other
   types and keys of Python, more than 200 levels, more than some 4200 digits.
4. `\\w`, `\\s` and `\\b` beyond ASCII, in the pattern of a model: pydantic's engine reads them a little differently.
5. A number that a double cannot hold, where a model has a `float`: it is rounded, or refused where it is too large.
   One that is too large for a fractional `multipleOf` is refused; jsonschema has no answer to it.
6. `format` is a remark to the schema; a model checks the types that it stands for (dates, UUIDs, …).
7. What a model checks by code of its own.
"""

import datetime as dt
import math
import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import Field, create_model, field_validator

from prismq_worker_sdk import TaskParams
from prismq_worker_sdk.errors import InvalidParams
from prismq_worker_sdk.handlers.values import ParamsSpec
from tests.property.params import JSON, KINDS, form_of, model_of, named, near, parameters, schema_of

MORE = settings(max_examples=60, deadline=None)
VALUES = 4


def published_takes(spec, params):
    try:
        return Draft202012Validator(spec.schema).is_valid(params)
    except OverflowError:
        return False


def worker_takes(spec, params):
    faults = faults_of(spec, params)
    assert faults is None or (faults and all(fault.pointer[:1] in {"", "/"} for fault in faults))
    return faults is None


def faults_of(spec, params):
    try:
        spec.parse(params)
    except InvalidParams as refused:
        return refused.faults
    return None


def texts_in(value):
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in texts_in(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts_in(part)]
    return [value] if isinstance(value, str) else []


def numbers_in(value):
    if isinstance(value, dict | list):
        return [
            number
            for part in (value.values() if isinstance(value, dict) else value)
            for number in numbers_in(part)
        ]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def excused(fields, params, *, is_model):
    """Whether one of the exceptions lets the worker refuse what the published schema takes."""
    parts = [part for _name, param in fields for part in param.parts]
    newline = any("$" in (part.pattern or "") for part in parts) and any(
        text.endswith("\n") for text in texts_in(params)
    )
    doubles = is_model and any(part.kind == "number" for part in parts)
    return newline or (doubles and any(abs(number) > 2**53 for number in numbers_in(params)))


def agree(spec, fields, params):
    published, worker = published_takes(spec, params), worker_takes(spec, params)
    assert published or not worker, "what the published schema refuses, the worker refuses"
    if published and not worker:
        assert excused(fields, params, is_model=spec.model is not None), "and the other way round"
    return worker


def values_of(data, fields):
    return [data.draw(near(fields) | JSON) for _ in range(VALUES)]


@MORE
@given(st.data(), named())
def test_the_published_schema_and_the_worker_agree_over_the_missions_form(data, fields):
    spec = ParamsSpec.of(form_of(fields))

    for params in values_of(data, fields):
        agree(spec, fields, params)


@MORE
@given(st.data(), named(rich=True))
def test_the_published_schema_and_the_worker_agree_over_json_schema(data, fields):
    spec = ParamsSpec.of(schema_of(fields))

    for params in values_of(data, fields):
        agree(spec, fields, params)


@MORE
@given(st.data(), named(rich=True))
def test_the_published_schema_and_the_worker_agree_over_models(data, fields):
    spec = ParamsSpec.of(model_of(fields))

    for params in values_of(data, fields):
        agree(spec, fields, params)


@MORE
@given(st.data(), named())
def test_the_same_parameters_mean_the_same_in_every_form(data, fields):
    assume(all(param.fits_the_form for _name, param in fields))
    specs = [ParamsSpec.of(make(fields)) for make in (form_of, schema_of, model_of)]

    for params in values_of(data, fields):
        form, schema, model = (worker_takes(spec, params) for spec in specs)
        assert form == schema
        assert model == form or excused(fields, params, is_model=True)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_one_parameter_of_each_type_means_the_same_in_every_form(kind, data):
    fields = (("x", data.draw(parameters((kind,), depth=1))),)
    specs = [ParamsSpec.of(make(fields)) for make in (form_of, schema_of, model_of)]

    for value in values_of(data, fields):
        form, schema, model = (agree(spec, fields, value) for spec in specs)
        assert form == schema
        assert model == form or excused(fields, value, is_model=True)


@MORE
@given(st.data(), named(rich=True))
def test_what_a_handler_gets_fits_the_published_schema_with_every_default_in_it(data, fields):
    spec = ParamsSpec.of(schema_of(fields))

    for params in values_of(data, fields):
        if worker_takes(spec, params):
            found = spec.parse(params)
            assert published_takes(spec, found)
            assert {name for name, param in fields if param.default} <= set(found)


TEXTS = st.text("ab0 \t\n", max_size=4)
SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
            | st.lists(st.sampled_from(["string", "integer", "null", "object"]), min_size=1, unique=True),
            "const": JSON,
            "enum": st.lists(JSON, max_size=3),
            "minimum": st.integers(-5, 5),
            "exclusiveMaximum": st.floats(-5, 5),
            "multipleOf": st.sampled_from([2, 0.1, 0.5]),
            "minLength": st.integers(0, 3),
            "pattern": st.sampled_from(["a", "^[ab]+", r"\d", r"\w\s", "^(?!b)"]),
            "uniqueItems": st.booleans(),
            "maxItems": st.integers(0, 3),
            "minProperties": st.integers(0, 2),
            "required": st.lists(st.sampled_from(["q", "n"]), unique=True),
            "dependentRequired": st.just({"q": ["n"]}),
            "$ref": st.sampled_from(["#/$defs/one", "#/$defs/tree"]),
            "format": st.sampled_from(["date", "email", "password"]),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["q", "n"]), inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "n"]), inner, max_size=1),
            "additionalProperties": inner,
            "unevaluatedProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "dependentSchemas": st.fixed_dictionaries({"q": inner}),
        },
    ),
    max_leaves=6,
)
DEFS = {
    "one": {"type": "integer"},
    "tree": {"properties": {"q": {"$ref": "#/$defs/tree"}}, "maxProperties": 2},
}
OBJECTS = st.dictionaries(st.sampled_from(["q", "n", "ab", "z"]) | TEXTS, JSON, max_size=3)


@MORE
@given(
    SCHEMAS.filter(lambda schema: isinstance(schema, dict)), st.lists(OBJECTS | JSON, min_size=3, max_size=6)
)
def test_the_published_schema_and_the_worker_agree_over_every_keyword_of_json_schema(schema, values):
    spec = ParamsSpec.of({**schema, "$defs": DEFS, "type": "object"})

    for params in values:
        assert worker_takes(spec, params) == published_takes(spec, params)


@MORE
@given(JSON, OBJECTS)
def test_any_object_is_taken_as_a_plain_dict_and_nothing_else(value, anything):
    spec = ParamsSpec.of(dict)

    assert worker_takes(spec, value) == published_takes(spec, value) == isinstance(value, dict)
    assert spec.parse(anything) == anything


def text_specs(pattern):
    """A parameter `x` with this pattern in each form."""
    model = create_model("Made", __base__=TaskParams, x=(str, Field(pattern=pattern)))
    form = {"x": {"type": "string", "pattern": pattern, "required": True}}
    schema = {
        "type": "object",
        "$defs": {"x": {"type": "string", "pattern": pattern}},
        "properties": {"x": {"$ref": "#/$defs/x"}, "again": {"$ref": "#"}},
        "required": ["x"],
    }
    return [ParamsSpec.of(one) for one in (model, form, schema)]


@pytest.mark.parametrize("pattern", ["^a$", "a$", "^(a|b$)$", "(?m)^a$", "^[$a]$", r"^\$?a$"])
def test_exception_1_a_dollar_is_the_end_of_the_text(pattern):
    for spec in text_specs(pattern):
        assert published_takes(spec, {"x": "a"})
        assert worker_takes(spec, {"x": "a"})
        assert published_takes(spec, {"x": "a\n"})
        assert not worker_takes(spec, {"x": "a\n"})


def test_exception_1_holds_inside_a_schema_that_contains_itself():
    (_model, _form, spec) = text_specs("^a$")

    assert worker_takes(spec, {"x": "a", "again": {"x": "a"}})
    assert not worker_takes(spec, {"x": "a", "again": {"x": "a\n"}})


@pytest.mark.parametrize("pattern", [r"^a\$", "^[$]", "[^$]", "^[]$]", r"[\]$]", "a[$]"])
def test_exception_1_a_dollar_that_stands_for_itself_stays_one(pattern):
    schema = {"x": {"type": "string", "pattern": pattern}}
    spec = ParamsSpec.of(schema)

    for text in ("a$", "$", "]", "a", "a$\n", "$\n", "\n"):
        assert (
            worker_takes(spec, {"x": text})
            == published_takes(spec, {"x": text})
            == bool(re.search(pattern, text))
        )


def test_exception_1_turns_round_under_not():
    spec = ParamsSpec.of({"type": "object", "properties": {"x": {"not": {"pattern": "^a$"}}}})

    assert not published_takes(spec, {"x": "a\n"})
    assert worker_takes(spec, {"x": "a\n"})


@pytest.mark.parametrize("number", [1.0, -0.0, 1e20, 1e300, -(2.0**53)])
def test_exception_2_a_whole_float_is_an_integer_and_arrives_as_one(number):
    model = create_model("Made", __base__=TaskParams, x=(int, ...))
    specs = [ParamsSpec.of(model), ParamsSpec.of({"x": {"type": "integer"}})]

    for spec in specs:
        assert published_takes(spec, {"x": number})
        found = spec.parse({"x": number})
        whole = found["x"] if isinstance(found, dict) else found.x
        assert (whole, type(whole)) == (int(number), int)
        assert not worker_takes(spec, {"x": 1.5})


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, "\ud800", 10**4300, (1,), {1: 2}],
    ids=["nan", "infinity", "surrogate", "digits", "tuple", "key"],
)
def test_exception_3_what_is_no_json_is_refused(value):
    spec = ParamsSpec.of(dict)

    assert published_takes(spec, {"x": value})
    assert not worker_takes(spec, {"x": value})


def test_exception_3_what_is_too_deep_is_refused():
    value = 0
    for _ in range(200):
        value = [value]

    assert worker_takes(ParamsSpec.of(dict), {"x": value[0]})
    assert published_takes(ParamsSpec.of(dict), {"x": value})
    assert not worker_takes(ParamsSpec.of(dict), {"x": value})


@pytest.mark.parametrize(("pattern", "text"), [(r"^\w$", "²"), (r"^\s$", "\x1c"), (r"a\b", "a\u0301")])
def test_exception_4_classes_of_letters_in_a_models_pattern_are_pydantics(pattern, text):
    model, form, schema = text_specs(pattern)

    assert [published_takes(spec, {"x": text}) for spec in (model, form, schema)] == [True, True, True]
    assert [worker_takes(spec, {"x": text}) for spec in (model, form, schema)] == [False, True, True]


@settings(max_examples=100)
@given(
    st.sampled_from([r"^\w+", r"\s", r"\bab", "^[a-z0-9 ]*$"]),
    st.text(st.characters(max_codepoint=0x1B), max_size=4) | TEXTS,
)
@example(r"\s", "\x0b")
def test_exception_4_is_none_for_ascii_text_without_separators(pattern, text):
    assume("$" not in pattern or not text.endswith("\n"))

    for spec in text_specs(pattern):
        assert worker_takes(spec, {"x": text}) == published_takes(spec, {"x": text})


def test_exception_5_a_float_of_a_model_is_a_double():
    bounded = create_model("Made", __base__=TaskParams, x=(float, Field(gt=2**53)))
    free = create_model("Made", __base__=TaskParams, x=(float, ...))

    assert published_takes(ParamsSpec.of(bounded), {"x": 2**53 + 1})
    assert not worker_takes(ParamsSpec.of(bounded), {"x": 2**53 + 1})
    assert published_takes(ParamsSpec.of(free), {"x": 10**400})
    assert not worker_takes(ParamsSpec.of(free), {"x": 10**400})
    assert ParamsSpec.of(free).parse({"x": 2**53 + 1}).x == 2.0**53


def test_exception_5_a_number_too_large_to_be_divided_is_refused():
    spec = ParamsSpec.of(
        {"type": "object", "properties": {"x": {"multipleOf": 0.1}, "n": {"type": "integer"}}}
    )

    with pytest.raises(OverflowError):
        Draft202012Validator(spec.schema).is_valid({"x": 10**400})
    assert not worker_takes(spec, {"x": 10**400})
    assert worker_takes(spec, {"n": 10**400})


def test_exception_6_a_format_is_checked_by_a_model_alone():
    model = ParamsSpec.of(create_model("Made", __base__=TaskParams, x=(dt.date, ...)))
    form = ParamsSpec.of({"x": {"type": "string", "format": "date", "required": True}})

    assert [published_takes(spec, {"x": "someday"}) for spec in (model, form)] == [True, True]
    assert [worker_takes(spec, {"x": "someday"}) for spec in (model, form)] == [False, True]
    assert model.parse({"x": "2026-01-01"}).x == dt.date(2026, 1, 1)


def test_exception_7_a_model_may_refuse_by_code_of_its_own():
    class Even(TaskParams):
        x: int

        @field_validator("x")
        @classmethod
        def even(cls, value):
            if value % 2:
                raise ValueError("must be even")
            return value

    assert published_takes(ParamsSpec.of(Even), {"x": 3})
    assert not worker_takes(ParamsSpec.of(Even), {"x": 3})
