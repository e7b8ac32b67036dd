"""A live attempt goes on under a new claim of its task: the earlier one lapsed on the server (R9)."""

from __future__ import annotations

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.claim import Claim
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.commit_loop import count_and_tell, lapsed, ref_of
from prismq_worker_sdk.worker.services import Services

EARLY = 0.1
"""The part of a claim that must be left for its task to come too early."""


def taken_over(services: Services, live: Attempt, claim: Claim, limit_at: float) -> bool:
    """Whether the attempt goes on under the new claim; not when it has ended meanwhile.

    Args:
        limit_at: Clock reading at which the new claim ends the handler; its own time limit holds as well (R16).

    Raises:
        OutboxError: The new claim cannot be held.
    """
    before, held_until = live.ref, live.claim.expires_at
    with live.binding:
        if not services.outbox.rehold(live.claim.identity, claim):
            return False
        begun = live.claim.sent_at if live.started_at is None else live.started_at
        live.limit_at = min(limit_at, begun + live.handler.time_limit)
        live.claim, live.ref = claim, ref_of(claim)
    why = "handed out again while it still runs here; it goes on under the new claim"
    count_and_tell(services, [lapsed(before, why)])
    services.wakeups.lease()
    _tell_if_early(services, claim, held_until)
    return True


def _tell_if_early(services: Services, claim: Claim, held_until: float) -> None:
    """Says once that claims do not hold as long as they are taken to: others may be running these tasks too."""
    left = held_until - services.clock.monotonic()
    if services.can.renews or not services.shared.claims_hold or left < EARLY * claim.lease_seconds:
        return
    services.shared.claims_hold = False
    taken = duration.text(claim.lease_seconds)
    services.emit(
        Notice(
            "error",
            f"task {claim.task.id} was handed out again {duration.text(left)} before its claim was over: claims hold "
            f"shorter there than {taken} (--server-claim-timeout), or the time zones of the server and of its "
            "database disagree; tasks may run twice; see prismq-worker doctor --probe",
        )
    )
