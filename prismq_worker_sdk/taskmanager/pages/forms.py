"""The fields of a form, made from a JSON Schema: those that a form has a control for; all else is written as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prismq_worker_sdk.model.json import escape

DEEPEST = 4
"""Levels of objects that become groups of fields."""
LONG = 200
"""Characters from which on a text has more than one line."""
LONGEST_CHAIN = 8
"""References that lead to each other."""
MISSING = object()
CHANGED = frozenset("\0\r")
"""Characters that browsers change in what a control shows."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A control of a form.

    Attributes:
        pointer: Where its value belongs (RFC 6901).
        kind: text, long, number, flag, choice, lines (a text on each), json, or group.
        value: What it shows at first; of a group nothing.
        hint: What else may be said of it: its default, its bounds.
        bounds: Attributes of the control, such as min.
        fields: Of a group.
    """

    pointer: str
    name: str
    label: str
    kind: str
    required: bool = False
    description: str = ""
    value: str = ""
    hint: str = ""
    choices: Sequence[str] = ()
    bounds: Mapping[str, Any] | None = None
    fields: Sequence[FormField] = ()


def fields_of(
    schema: Mapping[str, Any], values: Mapping[str, Any], pointer: str = "/params"
) -> list[FormField]:
    """The fields of an object.

    Args:
        schema: Of the object; `$ref` leads to its own `$defs`.
        values: That are there already.
        pointer: Of the object.
    """
    own = schema if "properties" in schema else _resolved(schema, schema)
    return _fields(schema, own, values, pointer, 1)


def fits_fields(fields: Sequence[FormField], values: Mapping[str, Any]) -> bool:
    """Whether the fields show all that is in the values: else a form would lose something."""
    by_name = {one.name: one for one in fields}
    return all(name in by_name and _shows(by_name[name], value) for name, value in values.items())


def _fields(
    root: Mapping[str, Any], schema: Mapping[str, Any], values: Mapping[str, Any], pointer: str, level: int
) -> list[FormField]:
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    found = (
        _field(root, name, one, values.get(name, MISSING), f"{pointer}/{escape(name)}", level)
        for name, one in sorted(properties.items(), key=lambda item: item[0] not in required)
    )
    return [replace(one, required=one.name in required) for one in found]


def _field(
    root: Mapping[str, Any], name: str, schema: Any, value: Any, pointer: str, level: int
) -> FormField:
    found = _resolved(root, schema)
    kind = _kind(found, level)
    inner = value if isinstance(value, Mapping) else {}
    return FormField(
        pointer=pointer,
        name=name,
        label=str(found.get("title") or name),
        kind=kind,
        description=str(found.get("description", "")),
        value="" if value is MISSING or kind == "group" else written(kind, value),
        hint=_hint(found),
        choices=[written("json", one) for one in found.get("enum", ())] if kind == "choice" else (),
        bounds=_bounds(found, kind),
        fields=_fields(root, found, inner, pointer, level + 1) if kind == "group" else (),
    )


def _kind(schema: Mapping[str, Any], level: int) -> str:
    kind = schema.get("type") if isinstance(schema.get("type"), str) else None
    if "enum" in schema:
        return "choice"
    if kind in {"integer", "number"}:
        return "number"
    if kind == "boolean":
        return "flag"
    if kind == "string":
        return "long" if schema.get("maxLength", 0) > LONG and not schema.get("format") else "text"
    if (
        kind == "array"
        and isinstance(schema.get("items"), Mapping)
        and schema["items"].get("type") == "string"
    ):
        return "lines"
    if kind == "object" and schema.get("properties") and level < DEEPEST:
        return "group"
    return "json"


def _resolved(root: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """A schema without references, and without `null` as its alternative: an optional value is left out."""
    for _ in range(LONGEST_CHAIN):
        if not isinstance(schema, Mapping):
            return {}
        choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        reference = str(schema.get("$ref", ""))
        if reference.startswith("#/$defs/"):
            target = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
        elif len(choices) == 1:
            (target,) = choices
        else:
            return {} if choices or reference else schema
        rest = {key: one for key, one in schema.items() if key not in {"$ref", "anyOf"}}
        schema = {**target, **rest} if isinstance(target, Mapping) else rest
    return {}


def written(kind: str, value: Any) -> str:
    """A value as its control shows it."""
    if kind in {"text", "long"} and isinstance(value, str):
        return value
    if kind == "lines" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return "" if value is None and kind not in {"json", "choice"} else json.dumps(value, ensure_ascii=False)


def _shows(field: FormField, value: Any) -> bool:
    """Whether a control holds exactly this; an empty one is left out, and so holds no value."""
    match field.kind:
        case "group":
            return isinstance(value, Mapping) and bool(value) and fits_fields(field.fields, value)
        case "text":
            return _is_line(value)
        case "long":
            return (
                isinstance(value, str) and not value.startswith("\n") and _is_line(value.replace("\n", " "))
            )
        case "lines":
            return isinstance(value, list) and bool(value) and all(map(_is_line, value))
        case "number":
            known = isinstance(value, int | float) and not isinstance(value, bool)
            return known and abs(value) <= sys.float_info.max
        case "flag":
            return isinstance(value, bool)
        case "choice":
            return written("json", value) in field.choices
    return True


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\n" not in value and CHANGED.isdisjoint(value)


def _hint(schema: Mapping[str, Any]) -> str:
    said = []
    if (default := schema.get("default", None)) is not None:
        said.append(f"{json.dumps(default, ensure_ascii=False)[:100]} unless given")
    for name, words in (("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most")):
        if name in schema:
            said.append(f"{words} {schema[name]}")
    if isinstance(pattern := schema.get("pattern"), str):
        said.append(f"as {pattern[:100]}")
    return ", ".join(said)


def _bounds(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind == "number":
        names = {"minimum": "min", "maximum": "max"}
        found = {names[key]: schema[key] for key in names if isinstance(schema.get(key), int | float)}
        return {**found, "step": 1 if schema.get("type") == "integer" else "any"}
    return {}
