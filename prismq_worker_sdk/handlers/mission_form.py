"""The mission's own way to write parameters, turned into JSON Schema.

`{"max_results": {"type": "integer", "required": false, "default": 10, "min": 1, "max": 50}}`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prismq_worker_sdk.errors import SchemaError

TYPES = ("string", "integer", "number", "boolean", "array", "object")
AS_IS = ("default", "description", "enum", "pattern", "format", "items", "title", "examples", "writeOnly")
BOUNDS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}
KNOWN = ("type", "required", "min", "max", *AS_IS)


def json_schema_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of parameters in the mission's form; a parameter is optional unless `required` is true.

    `min` and `max` bound the value of a number, the length of a string, the number of items of an array.

    Raises:
        SchemaError: The form has an unknown type or key; names the parameter.
    """
    properties = {name: _property(name, said) for name, said in form.items()}
    required = [name for name, said in form.items() if _required(name, said)]
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def _property(name: str, said: object) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        raise SchemaError(
            f"parameter {name!r} is {said!r}; write {{'type': 'string', 'required': true}} or the like"
        )
    unknown = sorted(str(key) for key in said if key not in KNOWN)
    if unknown:
        raise SchemaError(
            f"parameter {name!r} has unknown keys {', '.join(unknown)}; known are {', '.join(KNOWN)}"
        )
    kind = said.get("type")
    if kind not in TYPES:
        raise SchemaError(f"parameter {name!r} has type {kind!r}; choose one of {', '.join(TYPES)}")
    if ("min" in said or "max" in said) and kind not in BOUNDS:
        raise SchemaError(f"parameter {name!r} of type {kind} cannot have min or max")
    return _bounded({key: value for key, value in said.items() if key != "required"})


def _bounded(said: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema, in which `min` and `max` mean the same for what a list holds as for a parameter."""
    found = {key: value for key, value in said.items() if key not in {"min", "max"}}
    kind = said.get("type")
    bounds = BOUNDS.get(kind, ()) if isinstance(kind, str) else ()
    found |= {bound: said[key] for key, bound in zip(("min", "max"), bounds, strict=False) if key in said}
    if isinstance(said.get("items"), Mapping):
        found["items"] = _bounded(said["items"])
    return found


def _required(name: str, said: Mapping[str, Any]) -> bool:
    required = said.get("required", False)
    if not isinstance(required, bool):
        raise SchemaError(f"parameter {name!r} has required={required!r}; write true or false")
    return required
