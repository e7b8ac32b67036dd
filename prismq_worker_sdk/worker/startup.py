"""Finding the server: tried until it answers, or until it is plain that it never will (R33)."""

from __future__ import annotations

from random import Random

from prismq_worker_sdk.decide.backoff import SERVER
from prismq_worker_sdk.errors import NotATaskManager, PrismqError, ServerUnreachable
from prismq_worker_sdk.errors import Unauthorised as UnauthorisedError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.calls import Foreign, Healthy, Probe, Unauthorised
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Phase
from prismq_worker_sdk.wire.address import what_to_check
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.contact import Contact
from prismq_worker_sdk.worker.effects import Call, Loop, Wait
from prismq_worker_sdk.worker.lifecycle import Lifecycle

__all__ = ["find_server"]


def find_server(
    config: WorkerConfig, *, life: Lifecycle, contact: Contact, clock: Clock, dice: Random
) -> Loop:
    """Probes until a TaskManager answers; returns its Healthy, or None when the worker was stopped meanwhile.

    Raises:
        NotATaskManager: Something else answers at this address.
        Unauthorised: The key is refused; at run time the worker would wait for a better one (R34).
        ServerUnreachable: Nothing usable answered for `startup_timeout`.
    """
    give_up_at = clock.monotonic() + config.startup_timeout
    tries = 0
    while life.running:
        reply = yield Call(Probe())
        match reply:
            case Healthy():
                contact.answered()
                return reply
            case Foreign(reason=reason):
                raise NotATaskManager(
                    f"{config.api_url} is not a TaskManager: {reason}; {what_to_check(config.api_url)}"
                )
            case Unauthorised(reason=reason):
                raise UnauthorisedError(
                    f"{config.api_url} refuses the API key ({reason}); set TASKMANAGER_API_KEY or "
                    "TASKMANAGER_API_KEY_FILE"
                )
        tries += 1
        reason = getattr(reply, "reason", "no answer")
        wait = SERVER.seconds(tries, dice.random())
        left = give_up_at - clock.monotonic()
        if left <= 0:
            raise _gave_up(config, reason)
        contact.failed(reply, wait)  # type: ignore[arg-type]  # a Failure: every other reply was dealt with
        until = clock.monotonic() + min(wait, left)
        while (rest := until - clock.monotonic()) > 0 and life.phase is Phase.RUNNING:
            yield Wait(rest)
    return None


def _gave_up(config: WorkerConfig, reason: str) -> PrismqError:
    waited = duration.text(config.startup_timeout)
    return ServerUnreachable(
        f"{config.api_url} did not answer for {waited} ({reason}); start the TaskManager, check --api-url, or "
        "raise --startup-timeout"
    )
