"""The dialect of the TaskManager that PrismQ runs today (PHP on MySQL), as it was measured.

`answers` reads its two kinds of envelope, `values` says what it keeps of a value, `types` finds the numbers of task
types, `claiming`, `reporting` and `children` are the worker's calls, and `session` is what a connection remembers.
"""

from __future__ import annotations

from prismq_worker_sdk.wire.dialects.prismq_client.answers import envelope, is_empty_queue
from prismq_worker_sdk.wire.dialects.prismq_client.exchanging import exchange
from prismq_worker_sdk.wire.dialects.prismq_client.health import CAPABILITIES, check_key, read_health
from prismq_worker_sdk.wire.dialects.prismq_client.reporting import NAME
from prismq_worker_sdk.wire.dialects.prismq_client.session import Session

__all__ = [
    "CAPABILITIES",
    "NAME",
    "Session",
    "check_key",
    "envelope",
    "exchange",
    "is_empty_queue",
    "read_health",
]
