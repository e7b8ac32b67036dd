"""Models of parameters, and their JSON Schema, which takes what they take: every name, and the flags of patterns."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from prismq_worker_sdk.handlers.linear import parsed

FLAGS = {re.ASCII: "a", re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x"}


class TaskParams(BaseModel):
    """The base of parameter models: unknown keys are refused, values are not coerced, instances are frozen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def schema_of_model(model: type[BaseModel]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The schema, and where it refuses what the model would take, a sentence each.

    Raises:
        PydanticUserError: The model has none.
    """
    notes: list[str] = []

    class Generator(_Generator):
        told = notes

    schema = model.model_json_schema(schema_generator=Generator)
    return schema, tuple(dict.fromkeys(notes))


class _Generator(GenerateJsonSchema):
    """pydantic's own, which publishes the first name of a field only, and patterns without their flags.

    Attributes:
        told: Where the schema refuses what the model would take.
        strips: Whether the model that is looked at strips every text.
    """

    told: list[str]
    strips = False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Every name that a field of the model may have."""
        cls = schema["cls"]
        before, self.strips = self.strips, bool(cls.model_config.get("str_strip_whitespace"))
        found = super().model_schema(schema)
        self.strips = before
        return _with_every_name(found, cls.model_fields, cls.model_config)

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        """The same for a dataclass inside a model."""
        fields = getattr(schema["cls"], "__pydantic_fields__", {})
        return _with_every_name(super().dataclass_schema(schema), fields, schema.get("config", {}))

    def str_schema(self, schema: Any) -> dict[str, Any]:
        """Patterns with their flags."""
        found = super().str_schema(schema)
        pattern = schema.get("pattern")
        if isinstance(pattern, re.Pattern):
            flags = "".join(letter for flag, letter in FLAGS.items() if pattern.flags & flag)
            found["pattern"] = f"(?{flags}){pattern.pattern}" if flags else pattern.pattern
        elif pattern is not None and _has_set_operations(pattern):
            self.told.append(
                f"the pattern {pattern!r} has set operations for pydantic, and plain characters for its schema, "
                "which decides; write it without them"
            )
        if schema.get("strip_whitespace", self.strips):
            counted = [word for word in ("maxLength", "pattern") if word in found]
            if counted:
                self.told.append(
                    f"its schema looks at a text before strip_whitespace does ({', '.join(counted)}): one with "
                    "blanks around it may be refused; leave the limit to a validator of the model"
                )
        return found


def _with_every_name(schema: dict[str, Any], fields: Mapping[str, FieldInfo], config: Any) -> dict[str, Any]:
    if "properties" in schema:
        for name, field in fields.items():
            _add_names(schema, _names(name, field, config), _own_name(schema, name, field))
    return schema


def _own_name(schema: dict[str, Any], name: str, field: FieldInfo) -> str:
    """The name under which pydantic has published a field."""
    names = [way for way in _ways(name, field) if isinstance(way, str)]
    return next((one for one in (*names, name) if one in schema["properties"]), name)


def _names(name: str, field: FieldInfo, config: Any) -> list[str | AliasPath]:
    """What a field may be called, or where in another value it is."""
    ways = _ways(name, field) if config.get("validate_by_alias", True) else []
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    return [*ways, name] if by_name and name not in ways else ways


def _ways(name: str, field: FieldInfo) -> list[str | AliasPath]:
    alias = field.validation_alias if field.validation_alias is not None else field.alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [name if alias is None else alias]
    return [str(one.path[0]) if isinstance(one, AliasPath) and len(one.path) == 1 else one for one in choices]


def _add_names(schema: dict[str, Any], ways: list[str | AliasPath], published: str) -> None:
    names = list(dict.fromkeys(way if isinstance(way, str) else str(way.path[0]) for way in ways))
    if ways in ([], [published]):
        return
    own = schema["properties"].pop(published, {})
    for way in ways:
        if isinstance(way, str):
            schema["properties"][way] = copy.deepcopy(own)
        else:
            schema["properties"].setdefault(str(way.path[0]), {})
    if published in schema.get("required", ()):
        schema["required"].remove(published)
        if len(names) == 1:
            schema["required"].append(names[0])
        else:
            schema.setdefault("allOf", []).append({"anyOf": [{"required": [name]} for name in names]})


def _has_set_operations(pattern: str) -> bool:
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        try:
            parsed(pattern)
            re.compile(pattern)  # and remember it: who compiles it next is not warned any more
        except re.error:
            return False
    return any(issubclass(one.category, FutureWarning) for one in met)
