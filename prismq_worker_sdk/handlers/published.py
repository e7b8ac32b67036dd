"""The published form of a schema: JSON, of 2020-12, checked whole; imported for the first that is not any object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from pydantic import BaseModel
from pydantic import ValidationError as ModelViolation
from pydantic.errors import PydanticUserError
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from prismq_worker_sdk.errors import Fault, InvalidParams, SchemaError
from prismq_worker_sdk.handlers.faults import faults_of_model, faults_of_violation, pointer_to
from prismq_worker_sdk.handlers.keywords import Validator, whole_numbers
from prismq_worker_sdk.handlers.model_schema import schema_of_model
from prismq_worker_sdk.handlers.patterns import CheckTimeout, Matcher, check_pattern, matching
from prismq_worker_sdk.model.json import DRAFT


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same JSON Schema, of any type.

    Raises:
        SchemaError: It is none, or refers to something that is not in it; nothing is ever fetched.
    """
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        parts = list(_parts(schema))
        for part, _resolver in parts:
            for pattern in (*part.get("patternProperties", ()), part.get("pattern", "")):
                check_pattern(pattern)
    except jsonschema.SchemaError as error:
        raise SchemaError(f"the schema is no JSON Schema: {error.message} at {error.json_path}") from None
    except ValueError as error:
        raise SchemaError(f"the schema has {error}") from None
    except (OverflowError, RecursionError) as error:  # of the modules that read patterns, and of deep schemas
        raise SchemaError(f"the schema cannot be read: {error}") from None
    for part, resolver in parts:
        for reference in _unresolved(part, resolver):
            raise SchemaError(f"the schema refers to {reference!r}, which is not in it; give it whole")
    return schema


def result_schema(returned: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of results that are instances of a pydantic model.

    Raises:
        SchemaError: The model has none.
    """
    try:
        return checked_schema({"$schema": DRAFT, **returned.model_json_schema(mode="serialization")})
    except PydanticUserError as error:
        raise SchemaError(f"{returned.__name__} has no JSON Schema: {error.message}") from None


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """A schema and every schema inside it, each with what resolves its references."""
    root = DRAFT202012.create_resource(schema)
    return _inside(root, REGISTRY.resolver_with_root(root))


def _inside(resource: Any, resolver: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
    yield resource.contents if isinstance(resource.contents, Mapping) else {}, resolver
    for part in resource.subresources():
        yield from _inside(part, resolver.in_subresource(part))


def _unresolved(schema: Mapping[str, Any], resolver: Any) -> Iterator[str]:
    for keyword in ("$ref", "$dynamicRef"):
        reference = schema.get(keyword)
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                yield reference


def published(declared: Mapping[str, Any]) -> dict[str, Any]:
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
    for part, _resolver in _parts(schema):
        for name, own in part.get("properties", {}).items():
            for fault in _default_faults(schema, own):
                raise SchemaError(
                    f"the default of parameter {name!r} does not fit its own schema: {fault.message}"
                )
    return {**schema, "$schema": DRAFT}


def _default_faults(schema: Mapping[str, Any], own: object) -> Iterator[Fault]:
    if not isinstance(own, Mapping) or "default" not in own:
        return
    try:
        for violation in validator(schema).descend(own["default"], own):
            yield from faults_of_violation(violation)
    except RecursionError:
        yield Fault("", "it refers to itself without end")
    except CheckTimeout as timeout:
        yield Fault("", timeout.told)


def validator(schema: Mapping[str, Any]) -> Any:
    """The validator of a schema; without `$schema`, which would bring back the plain one at `$ref: "#"`."""
    own = {keyword: value for keyword, value in schema.items() if keyword != "$schema"}
    return Validator(own, registry=REGISTRY)


def of_model(declaration: type[BaseModel]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The published schema of a model, and where it refuses what the model would take.

    Raises:
        SchemaError: The model has none.
    """
    try:
        schema, warnings = schema_of_model(declaration)
        return published(schema), warnings
    except PydanticUserError as error:
        raise SchemaError(f"{declaration.__name__} has no JSON Schema: {error.message}") from None


def faults_of_params(
    schema: Mapping[str, Any], checker: Any, params: object, matcher: Matcher | None
) -> tuple[Fault, ...]:
    """Where parameters do not fit a schema; one fault where that could not be decided in time.

    Args:
        checker: The validator of the schema, None for a new one.
        matcher: Matches the patterns.
    """
    try:
        with matching(matcher or Matcher()):
            violations = (checker or validator(schema)).iter_errors(params)
            ordered = sorted(violations, key=lambda error: list(map(str, error.path)))
            return tuple(fault for violation in ordered for fault in faults_of_violation(violation))
    except CheckTimeout as timeout:
        place = "" if timeout.text is None else pointer_to(timeout.text, params)
        return (Fault(place, timeout.told),)


def instance_of(model: type[BaseModel], params: Any) -> BaseModel:
    """The model with these parameters, which its schema took.

    Raises:
        InvalidParams: The model refuses them.
    """
    try:
        return model.model_validate_json(json.dumps(whole_numbers(params), allow_nan=False))
    except ModelViolation as error:
        raise InvalidParams(tuple(faults_of_model(error, params))) from None
