"""What breaks producers when the schema of a task type changes; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote

Schema: TypeAlias = "Mapping[str, Any] | bool"
BY_NAME = {"$defs", "definitions", "properties"}
"""Keywords that hold schemas by name."""

DEEPEST = 128
"""Levels that are looked at; a request cannot nest deeper, a chain of references can."""
MOST_REFERENCES = 10_000
"""References that are followed in one comparison."""


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """How params that fitted the old schema may fail the new one, one sentence each.

    Looks at required fields, removed fields, types, enums and bounds, of nested objects and lists too, and follows
    references to parts of the same schema; a change it does not know is taken for harmless.
    """
    before, after = _whole(old, old), _whole(new, new)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _Comparison(old, new).parts(before, after, path, 0)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two whole schemas, and which references of theirs were compared with what already."""

    old_root: Mapping[str, Any]
    new_root: Mapping[str, Any]
    followed: set[tuple[int, int]] = field(default_factory=set)

    def changed(self, old: Schema, new: Schema, path: str, depth: int) -> Iterator[str]:
        """What breaks at this place and below it."""
        if old is False or new is True or depth > DEEPEST or self._was_followed(old, new):
            return
        before, after = _whole(self.old_root, old), _whole(self.new_root, new)
        if before is False or after is True:
            return
        if after is False:
            yield f"{path} is no longer taken"
            return
        known = {} if before is True else before
        yield from _narrowed(known, after, path)
        yield from self.parts(known, after, path, depth)

    def parts(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
        """What breaks at the fields and items of this place."""
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in new.get("required", []):
            if name not in old.get("required", []):
                yield f"{path}/{name} becomes required"
        if new.get("additionalProperties") is False:
            if old.get("additionalProperties") is not False:
                yield f"{path or '/'} no longer takes unknown fields"
            for name in before:
                if name not in after:
                    yield f"{path}/{name} is taken away"
        for name in before:
            if name in after:
                yield from self.changed(before[name], after[name], f"{path}/{name}", depth + 1)
        if "items" in new:
            yield from self.changed(old.get("items", True), new["items"], f"{path}/*", depth + 1)

    def _was_followed(self, old: Schema, new: Schema) -> bool:
        """Whether a reference is at one side and this pair was compared before: a schema may refer to itself."""
        if not any(isinstance(one, Mapping) and "$ref" in one for one in (old, new)):
            return False
        pair = (id(old), id(new))
        if pair in self.followed or len(self.followed) >= MOST_REFERENCES:
            return True
        self.followed.add(pair)
        return False


def _whole(root: Mapping[str, Any], schema: Schema) -> Schema:
    """The schema with what it refers to; a reference that leads nowhere says nothing."""
    own: dict[str, Any] = {}
    for _step in range(DEEPEST):
        if isinstance(schema, bool):
            return own or schema
        own = {**schema, **own}
        reference = own.pop("$ref", None)
        if reference is None:
            return own
        schema = _part(root, reference)
    return own


def _part(root: Mapping[str, Any], reference: object) -> Schema:
    """What a JSON pointer within the schema points to, where that is a schema for sure."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    steps = iter(unquote(reference[1:]).split("/")[1:])
    place: Any = root
    for keyword in steps:
        inner = place.get(keyword) if isinstance(place, Mapping) else None
        if keyword in BY_NAME and isinstance(inner, Mapping):
            inner = inner.get(next(steps, "").replace("~1", "/").replace("~0", "~"))
        elif keyword != "items":
            return {}
        place = inner
    return place if isinstance(place, Mapping | bool) else {}


def _narrowed(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    kinds = _kinds(old) - _kinds(new)
    if "type" in new and (
        "type" not in old or (kinds and not (kinds == {"integer"} and "number" in _kinds(new)))
    ):
        yield f"{path} changes its type from {old.get('type', 'anything')} to {new['type']}"
    if "enum" in new and not set(map(repr, old.get("enum", [object()]))) <= set(map(repr, new["enum"])):
        yield f"{path} takes fewer values"
    for low in ("minimum", "minLength", "minItems", "exclusiveMinimum"):
        if low in new and (low not in old or new[low] > old[low]):
            yield f"{path} has a higher {low}"
    for high in ("maximum", "maxLength", "maxItems", "exclusiveMaximum"):
        if high in new and (high not in old or new[high] < old[high]):
            yield f"{path} has a lower {high}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{path} has another pattern"


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)
