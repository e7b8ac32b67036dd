"""The dialect of the TaskManager that PrismQ runs today (PHP on MySQL), as it was measured; see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prismq_worker_sdk.wire.dialect import Dialect, Exchange
from prismq_worker_sdk.wire.dialects.prismq_client import envelope, tasks

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.checks import CheckContext, CheckResult
    from prismq_worker_sdk.wire.producer_backend import ProducerBackend


def _exchange() -> Exchange:
    from prismq_worker_sdk.wire.dialects.prismq_client.reports import exchange
    from prismq_worker_sdk.wire.dialects.prismq_client.session import Session

    session = Session()
    return lambda call, _can: exchange(session, call)


def _producer(api_url: str) -> ProducerBackend:
    from prismq_worker_sdk.wire.dialects.prismq_client.producer import PrismqClientProducer

    return PrismqClientProducer(api_url)


def _check(context: CheckContext) -> Iterable[CheckResult]:
    from prismq_worker_sdk.wire.dialects.prismq_client.checks import check

    return check(context)


DIALECT = Dialect(
    name=envelope.NAME,
    read_health=envelope.read_health,
    exchange=_exchange,
    producer=_producer,
    check=_check,
    finds_no_task=envelope.is_empty_queue,
    check_key=tasks.check_key,
    limits_requests=True,
    claims_one_type=True,
    capabilities=envelope.CAPABILITIES,
)
