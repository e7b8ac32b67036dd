"""What a worker says once it has found its server."""

from __future__ import annotations

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import Notice, WorkerStarted
from prismq_worker_sdk.worker.runtime import Runtime


def announce(runtime: Runtime, *, state_dir: str, recovered: int) -> None:
    """Tells who works where, and what this server makes of it.

    Args:
        recovered: Reports of earlier processes in the outbox.
    """
    config, can = runtime.config, runtime.health.capabilities
    runtime.emit(
        WorkerStarted(
            worker_id=runtime.worker_id,
            api_url=config.api_url,
            dialect=runtime.health.dialect,
            task_types=runtime.registry.types,
            concurrency=config.concurrency,
            state_dir=state_dir,
            grace_seconds=config.grace_period,
            recovered=recovered,
            parked=runtime.parked,
        )
    )
    if config.worker_id and not can.fences:
        runtime.emit(
            Notice(
                "warning",
                f"worker id {config.worker_id!r} was given by you; replicas that share it can complete each "
                "other's tasks on this server, so give each its own or none",
            )
        )
    if config.claim_order is not None and not can.orders_claims:
        text = f"--claim-order {config.claim_order} has no effect on this server: it chooses the order of tasks itself"
        runtime.emit(Notice("warning", text))
    if not can.renews:
        limit = duration.text(config.server_claim_timeout)
        runtime.emit(
            Notice(
                "info",
                f"this server cannot renew claims; handlers are held to its claim timeout, taken to be {limit} "
                "(--server-claim-timeout)",
            )
        )
