"""Finding the server: tried until it answers, or until it is plain that it never will (R33)."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from prismq_worker_sdk.decide.backoff import after_failure
from prismq_worker_sdk.errors import NotATaskManager, PrismqError, ServerUnreachable
from prismq_worker_sdk.errors import Unauthorised as UnauthorisedError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import Phase
from prismq_worker_sdk.model.protocol import (
    ExchangeRequest,
    ExchangeResponse,
    Failure,
    NoKey,
    Probe,
    ServerInfo,
    Unauthorised,
    UnrecognisedServer,
)
from prismq_worker_sdk.wire.address import what_to_check
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.driver import Call, Loop, Perform, Wait, Waker, drive
from prismq_worker_sdk.worker.services import Environment

SHORTEST_LOOK = 1.0
"""Seconds that each try may take at least, however little of the startup timeout is left."""

LAST_ANSWER = 1.0
"""Seconds that a stop waits for the answer to a try that is under way, unless there is something to deliver."""


def find_server(here: Environment) -> Loop:
    """Probes until a TaskManager answers; returns its ServerInfo, or None when the worker was stopped meanwhile.

    Raises:
        NotATaskManager: Something else answers at this address.
        Unauthorised: The key is refused; at run time the worker would wait for a better one (R34).
        ServerUnreachable: Nothing usable answered for `startup_timeout`.
    """
    config, clock, lifecycle = here.config, here.clock, here.lifecycle
    give_up_at = clock.monotonic() + config.startup_timeout
    tries = 0
    while lifecycle.running:
        left = max(SHORTEST_LOOK, give_up_at - clock.monotonic())
        reply = yield Call(Probe(within=left))
        match reply:
            case ServerInfo():
                here.server_status.answered()
                return reply
            case UnrecognisedServer(reason=reason):
                raise NotATaskManager(
                    f"{config.api_url} is not a TaskManager: {reason}; {what_to_check(config.api_url)}"
                )
            case NoKey(reason=reason):
                raise UnauthorisedError(reason)
            case Unauthorised(reason=reason):
                raise UnauthorisedError(
                    f"{config.api_url} refuses the API key ({reason}); set TASKMANAGER_API_KEY or "
                    "TASKMANAGER_API_KEY_FILE"
                )
        tries += 1
        failure: Failure = reply  # type: ignore[assignment]  # every other reply was dealt with
        pause = after_failure(failure, tries, here.rng.random())
        left = give_up_at - clock.monotonic()
        if left <= 0:
            raise _gave_up(config, failure.reason)
        here.server_status.failed(failure, pause)
        until = clock.monotonic() + min(pause, left)
        while (rest := until - clock.monotonic()) > 0 and lifecycle.phase is Phase.RUNNING:
            yield Wait(rest)
    return None


def search(
    here: Environment, loop: Loop, perform: Perform, *, waker: Waker, waiting: bool = False
) -> ServerInfo | None:
    """What `find_server` finds; a stop does not wait for a server that keeps it waiting (R36).

    Args:
        waiting: Whether stored results wait for the server: then a stop leaves it the time before the last flush.
        waker: Wakes this thread at a stop; the search is driven on a thread of its own.

    Raises:
        PrismqError: As `find_server` does.
    """
    found: Future[ServerInfo | None] = Future()
    given_up = threading.Event()

    def ask(request: ExchangeRequest | Probe) -> ServerInfo | ExchangeResponse | Failure:
        reply = perform(request)
        if given_up.is_set():
            raise ServerUnreachable("the worker has stopped meanwhile")
        return reply

    def find() -> None:
        try:
            found.set_result(drive(loop, ask, own))
        except BaseException as error:  # noqa: BLE001 - it is raised where the server is waited for
            found.set_exception(error)
        waker.wake()

    own = Waker()
    threading.Thread(target=find, name="prismq-search", daemon=True).start()
    while not found.done() and here.lifecycle.running:
        waker.sleep(None)
    own.wake()
    stopped_at = here.clock.monotonic()
    while not found.done() and (left := _patience(here, stopped_at, waiting=waiting)) > 0:
        waker.sleep(left)
    if found.done() and (here.lifecycle.running or found.exception() is None):
        return found.result()
    given_up.set()
    return None


def _patience(here: Environment, stopped_at: float, *, waiting: bool) -> float:
    """Seconds for which a stop still waits for the server; stored results are worth more of them."""
    now = here.clock.monotonic()
    last_answer = stopped_at + LAST_ANSWER - now
    if here.lifecycle.plan is None:
        return last_answer
    until_flush = here.lifecycle.plan.cancel_at - now
    return until_flush if waiting else min(last_answer, until_flush)


def _gave_up(config: WorkerConfig, reason: str) -> PrismqError:
    waited = duration.text(config.startup_timeout)
    return ServerUnreachable(
        f"{config.api_url} did not answer for {waited} ({reason}); start the TaskManager, check --api-url, or "
        "raise --startup-timeout"
    )
