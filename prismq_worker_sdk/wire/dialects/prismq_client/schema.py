"""A JSON Schema in the few words that the server understands, so that it refuses nothing that a worker takes.

It reads `type` (one name), `required`, `properties`, `additionalProperties: false`, `items`, `enum`, `pattern` and
bounds, and has opinions of its own: an int is no `number`, null is no value of a required property, `{}` is an
array, `maxLength` counts bytes. What cannot be said in these words is left out, and found by the worker.
Two things it refuses all the same: 1.0 where an integer is meant (a repeat sends 1), and whole numbers beyond 64 bits,
which it would store as others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from prismq_worker_sdk.wire.dialects.prismq_client.values import LARGEST, RUN_KEY

KINDS = {"string", "integer", "number", "boolean", "array", "object"}
TYPES = KINDS - {"number", "object"}
"""What `type` can say as JSON Schema means it."""

MAX_CHARACTER_BYTES = 4
"""Bytes of a character in UTF-8."""

MAX_REFERENCES = 8
"""How many references are followed inside each other."""

_PLAIN_PATTERN = re.compile(
    r"""\^?
    (?:
        (?: [A-Za-z0-9_ ,:;=@\#%&!<>~"'/-]          # a character that means itself
          | \\[-.+*?()\[\]{}|^$]                    # or is escaped
          | \[[A-Za-z0-9_ -][A-Za-z0-9_ .,:;@+*-]*\]   # one of some
          | \.(?=[*+])                              # any number of any: bytes serve as well as characters
        )
        (?: [*+?] | \{\d{1,4}(?:,\d{0,4})?\} )?
    )*
    \$?""",
    re.VERBOSE,
)
"""Patterns that mean the same to PHP, in bytes."""

DELIMITER, ESCAPED = "#", r"\x23"
"""What the server puts around a pattern without escaping it inside, and how it is written there."""

_ENDS_EARLY = re.compile(r"(?:[^\\#]|\\.)*#", re.DOTALL)


def converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a type's params as this server checks it: never more strictly than it was meant.

    Args:
        schema: A JSON Schema (2020-12) for an object; references outside of it are not followed.
    """
    own, seen = _target(schema, schema, ())
    found = {"type": "object", **_of_object(schema, own, seen)}
    if found.get("additionalProperties") is False:
        found["properties"] = {RUN_KEY: {"type": "string"}, **found["properties"]}
    return found


def broken_pattern(schema: Any) -> str | None:
    """A pattern in a registered schema that the server cannot use, so that it refuses every task; None for none."""
    if not isinstance(schema, Mapping):
        return None
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _ENDS_EARLY.match(pattern):
        return pattern
    properties = schema.get("properties")
    inner = [schema.get("items"), *(properties.values() if isinstance(properties, Mapping) else ())]
    return next((found for one in inner if (found := broken_pattern(one)) is not None), None)


def _schema(root: Mapping[str, Any], schema: Any, seen: tuple[str, ...]) -> dict[str, Any]:
    own, seen = _target(root, schema, seen)
    kind, found = _kind(own), {}
    match kind:
        case "string":
            found = _of_text(own)
        case "integer" | "number":
            found = _bounds(own)
        case "array":
            found = _of_list(root, own, seen)
        case "object":
            found = _of_object(root, own, seen)
    values = _values(own)
    if values:
        found = {**found, "enum": values}
    return {"type": kind, **found} if kind in TYPES or _is_never_a_list(found) else found


def _target(
    root: Mapping[str, Any], schema: Any, seen: tuple[str, ...]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The schema itself, or the one it refers to; an empty one where that is not in the root, or leads in a circle."""
    while isinstance(schema, Mapping) and isinstance(reference := schema.get("$ref"), str):
        if reference in seen or len(seen) >= MAX_REFERENCES:
            return {}, seen
        seen = (*seen, reference)
        schema = _found(root, reference)
    foreign = not isinstance(schema, Mapping) or ("$id" in schema and schema is not root)
    return ({} if foreign else schema), seen


def _found(root: Mapping[str, Any], reference: str) -> Any:
    """What stands in the root under a reference such as `#/$defs/Name`, None for nothing."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    place: Any = root
    for step in reference.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, Mapping) else None
    return place


def _kind(schema: Mapping[str, Any]) -> str | None:
    """The one type of its values, None where there are several, or none is stated."""
    stated = schema.get("type")
    if isinstance(stated, list) and len(stated) == 1:
        stated = stated[0]
    return stated if isinstance(stated, str) and stated in KINDS else None


def _of_text(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = _counts(schema, "minLength")
    for name, most in _counts(schema, "maxLength").items():
        found[name] = most * MAX_CHARACTER_BYTES
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _PLAIN_PATTERN.fullmatch(pattern):
        found["pattern"] = pattern.replace(DELIMITER, ESCAPED)
    return found


def _bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds; an exclusive one as the number itself, which is told there as allowed."""
    found = {}
    for name, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        stated = schema.get(name, schema.get(exclusive))
        if isinstance(stated, int | float) and not isinstance(stated, bool):
            found[name] = stated
    return found


def _of_list(root: Mapping[str, Any], schema: Mapping[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    found = _counts(schema, "minItems", "maxItems")
    if "prefixItems" not in schema and (item := _schema(root, schema.get("items"), seen)):
        found["items"] = item
    return found


def _of_object(root: Mapping[str, Any], schema: Mapping[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
    stated, needed = schema.get("properties"), schema.get("required")
    properties = stated if isinstance(stated, Mapping) else {}
    required = [
        name
        for name in (needed if isinstance(needed, list) else [])
        if not _takes_null(*_target(root, properties.get(name), seen))
    ]
    found: dict[str, Any] = {"required": required} if required else {}
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    if properties or closed:
        found["properties"] = {name: _schema(root, own, seen) for name, own in properties.items()}
    if closed:
        found["additionalProperties"] = False
    return found


def _takes_null(schema: Mapping[str, Any], _seen: tuple[str, ...]) -> bool:
    """Whether null may be a value, as far as can be told; the server takes it for a missing one."""
    return _kind(schema) is None and None in (_values(schema) or [None])


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    """The only values there are, where the server compares them as JSON Schema does."""
    stated = [schema["const"]] if "const" in schema else schema.get("enum")
    return list(stated) if isinstance(stated, list) and all(map(_is_comparable, stated)) else None


def _is_comparable(value: Any) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < LARGEST)


def _is_never_a_list(found: Mapping[str, Any]) -> bool:
    """Whether a value that fits always has a name that is no number, so that PHP takes it for an object."""
    return any(not name.lstrip("-").isdigit() for name in found.get("required", ()))


def _counts(schema: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The keywords that count something."""
    stated = {name: schema.get(name) for name in names}
    return {
        name: int(value)
        for name, value in stated.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
