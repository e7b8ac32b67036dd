import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismq_worker_sdk.model.json import canonical, digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value):
    """The same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_one_value_has_one_text_and_one_digest_whatever_the_order_of_its_keys(value):
    assert json.loads(canonical(value)) == value
    assert canonical(shuffled(value)) == canonical(value)
    assert digest(shuffled(value)) == digest(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, 1.5]}, '{"a":[true,null,1.5],"b":1}'),
        ("ü\n", '"ü\\n"'),
        ({"a": {"d": 1, "c": 2}}, '{"a":{"c":2,"d":1}}'),
        ({}, "{}"),
    ],
)
def test_the_text_has_sorted_keys_no_blanks_and_no_needless_escapes(value, text):
    assert canonical(value) == text
    assert digest(value) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), ("1", 1), ([], {}), (None, "null"), ([1, 2], [2, 1])]
)
def test_different_json_has_different_digests(one, other):
    assert digest(one) != digest(other)


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}])
def test_numbers_that_json_does_not_know_are_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {"a": 1, 2: 3}])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(TypeError):
        canonical(value)


def test_a_text_that_utf_8_cannot_carry_has_a_digest_all_the_same():
    assert len(digest({"q": "\ud800"})) == 64
    assert digest("\ud800") != digest("\ud801")
