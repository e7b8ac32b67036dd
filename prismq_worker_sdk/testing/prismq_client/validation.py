"""How fields of a request are wanted, and what is said when they are not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.testing.prismq_client.answers import Refused


@dataclass(frozen=True, slots=True)
class Field:
    """A field that must be there, and what its value must be."""

    name: str
    missing: str
    fault: Callable[[Any], str | None]


def fields_of(body: bytes) -> Mapping[str, Any]:
    """The fields of a request; none when its JSON is no object.

    Raises:
        Refused: It is no JSON.
    """
    try:
        value = php.decode(body)
    except php.InvalidJsonError:
        raise Refused(400, "Invalid JSON in request body") from None
    return value if isinstance(value, dict) else {}


def validate(given: Mapping[str, Any], *wanted: Field) -> None:
    """Raises Refused that tells every field at fault."""
    details = []
    for field in wanted:
        value = given.get(field.name)
        absent = value is None or value == ""
        fault = field.missing if absent else field.fault(value)
        if fault is not None:
            details.append(fault.format(name=field.name))
    if details:
        raise Refused(400, "Validation failed", tuple(details))


def need(given: Mapping[str, Any], *names: str, empty: tuple[Any, ...] = (None,)) -> None:
    """Raises Refused for the first field that is not there."""
    for name in names:
        if given.get(name) in empty:
            raise Refused(400, f"Missing required field: {name}")


def text(value: Any) -> str | None:
    """The fault of a value that should be text."""
    return None if isinstance(value, str) else "Field '{name}' must be of type string"


def with_names(value: Any) -> str | None:
    """The fault of a value that should be an object; an empty one is none to PHP."""
    return None if php.is_object(value) else "Field '{name}' must be of type object"


def percentage(value: Any) -> str | None:
    """The fault of a value that should be an int from 0 to 100."""
    if not isinstance(value, int) or isinstance(value, bool):
        return "Field '{name}' must be of type integer"
    if value < 0:
        return "Field '{name}' must be at least 0"
    return None if value <= 100 else "Field '{name}' must be at most 100"  # noqa: PLR2004


def typed_text(value: Any) -> str:
    """The value as a parameter of the type string takes it.

    Raises:
        PhpTypeError: It is a list or an object.
    """
    if isinstance(value, list | dict):
        raise php.PhpTypeError("must be of type string, array given")
    return php.as_string(value)
