"""What is said of settings that cannot be used: every fault with its place, and no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from prismq_worker_sdk.decide.redaction import Redactor, is_secret_name

__all__ = ["faults_of"]


def faults_of(
    error: ValidationError,
    cls: type[BaseSettings],
    place_of: Callable[[str], str],
    written: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Every fault with its place; the value only where it is one plain value and cannot be a secret.

    Args:
        written: The values as people wrote them, `2d` where the fault is told of 172800.0.
    """
    parts = []
    for fault in error.errors(include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        given, message = written.get(name, fault["input"]), fault["msg"].removeprefix("Value error, ")
        inside = "".join(f".{part}" for part in fault["loc"][1:])
        if fault["type"] == "missing":
            parts.append(f"{place_of(name)}{inside} is not set")
            continue
        plain = not inside and isinstance(given, str | int | float)
        shown = f"={_text(given)}" if plain and not _may_be_secret(cls, name) else ""
        if not shown:
            message = Redactor([str(given)]).text(message)
        parts.append(f"{place_of(name) if name else cls.__name__}{inside}{shown}: {message}")
    return "; ".join(parts)


def _text(given: object) -> str:
    """A value as it is shown: a number is the same number wherever it was written."""
    return given if isinstance(given, str) and given.lstrip("-").isdecimal() else repr(given)


def _may_be_secret(cls: type[BaseSettings], name: str) -> bool:
    field = cls.model_fields.get(name)
    return field is None or "Secret" in str(field.annotation) or is_secret_name(name)
