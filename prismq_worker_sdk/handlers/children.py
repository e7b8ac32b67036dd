"""Tasks that a handler creates together with its result."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.errors import UnfitResult
from prismq_worker_sdk.handlers.handler import check_task_type
from prismq_worker_sdk.handlers.results import encode_result
from prismq_worker_sdk.model.outcome import Child

MAX_PARAMS_BYTES = 1024 * 1024
"""docs/rules.md, limits."""


def child_of(
    number: int,
    task_type: str,
    params: dict[str, Any],
    priority: int | None,
    *,
    max_bytes: int = MAX_PARAMS_BYTES,
) -> Child:
    """The task that the `number`-th `ctx.submit` of a try creates.

    Args:
        max_bytes: The largest params that this server takes.

    Raises:
        PluginError: The type is no task type.
        UnfitResult: The params are no JSON object, or too large.
    """
    check_task_type(task_type, "ctx.submit")
    text = encode_result(params, max_bytes=max_bytes, name="child")
    if not text.startswith("{"):
        raise UnfitResult(f"the params of {task_type} are {text[:80]}; params are always an object")
    return Child(str(number), task_type, text, priority)
