"""How keywords of JSON Schema are checked here where a plain library would take for ever, or says less."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError as SchemaViolation
from jsonschema.validators import extend

from prismq_worker_sdk.handlers.patterns import count, search

Violations = Iterator[SchemaViolation]


def unknown_names(schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterator[str]:
    """The names of an object that neither `properties` nor `patternProperties` of its schema know."""
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return (name for name in instance if name not in known and not any(search(one, name) for one in patterns))


def whole_numbers(value: Any) -> Any:
    """The same JSON with 1.0 as 1: JSON Schema takes both for an integer, pydantic only the second."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return value


def _pattern(_validator: Any, pattern: str, instance: object, _schema: Any) -> Violations:
    if isinstance(instance, str) and not search(pattern, instance):
        yield SchemaViolation(f"{instance!r} does not match {pattern!r}")


def _properties(validator: Any, properties: Any, instance: Any, _schema: Any) -> Violations:
    """As jsonschema has it, but a property that is forbidden by `false` is named too."""
    for name, own in properties.items() if isinstance(instance, Mapping) else ():
        if name in instance and own is False:
            yield SchemaViolation("is not allowed", path=[name])
        elif name in instance:
            yield from validator.descend(instance[name], own, path=name, schema_path=name)


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Violations:
    for pattern, own in patterns.items() if isinstance(instance, Mapping) else ():
        for name in instance:
            if search(pattern, name):
                yield from validator.descend(instance[name], own, path=name, schema_path=pattern)


def _additional_properties(validator: Any, own: Any, instance: Any, schema: Any) -> Violations:
    unknown = list(unknown_names(schema, instance)) if isinstance(instance, Mapping) else []
    if own is False and unknown:
        yield SchemaViolation(f"{', '.join(map(repr, unknown))}: not known")
    elif isinstance(own, Mapping):
        for name in unknown:
            yield from validator.descend(instance[name], own, path=name)


def _unevaluated_properties(validator: Any, own: Any, instance: Any, schema: Any) -> Violations:
    if not isinstance(instance, Mapping):
        return
    evaluated = _evaluated(validator, instance, schema)
    unfit = [name for name in instance if name not in evaluated and not _fits(validator, instance[name], own)]
    if unfit:
        yield SchemaViolation(f"{', '.join(map(repr, unfit))}: not allowed by unevaluatedProperties")


def _evaluated(validator: Any, instance: Mapping[str, Any], schema: Any) -> set[str]:
    """The names that some keyword of this schema has looked at, as jsonschema finds them."""
    if not isinstance(schema, Mapping):
        return set()
    found = set(schema.get("properties", {})) & set(instance)
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            resolved = validator._resolver.lookup(schema[keyword])  # noqa: SLF001 - as jsonschema's own keywords do
            inner = validator.evolve(schema=resolved.contents, _resolver=resolved.resolver)
            found |= _evaluated(inner, instance, resolved.contents)
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if keyword in schema:
            own = schema[keyword]
            found |= {name for name, value in instance.items() if _fits(validator, value, own)}
    found |= {name for one in schema.get("patternProperties", {}) for name in instance if search(one, name)}
    for branch in _branches(validator, instance, schema):
        found |= _evaluated(validator, instance, branch)
    return found


def _branches(validator: Any, instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas inside that hold for this same object."""
    yield from (own for name, own in schema.get("dependentSchemas", {}).items() if name in instance)
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from (one for one in schema.get(keyword, ()) if _fits(validator, instance, one))
    if "if" in schema:
        holds = _fits(validator, instance, schema["if"])
        yield from (schema["if"], schema.get("then")) if holds else (schema.get("else"),)


def _fits(validator: Any, value: Any, schema: Any) -> bool:
    return next(validator.descend(value, schema), None) is None


def _multiple_of(validator: Any, step: Any, instance: Any, schema: Any) -> Violations:
    """As jsonschema has it, but a number too large to be divided is refused."""
    try:
        yield from jsonschema.Draft202012Validator.VALIDATORS["multipleOf"](validator, step, instance, schema)
    except OverflowError:
        yield SchemaViolation(f"is too large for a multiple of {step!r}")


def _unique_items(_validator: Any, unique: Any, instance: Any, _schema: Any) -> Violations:
    """As jsonschema has it, but not by comparing each with each."""
    if unique and isinstance(instance, list):
        different = {json.dumps(item, sort_keys=True) for item in whole_numbers(instance)}
        if len(different) < len(instance):
            yield SchemaViolation(f"{instance!r} has non-unique elements")


def _counted(keyword: Any) -> Any:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        count()
        return keyword(validator, value, instance, schema)

    return check


_OWN = {
    "additionalProperties": _additional_properties,
    "multipleOf": _multiple_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "unevaluatedProperties": _unevaluated_properties,
    "uniqueItems": _unique_items,
}
_KEYWORDS = jsonschema.Draft202012Validator.VALIDATORS | _OWN
Validator: Any = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {name: _counted(keyword) for name, keyword in _KEYWORDS.items()}
)
