"""The linear engine gives the verdict of `re.search`; where it could not, it gives none."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic_core import SchemaValidator, core_schema

from prismq_worker_sdk.handlers.linear import linear

ASSIGNED = SchemaValidator(core_schema.str_schema(pattern=r"^\P{Cn}*$", regex_engine="rust-regex"))
"""The Unicode of the linear engine may be older than that of this Python, or newer."""

LETTERS = "abAB01_ -.\n\t\x1c\u00e9\u00c9\u00b2\u0301\u0663\u03c3\u03c2\u0130\u212a\u2028"
TEXTS = st.text(st.sampled_from(LETTERS), max_size=12) | st.text(
    st.characters(exclude_categories=("Cs", "Cn")), max_size=6
)
ATOMS = st.sampled_from(
    [
        *("a", "b", "A", "0", "_", "\u00e9", "\u03c3", r"\.", r"\n", ".", "^", "$", r"\A", r"\Z", r"\b"),
        *(
            r"\d",
            r"\w",
            r"\s",
            r"\D",
            r"\W",
            r"\S",
            "[ab]",
            "[^ab]",
            "[a-z0-9]",
            r"[\w.-]",
            r"[^\s\d]",
            r"[\W_]",
        ),
        *("[]a]", "[^]a]", r"[\]\\^-]", "[-a]", "[&|]", "(?:ab|b)", "(a|)", "(?i:a)", "(?s:.)", "(?a:\\w)"),
    ]
)
TIMES = st.sampled_from(["", "", "", "?", "*", "+", "??", "*?", "{2}", "{1,2}", "{2,}", "{,2}"])
FLAGS = st.sampled_from(["", "", "", "(?i)", "(?s)", "(?m)", "(?x)", "(?a)", "(?is)"])
PARTS = st.builds(
    lambda atom, times: atom if atom in "^$" or (atom[0] == "\\" and atom[1] in "AZb") else atom + times,
    ATOMS,
    TIMES,
)
PATTERNS = st.builds(
    lambda flags, parts: flags + "".join(parts), FLAGS, st.lists(PARTS, max_size=5)
) | st.builds(
    lambda left, right: f"{''.join(left)}|{''.join(right)}",
    st.lists(PARTS, max_size=3),
    st.lists(PARTS, max_size=3),
)


def by_re(pattern: str, text: str) -> bool:
    return re.search(pattern.replace("$", r"\Z"), text) is not None


@given(PATTERNS, TEXTS)
def test_the_verdict_is_that_of_re(pattern: str, text: str) -> None:
    one = linear(pattern)
    assert one is not None or not pattern.isascii()
    assume(ASSIGNED.isinstance_python(text))
    if one is not None and (text.isascii() or not one.ascii_only):
        assert one.found_in(text) is by_re(pattern, text)


@pytest.mark.parametrize("pattern", [r"\d", r"\w", r"\s", r"(?a)\W", ".", r"[^\W\d_]"])
def test_a_class_holds_the_characters_that_it_holds_in_re_but_for_those_newer_than_this_python(
    pattern: str,
) -> None:
    one, other = linear(pattern), re.compile(pattern)
    assert one is not None
    different = [
        hex(code)
        for code in range(0, sys.maxunicode + 1, 1)
        if one.found_in(char := chr(code)) is not (other.search(char) is not None)
        and unicodedata.category(char) not in {"Cn", "Cs"}
        and ASSIGNED.isinstance_python(char)
    ]
    assert different == []
