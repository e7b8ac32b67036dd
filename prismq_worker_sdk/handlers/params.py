"""TaskParams: the parameters of a task type as a pydantic model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TaskParams(BaseModel):
    """The base of parameter models: unknown keys are refused, values are not coerced, instances are frozen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
