"""What goes into a handler and what comes out: params by their published schema, results, both as strict JSON (R14)."""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from prismq_worker_sdk.errors import Fault, InvalidParams, SchemaError, UnfitResult
from prismq_worker_sdk.handlers.mission_form import json_schema_of
from prismq_worker_sdk.model.json import DRAFT, escape

if TYPE_CHECKING:
    from pydantic import BaseModel

    from prismq_worker_sdk.handlers.patterns import Matcher

MAX_DEPTH = 200
"""Deepest nesting of lists and objects; every JSON reader in use takes it."""

MAX_BITS = 14_000
"""Longest whole number, some 4200 digits; Python neither writes nor reads longer ones."""

LONGEST_CHARACTER = 4
"""Bytes in UTF-8."""

_ANY_OBJECT = frozenset({"$schema", "type"})
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ParamsSpec:
    """What parameters a task type takes.

    A declaration is one of four: a TaskParams (or other pydantic) model; a JSON Schema (2020-12), known by
    `"type": "object"` or `$schema` at its top; the mission's form, any other dict; or the type `dict`, for any
    object. What is no JSON is refused, then the published schema decides, then the model, in pydantic's JSON
    mode. Two things are read alike by both: `$` in a pattern means the end of the text, and 1.0 is an integer.

    Attributes:
        schema: The published JSON Schema.
        model: The pydantic model that `parse` makes, None for a plain dict.
        warnings: Where the schema refuses what the model would take.
        validator: Of the schema, made once: that costs more than a check; None where any object fits.
    """

    schema: dict[str, Any]
    model: type[BaseModel] | None = None
    warnings: tuple[str, ...] = ()
    validator: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.schema.keys() <= _ANY_OBJECT:
            object.__setattr__(self, "validator", None)
        else:
            from prismq_worker_sdk.handlers.published import validator

            object.__setattr__(self, "validator", validator(self.schema))

    @classmethod
    def of(cls, declaration: object) -> ParamsSpec:
        """The spec of a declaration.

        Raises:
            SchemaError: It is none of the four, or its schema or a default in it is wrong.
        """
        if isinstance(declaration, ParamsSpec):
            return declaration
        if declaration is dict:
            return cls({"$schema": DRAFT, "type": "object"})
        from prismq_worker_sdk.handlers.published import of_model, published

        if is_model(declaration):
            schema, warnings = of_model(declaration)
            return cls(schema, declaration, warnings)
        if isinstance(declaration, Mapping):
            own = "$schema" in declaration or declaration.get("type") == "object"
            return cls(published(declaration if own else json_schema_of(declaration)))
        raise SchemaError(
            f"params {declaration!r} is no declaration of parameters; give a TaskParams model, a JSON Schema, "
            "the {'name': {'type': …}} form, or dict"
        )

    def check(self, params: object, matcher: Matcher | None = None) -> None:
        """Checks parameters against the published schema, in bounded time.

        Args:
            matcher: Matches the patterns.

        Raises:
            InvalidParams: They do not fit, or that could not be decided in time; names every field.
        """
        faults = () if is_strict(params) else tuple(faults_of_json(params))
        if not faults and not (self.validator is None and isinstance(params, dict)):
            from prismq_worker_sdk.handlers.published import faults_of_params

            faults = faults_of_params(self.schema, self.validator, params, matcher)
        if faults:
            raise InvalidParams(faults)

    def parse(self, params: object) -> Any:
        """The parameters as the handler gets them: a model, or a dict with its defaults filled in.

        Raises:
            InvalidParams: They do not fit, or that could not be decided in time; names every field.
        """
        self.check(params)
        if self.model is None:
            return _handed(self.schema, params)
        from prismq_worker_sdk.handlers.published import instance_of

        return instance_of(self.model, params)


def is_model(declaration: object) -> TypeGuard[type[BaseModel]]:
    """Whether it is a pydantic model; that library is not imported for the question."""
    pydantic = sys.modules.get("pydantic")
    return (
        pydantic is not None and isinstance(declaration, type) and issubclass(declaration, pydantic.BaseModel)
    )


def _handed(schema: Mapping[str, Any], value: Any) -> Any:
    """A copy with the defaults of properties filled in, in objects and lists inside too, and 1.0 as the integer 1."""
    if isinstance(value, Mapping):
        filled = dict(value)
        for name, own in schema.get("properties", {}).items():
            if not isinstance(own, Mapping):
                continue
            if name not in filled and "default" in own:
                filled[name] = copy.deepcopy(own["default"])
            if name in filled:
                filled[name] = _handed(own, filled[name])
        return filled
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [_handed(schema["items"], item) for item in value]
    return int(value) if isinstance(value, float) and schema.get("type") == "integer" else value


