"""The schema of a model takes what the model takes; where it does not, that is said."""

from __future__ import annotations

import logging
import re
from typing import Annotated

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from prismq_worker_sdk import TaskParams
from prismq_worker_sdk.errors import InvalidParams
from prismq_worker_sdk.handlers.discovery import load
from prismq_worker_sdk.handlers.values import ParamsSpec


class Place(TaskParams):
    first: str = Field(validation_alias=AliasPath("names", 0))


class Choice(TaskParams):
    url: str = Field(validation_alias=AliasChoices("url", "link", AliasPath("links", 0)), min_length=1)


class Optional(TaskParams):
    url: str = Field("", validation_alias=AliasChoices("address", "url"))


class ByName(TaskParams):
    model_config = ConfigDict(populate_by_name=True)

    url: str = Field(alias="theUrl")


class Inside(TaskParams):
    inner: list[Choice]


@dataclass
class Record:
    url: str = Field(validation_alias=AliasChoices("url", "link"))


class WithRecord(TaskParams):
    record: Record


class Plain(TaskParams):
    url: str = Field(alias="theUrl")


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (Place, {"names": ["x"]}),
        (Choice, {"url": "x"}),
        (Choice, {"link": "x"}),
        (Choice, {"links": ["x"]}),
        (Optional, {}),
        (Optional, {"address": "x"}),
        (Optional, {"url": "x"}),
        (ByName, {"theUrl": "x"}),
        (ByName, {"url": "x"}),
        (Inside, {"inner": [{"url": "x"}, {"link": "x"}]}),
        (WithRecord, {"record": {"url": "x"}}),
        (WithRecord, {"record": {"link": "x"}}),
        (Plain, {"theUrl": "x"}),
    ],
)
def test_a_field_is_taken_by_every_name_that_the_model_takes(
    model: type[BaseModel], params: dict[str, object]
) -> None:
    assert ParamsSpec.of(model).parse(params) == model.model_validate(params)
    assert ParamsSpec.of(model).warnings == ()


def test_a_schema_that_needs_no_other_names_is_that_of_pydantic() -> None:
    class Simple(TaskParams):
        model_config = ConfigDict(populate_by_name=True)

        second: int
        first: str = Field("a", pattern="^a$")

    schema = ParamsSpec.of(Simple).schema
    assert {name: value for name, value in schema.items() if name != "$schema"} == Simple.model_json_schema()
    assert list(schema["properties"]) == ["second", "first"]


def test_a_model_that_strips_every_text_is_told_of_its_limits() -> None:
    class Inner(TaskParams):
        word: str = Field(max_length=3)

    class Stripping(TaskParams):
        model_config = ConfigDict(str_strip_whitespace=True)

        inner: Inner
        name: str = Field(max_length=3)

    assert len(ParamsSpec.of(Stripping).warnings) == 1
    assert ParamsSpec.of(Inner).warnings == ()


@pytest.mark.parametrize(
    ("model", "params", "fault"),
    [
        (Choice, {}, "/url: is missing (or link or links)"),
        (Choice, {"link": ""}, "/link: '' should be non-empty"),
        (ByName, {}, "/theUrl: is missing (or url)"),
        (Place, {}, "/names: is missing"),
        (Plain, {"url": "x"}, "/url: is not a known parameter"),
        (Optional, {"uri": "x"}, "/uri: is not a known parameter"),
    ],
)
def test_a_field_that_is_missing_or_wrong_is_told_by_its_names(
    model: type[BaseModel], params: dict[str, object], fault: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        ParamsSpec.of(model).parse(params)
    assert fault in [str(one) for one in refused.value.faults]


@pytest.mark.parametrize(
    ("pattern", "fits", "unfit"),
    [
        (re.compile("^abc$", re.IGNORECASE), "ABC", "abd"),
        (re.compile("a.c", re.DOTALL), "a\nc", "ac"),
        (re.compile("^b", re.MULTILINE), "a\nb", "ab"),
        (re.compile(r"a b  # no blank", re.VERBOSE), "ab", "a b"),
        (re.compile(r"^\w$", re.ASCII), "a", "\u00e9"),
        (re.compile("(?m)^B", re.IGNORECASE), "a\nb", "ab"),
        (re.compile("^abc$"), "abc", "ABC"),
    ],
)
def test_a_compiled_pattern_keeps_its_flags(pattern: re.Pattern[str], fits: str, unfit: str) -> None:
    class Named(TaskParams):
        name: Annotated[str, StringConstraints(pattern=pattern)]

    spec = ParamsSpec.of(Named)
    assert spec.parse({"name": fits}).name == fits
    with pytest.raises(InvalidParams, match="does not match"):
        spec.check({"name": unfit})


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        (StringConstraints(strip_whitespace=True, max_length=3), "before strip_whitespace does (maxLength)"),
        (StringConstraints(strip_whitespace=True, pattern="^a$"), "before strip_whitespace does (pattern)"),
        (StringConstraints(pattern="[a-z&&[^b]]+"), "'[a-z&&[^b]]+' has set operations for pydantic"),
        (StringConstraints(strip_whitespace=True, min_length=3), None),
        (StringConstraints(pattern="^[a-z&]+$"), None),
    ],
)
def test_what_the_schema_refuses_and_the_model_takes_is_said_where_the_plugin_loads(
    constraints: StringConstraints, said: str | None, tmp_path, caplog, monkeypatch
) -> None:
    class Named(TaskParams):
        name: Annotated[str, constraints]

    (tmp_path / "with_a_limit.py").write_text(
        "from prismq_worker_sdk import task_handler\n"
        "from tests.unit.handlers import test_model_schema\n"
        "@task_handler('Test.Limited', params=test_model_schema.NAMED)\n"
        "def handle(params, ctx): ...\n"
    )
    monkeypatch.setitem(globals(), "NAMED", Named)
    with caplog.at_level(logging.WARNING, "prismq.plugins"):
        load([str(tmp_path / "with_a_limit.py")])

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (said is not None)
    assert all(one.startswith("Test.Limited: ") and str(said) in one for one in told)
