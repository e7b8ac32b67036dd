"""The dialect that the project documents (protocol.md): a base that any server can have, and two extensions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prismq_worker_sdk.wire.dialect import Dialect, Exchange
from prismq_worker_sdk.wire.dialects.v1.base import NAME, finds_no_task, read_health

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.checks import CheckContext, CheckResult
    from prismq_worker_sdk.wire.producer_backend import ProducerBackend


def _exchange() -> Exchange:
    from prismq_worker_sdk.wire.dialects.v1.exchange import exchange

    return exchange


def _producer(api_url: str) -> ProducerBackend:
    from prismq_worker_sdk.wire.dialects.v1.producer import V1Producer

    return V1Producer(api_url)


def _check(context: CheckContext) -> Iterable[CheckResult]:
    from prismq_worker_sdk.wire.dialects.v1.checks import check

    return check(context)


DIALECT = Dialect(
    name=NAME,
    read_health=read_health,
    exchange=_exchange,
    producer=_producer,
    check=_check,
    finds_no_task=finds_no_task,
)
