"""The server's small dialect of JSON Schema, with its own opinions on numbers and empty objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from prismq_worker_sdk.handlers.patterns import CheckTimeout, Matcher
from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.testing.prismq_client.answers import Refused

NO_TYPE = 'Undefined array key "type"'


def accepted(given: Any) -> dict[str, Any]:
    """The schema to keep, given as an object or as JSON text.

    Raises:
        Refused: The text is no JSON, or the schema has no type.
    """
    if isinstance(given, str):
        try:
            given = php.decode(given)
        except php.InvalidJsonError:
            raise Refused(400, "Invalid JSON schema format") from None
    if not isinstance(given, dict) or given.get("type") is None:
        raise Refused(400, 'JSON schema must have a "type" property')
    return given


def violations(value: Any, schema: Any, path: str = "") -> list[str]:
    """What is wrong with a value, in the server's words."""
    return list(_violations(value, schema, path)) if isinstance(schema, dict) else []


def warnings(value: Any, schema: Any) -> list[str]:
    """What PHP says while it looks at a value: four times for each property that has no type."""
    stated = schema.get("properties") if isinstance(schema, dict) and isinstance(value, dict) else None
    found = []
    for name, part in stated.items() if isinstance(stated, dict) else ():
        if name in value:
            typed = isinstance(part, dict) and "type" in part
            found += [*([] if typed else [NO_TYPE] * 4), *warnings(value[name], part)]
    return found


def _violations(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    wanted, found = schema.get("type"), _type(value)
    if wanted is not None and wanted != found:
        yield f"Type mismatch at {path}: expected {php.as_string(wanted)}, got {found}"
        return
    enum = schema.get("enum")
    if isinstance(enum, list) and not any(_type(one) == found and one == value for one in enum):
        yield f"Value at {path} is not one of the allowed values"
    match value:
        case str():
            yield from _of_text(value, schema, path)
        case bool():
            pass
        case int() | float():
            yield from _within(value, schema, path, ("minimum", "maximum"), "Value")
        case list():
            yield from _of_list(value, schema, path)
        case dict():
            yield from _of_object(value, schema, path)
        case _:
            pass


def _of_text(value: str, schema: dict[str, Any], path: str) -> Iterator[str]:
    yield from _within(len(value.encode()), schema, path, ("minLength", "maxLength"), "Length")
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return
    try:
        if not _matches(_between_hashes(pattern), value):
            yield f"Pattern mismatch at {path}"
    except (re.error, CheckTimeout):  # PHP gives up on a match that takes too long
        yield f"Invalid regex pattern at {path}"


def _matches(pattern: str, value: str) -> bool:
    """Whether the pattern is found; its `$` stands before a last line end, too."""
    matcher = Matcher()
    return any(matcher.search(pattern, one) for one in dict.fromkeys((value, value.removesuffix("\n"))))


def _between_hashes(pattern: str) -> str:
    """The pattern as PHP finds it between two `#`, of which nothing inside is escaped."""
    if re.match(r"(?:[^\\#]|\\.)*#", pattern, re.DOTALL):
        raise re.error("what stands behind its end is no modifier")
    return pattern


def _of_list(value: list[Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    yield from _within(len(value), schema, path, ("minItems", "maxItems"), "Number of items")
    for number, item in enumerate(value):
        yield from violations(item, schema.get("items"), f"{path}[{number}]")


def _of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    required = schema.get("required")
    for name in required if isinstance(required, list) else []:
        if value.get(php.as_string(name)) is None:
            yield f"Missing required property: {path}.{name}"
    stated = schema.get("properties")
    properties = stated if isinstance(stated, dict) else {}
    for name, part in properties.items():
        if name in value:
            yield from violations(value[name], part, f"{path}.{name}" if path else name)
    if schema.get("additionalProperties") is False:
        for name in value:
            if name not in properties:
                yield f"Additional property not allowed: {path}.{name}"


def _within(
    size: float, schema: dict[str, Any], path: str, bounds: tuple[str, str], what: str
) -> Iterator[str]:
    least, most = (schema.get(bound) if "type" in schema else None for bound in bounds)
    if isinstance(least, int | float) and size < least:
        yield f"{what} at {path} is less than {bounds[0]} {php.as_string(least)}"
    if isinstance(most, int | float) and size > most:
        yield f"{what} at {path} is more than {bounds[1]} {php.as_string(most)}"


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"
