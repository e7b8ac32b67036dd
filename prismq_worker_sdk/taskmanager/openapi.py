"""Request bodies in the OpenAPI document: they are read by hand, so they are named by hand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = ["takes"]


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is this model."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