def is_strict(value: Any) -> bool:  # noqa: C901 - one loop, as nearly everything passes here and a call costs more
    """Whether a value is strict JSON, of Python's own types alone and nested no deeper than MAX_DEPTH."""
    inside: list[Iterator[Any]] = [iter((value,))]
    while inside:
        for one in inside[-1]:
            kind = type(one)
            if kind is dict or kind is list:
                if kind is dict and not all(map(_is_text, one)):
                    return False
                inside.append(iter(one.values() if kind is dict else one))
                break
            if kind is str:
                if not (one.isascii() or _is_text(one)):
                    return False
            elif kind is int:
                if one.bit_length() > MAX_BITS:
                    return False
            elif not (one is None or kind is bool or (kind is float and math.isfinite(one))):
                return False
        else:
            inside.pop()
        if len(inside) > MAX_DEPTH + 1:
            return False
    return True


def faults_of_json(value: object, place: str = "", depth: int = MAX_DEPTH) -> Iterator[Fault]:
    """Where params are no strict JSON."""
    if not isinstance(value, Mapping | list):
        if trouble := _trouble(value):
            yield Fault(place, trouble[0])
        return
    if depth == 0:
        yield Fault("", f"is nested deeper than {MAX_DEPTH} levels")
        return
    for step, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(value, Mapping) and not _is_text(step):
            yield Fault(place, f"has the key {step!r}; JSON keys are texts")
        else:
            yield from faults_of_json(item, f"{place}/{escape(step)}", depth - 1)


def encode_result(value: Any, *, max_bytes: int, name: str = "result") -> str:
    """The value as strict JSON text: no NaN, no lone surrogates, text keys only, not too deep, not too large.

    Pydantic models are taken as their JSON form; anything else that JSON does not know is refused.

    Args:
        max_bytes: The largest text, in bytes of UTF-8.
        name: What the value is, for the sentence that refuses it.

    Raises:
        UnfitResult: It cannot go; says what and where.
    """
    text = _ENCODE(value if is_strict(value) else _plain(value, name, MAX_DEPTH))
    if LONGEST_CHARACTER * len(text) <= max_bytes:
        return text
    size = len(text.encode("utf-8"))
    if size > max_bytes:
        raise UnfitResult(
            f"the {name} is {size} bytes of JSON, {max_bytes} at most can be sent; make it smaller, or store "
            "it elsewhere and say where"
        )
    return text


def _plain(value: Any, place: str, depth: int) -> Any:
    """The value with models turned into JSON types, every part checked."""
    if depth == 0 and not isinstance(value, str | int | float | None):
        raise UnfitResult(f"{place[:80]}… is nested too deep, or contains itself; flatten it")
    if isinstance(value, dict):
        return {_key(key, place): _plain(item, f"{place}.{key}", depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]", depth - 1) for index, item in enumerate(value)]
    if callable(getattr(value, "model_dump", None)) and not isinstance(value, type):
        return _plain(_dumped(value, place, depth), place, depth)
    if trouble := _trouble(value):
        raise UnfitResult(f"{place} {'; '.join(trouble)}")
    return value


def _dumped(model: Any, place: str, depth: int) -> Any:
    """The JSON form of a model; a NaN in it is refused like any other, though pydantic may write null for it."""
    try:
        _all_finite(model.model_dump(), place, depth)
        dumped = model.model_dump(mode="json")
    except (TypeError, ValueError, RecursionError) as error:
        raise UnfitResult(
            f"{place} is of type {type(model).__name__}, which has no JSON form: {error}"
        ) from None
    if isinstance(dumped, str | int | float | dict | list) or dumped is None:
        return dumped
    raise UnfitResult(f"{place} is of type {type(model).__name__}, whose model_dump gives no JSON")


def _all_finite(value: Any, place: str, depth: int) -> None:
    if isinstance(value, float) and (trouble := _trouble(value)):
        raise UnfitResult(f"{place} {'; '.join(trouble)}")
    if isinstance(value, dict) and depth > 0:
        for key, item in value.items():
            _all_finite(item, f"{place}.{key}", depth - 1)
    elif isinstance(value, list | tuple) and depth > 0:
        for index, item in enumerate(value):
            _all_finite(item, f"{place}[{index}]", depth - 1)


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise UnfitResult(f"{place} has the key {key!r} of type {type(key).__name__}; JSON keys are texts")
    if trouble := _trouble(key):
        raise UnfitResult(f"{place} {'; '.join(trouble)}")
    return key


def _trouble(value: object) -> tuple[str, str] | None:
    """Why a plain value is no JSON, and what to do; None when it is."""
    match value:
        case None:
            return None
        case str():
            return _lone_surrogate(value)
        case int() if value.bit_length() > MAX_BITS:
            return "is a number of more digits than JSON readers take", "make it a text"
        case float() if not math.isfinite(value):
            return f"is {value}, which JSON does not know", "use None or a text instead"
        case int() | float():
            return None
    known = "use dicts, lists, texts, numbers, booleans, None or a pydantic model"
    return f"is of type {type(value).__name__}, which JSON does not know", known


def _lone_surrogate(text: str) -> tuple[str, str] | None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return (
            f"has a lone surrogate at character {error.start}, which UTF-8 cannot carry",
            "clean the text",
        )
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and (value.isascii() or _lone_surrogate(value) is None)
