"""What is wrong with parameters, field by field, without telling a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prismq_worker_sdk.errors import Fault
from prismq_worker_sdk.handlers.keywords import unknown_names
from prismq_worker_sdk.model.json import escape

if TYPE_CHECKING:  # what raises them has imported them
    from jsonschema.exceptions import ValidationError as SchemaViolation
    from pydantic import ValidationError as ModelViolation

LONGEST_MESSAGE = 300


def faults_of_violation(violation: SchemaViolation) -> Iterator[Fault]:
    """The fields at fault in one violation of a schema."""
    pointer = _pointer(violation.absolute_path)
    instance: Any = violation.instance
    schema: Any = violation.schema
    if violation.validator == "required" or _wants_one(violation):
        for name, message in _missing(violation):
            yield Fault(f"{pointer}/{escape(name)}", message)
    elif violation.validator == "additionalProperties" and schema["additionalProperties"] is False:
        for name in unknown_names(schema, instance):
            yield Fault(f"{pointer}/{escape(name)}", "is not a known parameter")
    elif inside := _meant(violation):
        for one in inside:
            yield from faults_of_violation(one)
    elif _secret(schema):
        yield Fault(pointer, f"does not fit ({violation.validator})")
    elif isinstance(instance, Mapping | list):
        kind = "object" if isinstance(instance, Mapping) else "list"
        yield Fault(pointer, _short(violation.message.replace(repr(instance), f"this {kind}")))
    else:
        yield Fault(pointer, _short(violation.message))


def faults_of_model(error: ModelViolation, params: Any) -> Iterator[Fault]:
    """The fields at fault in parameters that a model refused."""
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        path = _path(fault["loc"], params)
        if fault["type"] == "missing":
            path.append(fault["loc"][-1])
        yield Fault(_pointer(path), _short(fault["msg"].removeprefix("Value error, ")))


def pointer_to(text: str, value: object) -> str:
    """The first place of a text in JSON, as a value or as a name; "" where it is not in it."""
    return next(_places(text, value, ""), "")


def _places(text: str, value: object, place: str) -> Iterator[str]:
    if value == text:
        yield place
    if isinstance(value, Mapping | list):
        for step, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            here = f"{place}/{escape(step)}"
            if step == text:
                yield here
            yield from _places(text, item, here)


def _wants_one(violation: SchemaViolation) -> bool:
    """Whether one of several names is required, as of a field that may be called this or that."""
    branches: Any = violation.validator_value
    return violation.validator == "anyOf" and all(
        isinstance(one, Mapping) and list(one) == ["required"] for one in branches
    )


def _missing(violation: SchemaViolation) -> Iterator[tuple[str, str]]:
    wanted: Any = violation.validator_value
    if violation.validator == "anyOf":
        names = [one["required"][0] for one in wanted]
        yield names[0], f"is missing (or {' or '.join(names[1:])})"
        return
    instance: Any = violation.instance
    for name in wanted:
        if name not in instance and f"{name!r} is a required property" == violation.message:
            yield name, "is missing"


def _meant(violation: SchemaViolation) -> list[SchemaViolation]:
    """Of alternatives, the violations of the only one that is for this kind of value; none when several are."""
    if violation.validator not in {"anyOf", "oneOf"}:
        return []
    branches: dict[Any, list[SchemaViolation]] = {}
    for one in violation.context or ():
        if one.relative_schema_path:
            branches.setdefault(one.relative_schema_path[0], []).append(one)
    left = [branch for branch in branches.values() if not any(_of_another_kind(one) for one in branch)]
    return left[0] if len(left) == 1 else []


def _of_another_kind(violation: SchemaViolation) -> bool:
    depth = len(violation.relative_path)
    return (violation.validator == "type" and depth == 0) or (violation.validator == "const" and depth <= 1)


def _path(loc: tuple[int | str, ...], params: Any) -> list[int | str]:
    """The steps of a place that are in the parameters; pydantic adds names of its own for alternatives and keys."""
    steps: list[int | str] = []
    here = params
    for step in loc:
        known = range(len(here)) if isinstance(here, list) else here if isinstance(here, Mapping) else ()
        if step in known:
            here = here[step]
            steps.append(step)
    return steps


def _secret(schema: object) -> bool:
    if not isinstance(schema, Mapping):
        return False
    alternatives = (one for keyword in ("anyOf", "oneOf", "allOf") for one in schema.get(keyword, ()))
    return (
        schema.get("writeOnly") is True
        or schema.get("format") == "password"
        or any(_secret(one) for one in alternatives)
    )


def _pointer(path: Any) -> str:
    return "".join(f"/{escape(step)}" for step in path)


def _short(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
