"""Parameters of a task type: one published JSON Schema, however they were declared, and the check against it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from pydantic import BaseModel
from pydantic import ValidationError as ModelViolation
from pydantic.errors import PydanticUserError
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from prismq_worker_sdk.errors import Fault, InvalidParams, SchemaError
from prismq_worker_sdk.handlers.faults import faults_of_json, faults_of_model, faults_of_violation, pointer_to
from prismq_worker_sdk.handlers.keywords import Validator, whole_numbers
from prismq_worker_sdk.handlers.mission_form import json_schema_of
from prismq_worker_sdk.handlers.model_schema import schema_of_model
from prismq_worker_sdk.handlers.patterns import CheckTimeout, Matcher, check_pattern, matching

__all__ = ["DRAFT", "ParamsSpec", "checked_schema", "result_schema"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"


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
        validator: Of the schema; made once, which costs more than most params take to check.
    """

    schema: dict[str, Any]
    model: type[BaseModel] | None = None
    warnings: tuple[str, ...] = ()
    validator: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "validator", _validator(self.schema))

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
            try:
                schema, warnings = schema_of_model(declaration)
                return cls(_published(schema), declaration, warnings)
            except PydanticUserError as error:
                raise SchemaError(f"{declaration.__name__} has no JSON Schema: {error.message}") from None
        if isinstance(declaration, Mapping):
            own = "$schema" in declaration or declaration.get("type") == "object"
            return cls(_published(declaration if own else json_schema_of(declaration)))
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
        try:
            with matching(matcher or Matcher()):
                faults = tuple(faults_of_json(params)) or tuple(_faults(self, params))
        except CheckTimeout as timeout:
            place = "" if timeout.text is None else pointer_to(timeout.text, params)
            faults = (Fault(place, timeout.told),)
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
        try:
            return self.model.model_validate_json(json.dumps(whole_numbers(params), allow_nan=False))
        except ModelViolation as error:
            raise InvalidParams(tuple(faults_of_model(error, params))) from None


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same JSON Schema, of any type.

    Raises:
        SchemaError: It is none, or refers to something that is not in it; nothing is ever fetched.
    """
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        resource = DRAFT202012.create_resource(schema)
        for pattern in _patterns(resource):
            check_pattern(pattern)
    except jsonschema.SchemaError as error:
        raise SchemaError(f"the schema is no JSON Schema: {error.message} at {error.json_path}") from None
    except ValueError as error:
        raise SchemaError(f"the schema has {error}") from None
    except (OverflowError, RecursionError) as error:  # of the modules that read patterns, and of deep schemas
        raise SchemaError(f"the schema cannot be read: {error}") from None
    for reference in _unresolved(resource, REGISTRY.resolver_with_root(resource)):
        raise SchemaError(f"the schema refers to {reference!r}, which is not in it; give it whole")
    return schema


def result_schema(returned: object) -> dict[str, Any] | None:
    """The JSON Schema of results that are instances of a pydantic model; None for any other type.

    Raises:
        SchemaError: The model has none.
    """
    if not isinstance(returned, type) or not issubclass(returned, BaseModel):
        return None
    try:
        return checked_schema({"$schema": DRAFT, **returned.model_json_schema(mode="serialization")})
    except PydanticUserError as error:
        raise SchemaError(f"{returned.__name__} has no JSON Schema: {error.message}") from None


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


def _published(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as others read it: JSON, of 2020-12, for an object, its defaults fitting."""
    try:
        schema = json.loads(json.dumps({"$schema": DRAFT, "type": "object", **declared}, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"the parameter schema is no JSON: {error}") from None
    if schema["$schema"] not in {DRAFT, f"{DRAFT}#"}:
        raise SchemaError(f"the parameter schema is written for {schema['$schema']!r}; write it for {DRAFT}")
    checked_schema(schema)
    if schema["type"] != "object":
        raise SchemaError(
            f"the parameter schema is of type {schema['type']!r}; parameters are always an object"
        )
    for name, own in _properties(schema):
        if "default" in own:
            for fault in _default_faults(schema, own):
                raise SchemaError(
                    f"the default of parameter {name!r} does not fit its own schema: {fault.message}"
                )
    return {**schema, "$schema": DRAFT}


def _properties(schema: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every property of an object schema and of the schemas inside it."""
    if not isinstance(schema, Mapping):
        return
    for name, own in schema.get("properties", {}).items():
        if isinstance(own, Mapping):
            yield name, own
    for part in DRAFT202012.create_resource(schema).subresources():
        yield from _properties(part.contents)


def _default_faults(schema: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        for violation in _validator(schema).descend(own["default"], own):
            yield from faults_of_violation(violation)
    except RecursionError:
        yield Fault("", "it refers to itself without end")
    except CheckTimeout as timeout:
        yield Fault("", timeout.told)


def _patterns(resource: Any) -> Iterator[str]:
    if isinstance(resource.contents, Mapping):
        yield from resource.contents.get("patternProperties", ())
        if "pattern" in resource.contents:
            yield resource.contents["pattern"]
    for part in resource.subresources():
        yield from _patterns(part)


def _validator(schema: Mapping[str, Any]) -> Any:
    """The validator of a schema; without `$schema`, which would bring back the plain one at `$ref: "#"`."""
    own = {keyword: value for keyword, value in schema.items() if keyword != "$schema"}
    return Validator(own, registry=REGISTRY)


_ANY_OBJECT = frozenset({"$schema", "type"})


def _faults(spec: ParamsSpec, params: object) -> Iterator[Fault]:
    if spec.schema.keys() <= _ANY_OBJECT and isinstance(params, dict):
        return
    violations = spec.validator.iter_errors(params)
    for violation in sorted(violations, key=lambda error: list(map(str, error.path))):
        yield from faults_of_violation(violation)


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
