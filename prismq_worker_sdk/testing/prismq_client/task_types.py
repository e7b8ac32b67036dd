"""Task types: registering one, looking one up, and what its schema says of params.

The server has its own small dialect of JSON Schema, with opinions on numbers and empty objects.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from prismq_worker_sdk.handlers.patterns import CheckTimeout, Matcher
from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.testing.prismq_client.call import Call, Refused, need, short_text, typed_text

LONGEST_VERSION = 50
BROKEN_LIST = "Invalid select field: COALESCE(t.usage_count, 0) as usage_count"
NO_TYPE = 'Undefined array key "type"'
_ENDS_EARLY = re.compile(r"(?:[^\\#]|\\.)*#", re.DOTALL)
"""A pattern that holds a `#`: the server puts it between two of them, and escapes none inside."""


def register(call: Call) -> dict[str, Any]:
    """POST /task-types/register: a new type, or new words for one that is there."""
    given = call.fields()
    need(given, "name", "version", "param_schema", empty=(None, ""))
    name, version = (typed_text(given[field]) for field in ("name", "version"))
    stored = php.encode(accepted(given["param_schema"]))
    short_text(name, "name")
    short_text(version, "version", LONGEST_VERSION)
    known, now = find_type(call.db, name), call.stamp()
    if known is not None:
        call.db.execute(
            "UPDATE task_types SET version = ?, param_schema = ?, is_active = 1, updated_at = ? WHERE id = ?",
            (version, stored, now, known["id"]),
        )
        return {"id": known["id"], "name": name, "version": version, "updated": True}
    made = call.db.execute(
        "INSERT INTO task_types (name, folded, version, param_schema, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (name, name.casefold(), version, stored, now, now),
    )
    return {"id": str(made.lastrowid), "name": name, "version": version, "created": True}


def list_types(_call: Call) -> None:
    """GET /task-types: never anything but an error."""
    raise Refused(500, BROKEN_LIST)


def named(call: Call) -> dict[str, Any]:
    """GET /task-types/{name}: a list of one or none."""
    row = find_type(call.db, call.argument)
    if row is None:
        return call.one_of([])
    names = ("id", "name", "version", "param_schema", "is_active", "created_at", "updated_at")
    found = {name: row[name] for name in names}
    return call.one_of([found | {"param_schema": php.decode(row["param_schema"])}])


def find_type(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """The type of this name, in whatever case."""
    found = db.execute("SELECT * FROM task_types WHERE folded = ?", (name.casefold(),))
    row: sqlite3.Row | None = found.fetchone()
    return row


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
    wanted, found = schema.get("type"), _TYPES[type(value)]
    if wanted is not None and wanted != found:
        yield f"Type mismatch at {path}: expected {php.as_string(wanted)}, got {found}"
        return
    enum = schema.get("enum")
    if isinstance(enum, list) and not any(_TYPES[type(one)] == found and one == value for one in enum):
        yield f"Value at {path} is not one of the allowed values"
    if found in {"integer", "number"}:
        yield from _within(value, schema, path, ("minimum", "maximum"), "Value")
    elif found in _PARTS:
        yield from _PARTS[found](value, schema, path)


def _of_text(value: str, schema: dict[str, Any], path: str) -> Iterator[str]:
    yield from _within(len(value.encode()), schema, path, ("minLength", "maxLength"), "Length")
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return
    try:
        if _ENDS_EARLY.match(pattern):
            raise re.error("what stands behind its end is no modifier")
        matcher = Matcher()
        # its $ stands before a last line end, too
        if not any(matcher.search(pattern, one) for one in {value, value.removesuffix("\n")}):
            yield f"Pattern mismatch at {path}"
    except (re.error, CheckTimeout):  # PHP gives up on a match that takes too long
        yield f"Invalid regex pattern at {path}"


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


_PARTS: dict[str, Callable[[Any, dict[str, Any], str], Iterator[str]]] = {
    "string": _of_text,
    "array": _of_list,
    "object": _of_object,
}

_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
}
