"""Parameters of a task type: one published JSON Schema, however they were declared, and the check against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError as SchemaViolation
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from pydantic import BaseModel
from pydantic import ValidationError as ModelViolation
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from prismq_worker_sdk.errors import Fault, InvalidParams, SchemaError
from prismq_worker_sdk.handlers.mission_form import json_schema_of

__all__ = ["DRAFT", "ParamsSpec", "checked_schema"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
LONGEST_MESSAGE = 300
SAFE_INTEGER = 2**53

_END_OF_TEXT = re.compile(r"(\\.|\[(?:\\.|[^\]\\])*\])|\$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParamsSpec:
    """What parameters a task type takes.

    A declaration is one of four: a TaskParams (or other pydantic) model; a JSON Schema (2020-12), known by
    `"type": "object"` or `$schema` at its top; the mission's form, any other dict; or the type `dict`, for any
    object. The published schema decides first, then the model, in pydantic's JSON mode. Two things are read
    alike by both: `$` in a pattern means the end of the text, and 1.0 is an integer.

    Attributes:
        schema: The published JSON Schema.
        model: The pydantic model that `parse` makes, None for a plain dict.
    """

    schema: dict[str, Any]
    model: type[BaseModel] | None = None

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
        if isinstance(declaration, type) and issubclass(declaration, BaseModel):
            return cls(_checked({"$schema": DRAFT, **declaration.model_json_schema()}), declaration)
        if isinstance(declaration, Mapping):
            own = "$schema" in declaration or declaration.get("type") == "object"
            schema = dict(declaration) if own else json_schema_of(declaration)
            return cls(_checked({"$schema": DRAFT, **schema}))
        raise SchemaError(
            f"params {declaration!r} is no declaration of parameters; give a TaskParams model, a JSON Schema, "
            "the {'name': {'type': …}} form, or dict"
        )

    def parse(self, params: object) -> Any:
        """The parameters as the handler gets them: a model, or a dict with its defaults filled in.

        Raises:
            InvalidParams: They do not fit; names every field.
        """
        faults = tuple(_faults(self.schema, params))
        if faults:
            raise InvalidParams(faults)
        if self.model is None:
            return _with_defaults(self.schema, params)
        try:
            return self.model.model_validate_json(json.dumps(_whole_numbers(params), allow_nan=False))
        except ModelViolation as error:
            raise InvalidParams(tuple(_model_faults(error))) from None
        except ValueError as error:
            raise InvalidParams((Fault("", f"not JSON: {error}"),)) from None


def _pattern(_validator: Any, pattern: str, instance: object, _schema: Any) -> Iterator[SchemaViolation]:
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield SchemaViolation(f"{instance!r} does not match {pattern!r}")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_END_OF_TEXT.sub(lambda found: found[1] or r"\Z", pattern))


_VALIDATOR: Any = extend(jsonschema.Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same JSON Schema, of any type.

    Raises:
        SchemaError: It is none, or refers to something that is not in it; nothing is ever fetched.
    """
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        for pattern in _patterns(schema):
            _compiled(pattern)
    except jsonschema.SchemaError as error:
        raise SchemaError(f"the schema is no JSON Schema: {error.message} at {error.json_path}") from None
    except re.error as error:
        raise SchemaError(f"the schema has a pattern that does not compile: {error}") from None
    resource = DRAFT202012.create_resource(schema)
    for reference in _unresolved(resource, REGISTRY.resolver_with_root(resource)):
        raise SchemaError(f"the schema refers to {reference!r}, which is not in it; give it whole")
    return schema


def _unresolved(resource: Any, resolver: Any) -> Iterator[str]:
    if isinstance(resource.contents, Mapping):
        for keyword in ("$ref", "$dynamicRef"):
            reference = resource.contents.get(keyword)
            if isinstance(reference, str):
                try:
                    resolver.lookup(reference)
                except Unresolvable:
                    yield reference
    for part in resource.subresources():
        yield from _unresolved(part, resolver.in_subresource(part))


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    checked_schema(schema)
    if schema.get("type", "object") != "object":
        raise SchemaError(
            f"the parameter schema is of type {schema['type']!r}; parameters are always an object"
        )
    for name, property_schema in schema.get("properties", {}).items():
        if isinstance(property_schema, Mapping) and "default" in property_schema:
            for fault in _default_faults(schema, property_schema):
                raise SchemaError(
                    f"the default of parameter {name!r} does not fit its own schema: {fault.message}"
                )
    return schema


def _default_faults(schema: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        for violation in _VALIDATOR(schema, registry=REGISTRY).descend(own["default"], own):
            yield from _fault(violation)
    except RecursionError:
        yield Fault("", "it refers to itself without end")


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            yield pattern
        for value in schema.values():
            yield from _patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value)


def _faults(schema: Mapping[str, Any], params: object) -> Iterator[Fault]:
    for violation in sorted(
        _VALIDATOR(schema, registry=REGISTRY).iter_errors(params),
        key=lambda error: list(map(str, error.path)),
    ):
        yield from _fault(violation)


def _fault(violation: Any) -> Iterator[Fault]:
    pointer = _pointer(violation.absolute_path)
    instance = violation.instance
    if violation.validator == "required":
        for name in violation.validator_value:
            if name not in instance and f"{name!r} is a required property" == violation.message:
                yield Fault(f"{pointer}/{_escape(name)}", "is missing")
    elif violation.validator == "additionalProperties" and violation.validator_value is False:
        known = violation.schema.get("properties", {})
        patterns = violation.schema.get("patternProperties", {})
        for name in instance:
            if name not in known and not any(re.search(pattern, name) for pattern in patterns):
                yield Fault(f"{pointer}/{_escape(name)}", "is not a known parameter")
    elif _secret(violation.schema):
        yield Fault(pointer, f"does not fit ({violation.validator})")
    else:
        yield Fault(pointer, _short(violation.message))


def _model_faults(error: ModelViolation) -> Iterator[Fault]:
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        yield Fault(_pointer(fault["loc"]), _short(fault["msg"].removeprefix("Value error, ")))


def _secret(schema: object) -> bool:
    return isinstance(schema, Mapping) and (
        schema.get("writeOnly") is True or schema.get("format") == "password"
    )


def _pointer(path: Any) -> str:
    return "".join(f"/{_escape(str(step))}" for step in path)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _short(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


def _with_defaults(schema: Mapping[str, Any], params: Any) -> dict[str, Any]:
    """A copy of an object with the defaults of its properties, nested objects included."""
    filled = dict(params)
    properties: Mapping[str, Any] = schema.get("properties", {})
    for name, own in properties.items():
        if not isinstance(own, Mapping):
            continue
        if name not in filled and "default" in own:
            filled[name] = json.loads(json.dumps(own["default"]))
        elif isinstance(filled.get(name), Mapping) and "properties" in own:
            filled[name] = _with_defaults(own, filled[name])
    return filled


def _whole_numbers(value: Any) -> Any:
    """The same JSON with 1.0 as 1: JSON Schema takes both for an integer, pydantic only the second."""
    if isinstance(value, float) and value.is_integer() and abs(value) < SAFE_INTEGER:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(item) for item in value]
    return value
