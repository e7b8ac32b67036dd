"""Parameters of a task type: one published JSON Schema, however they were declared, and the check against it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from prismq_worker_sdk.errors import InvalidParams, SchemaError
from prismq_worker_sdk.handlers.mission_form import json_schema_of
from prismq_worker_sdk.handlers.strict_json import faults_of_json, is_strict
from prismq_worker_sdk.model.json import DRAFT

if TYPE_CHECKING:
    from pydantic import BaseModel

    from prismq_worker_sdk.handlers.patterns import Matcher

_ANY_OBJECT = frozenset({"$schema", "type"})


@dataclass(frozen=True, slots=True)
class ParamsSpec:
    """What parameters a task type takes.

    A declaration is one of four: a TaskParams (or other pydantic) model; a JSON Schema (2020-12), known by
    `"type": "object"` or `$schema` at its top; the mission's form, any other dict; or the type `dict`, for any
    object. What is no JSON is refused, then the published schema decides, then the model, in pydantic's JSON
    mode. Two things are read alike by both: `$` in a pattern means the end of the text, and 1.0 is an integer.

    Attributes:
        schema: The published JSON Schema.
        model: The pydantic model that `parse` makes, None for a plain dict.
        warnings: Where the schema refuses what the model would take.
        validator: Of the schema, made once: that costs more than a check; None where any object fits.
    """

    schema: dict[str, Any]
    model: type[BaseModel] | None = None
    warnings: tuple[str, ...] = ()
    validator: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.schema.keys() <= _ANY_OBJECT:
            object.__setattr__(self, "validator", None)
        else:
            from prismq_worker_sdk.handlers.published import validator

            object.__setattr__(self, "validator", validator(self.schema))

    @classmethod
    def of(cls, declaration: object) -> ParamsSpec:
        """The spec of a declaration.

        Raises:
            SchemaError: It is none of the four, or its schema or a default in it is wrong.
        """
        if isinstance(declaration, ParamsSpec):
            return declaration
        if declaration is dict:
            return cls({"$schema": DRAFT, "type": "object"})
        from prismq_worker_sdk.handlers.published import of_model, published

        if is_model(declaration):
            schema, warnings = of_model(declaration)
            return cls(schema, declaration, warnings)
        if isinstance(declaration, Mapping):
            own = "$schema" in declaration or declaration.get("type") == "object"
            return cls(published(declaration if own else json_schema_of(declaration)))
        raise SchemaError(
            f"params {declaration!r} is no declaration of parameters; give a TaskParams model, a JSON Schema, "
            "the {'name': {'type': …}} form, or dict"
        )

    def check(self, params: object, matcher: Matcher | None = None) -> None:
        """Checks parameters against the published schema, in bounded time.

        Args:
            matcher: Matches the patterns.

        Raises:
            InvalidParams: They do not fit, or that could not be decided in time; names every field.
        """
        faults = () if is_strict(params) else tuple(faults_of_json(params))
        if not faults and not (self.validator is None and isinstance(params, dict)):
            from prismq_worker_sdk.handlers.published import faults_of_params

            faults = faults_of_params(self.schema, self.validator, params, matcher)
        if faults:
            raise InvalidParams(faults)

    def parse(self, params: object) -> Any:
        """The parameters as the handler gets them: a model, or a dict with its defaults filled in.

        Raises:
            InvalidParams: They do not fit, or that could not be decided in time; names every field.
        """
        self.check(params)
        if self.model is None:
            return _handed(self.schema, params)
        from prismq_worker_sdk.handlers.published import instance_of

        return instance_of(self.model, params)


def is_model(declaration: object) -> TypeGuard[type[BaseModel]]:
    """Whether it is a pydantic model; that library is not imported for the question."""
    pydantic = sys.modules.get("pydantic")
    return (
        pydantic is not None and isinstance(declaration, type) and issubclass(declaration, pydantic.BaseModel)
    )


def _handed(schema: Mapping[str, Any], value: Any) -> Any:
    """A copy with the defaults of properties filled in, in objects and lists inside too, and 1.0 as the integer 1."""
    if isinstance(value, Mapping):
        filled = dict(value)
        for name, own in schema.get("properties", {}).items():
            if not isinstance(own, Mapping):
                continue
            if name not in filled and "default" in own:
                filled[name] = copy.deepcopy(own["default"])
            if name in filled:
                filled[name] = _handed(own, filled[name])
        return filled
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [_handed(schema["items"], item) for item in value]
    return int(value) if isinstance(value, float) and schema.get("type") == "integer" else value
