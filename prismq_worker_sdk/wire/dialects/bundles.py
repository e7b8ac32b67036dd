"""Which extensions a v1 server announces (protocol.md, extensions)."""

from __future__ import annotations

from typing import Any

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.wire.dialects.reading import number

__all__ = ["bundle"]

MOST_TASKS = 1024
LONGEST_WAIT = 60.0
LONGEST_LEASE = 86400.0
"""What is believed of a server's numbers."""


def bundle(announced: Any) -> Capabilities | None:
    """What the bundle allows, None when it is not announced whole: a bundle counts only when it is complete."""
    if not isinstance(announced, dict):
        return None
    max_tasks, max_bytes = number(announced.get("max_tasks")), number(announced.get("max_bytes"))
    max_wait, lease = number(announced.get("max_wait_seconds")), number(announced.get("lease_seconds"))
    if max_tasks is None or max_bytes is None or max_wait is None or lease is None:
        return None
    if max_tasks < 1 or max_bytes < 1 or max_wait < 0 or lease <= 0:
        return None
    return Capabilities(
        max_tasks=int(min(max_tasks, MOST_TASKS)),
        max_reports=int(min(max_tasks, MOST_TASKS)),
        max_wait_seconds=min(max_wait, LONGEST_WAIT),
        lease_seconds=min(lease, LONGEST_LEASE),
        max_request_bytes=int(min(max_bytes, 2**31)),
        renews=True,
        releases=True,
        creates=True,
        fences=True,
        finds_claims=True,
    )
