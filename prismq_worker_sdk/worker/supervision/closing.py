"""The end of a worker: gives up what is left, checks the books, and finds the exit code (R37, R38)."""

from __future__ import annotations

from prismq_worker_sdk.decide.shutdown import exit_code
from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.worker.commit_loop import count_and_tell, end_claims, lapsed
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.services import Services


def never_begun(life: Lifecycle, outbox: Outbox, *, elsewhere: int = 0) -> tuple[int, str]:
    """The exit code and the reason of a worker that was stopped before it found its server.

    Args:
        elsewhere: Reports of dead workers that could not be taken over.
    """
    waiting = outbox.count("waiting")
    code = exit_code(failed=life.failed, balanced=True, waiting=waiting + elsewhere, strays=0)
    return code, f"{life.reason}; {left_behind(waiting, 0, elsewhere)}"


def close_books(services: Services, *, elsewhere: int = 0) -> tuple[int, str]:
    """The exit code and the reason of a worker whose loops have ended.

    Args:
        elsewhere: Reports of dead workers that could not be taken over.
    """
    strays = _let_lapse(services)
    waiting = services.outbox.count("waiting")
    faults = services.accounting.faults(waiting=waiting)
    for fault in faults:
        services.emit(Notice("error", f"the books are off: {fault}; please report this"))
    code = exit_code(
        failed=services.lifecycle.failed, balanced=not faults, waiting=waiting + elsewhere, strays=strays
    )
    parked = services.shared.parked + services.accounting.settled[Settlement.PARKED]
    return code, f"{services.lifecycle.reason}; {left_behind(waiting, strays, elsewhere)}{_kept(parked)}"


def left_behind(waiting: int, strays: int, elsewhere: int) -> str:
    """What is left, for people."""
    total = waiting + strays + elsewhere
    if not total:
        return "nothing is left"
    parts = [
        _count(waiting, "report"),
        _count(strays, "handler"),
        _count(elsewhere, "report", " of a dead worker"),
    ]
    left = " and ".join(part for part in parts if part)
    verb = "is" if total == 1 else "are"
    return f"{left} {verb} left: start me again on this state folder"


def _kept(parked: int) -> str:
    """What only an operator can deal with."""
    what = f"{parked} report is" if parked == 1 else f"{parked} reports are"
    return f"; {what} parked: see prismq-worker outbox list --state parked" if parked else ""


def _count(number: int, noun: str, whose: str = "") -> str:
    return "" if not number else f"{number} {noun}{'' if number == 1 else 's'}{whose}"


def _let_lapse(services: Services) -> int:
    """Gives up the claims of handlers that did not end; how many handlers that leaves, strays included."""
    left = services.attempts.all()
    for attempt in services.attempts.live():
        ended = lapsed(attempt.ref, "its handler did not end in time", held=attempt.claim)
        try:
            end_claims(services, [ended])
        except OutboxError as error:
            services.emit(Notice("error", str(error)))
            count_and_tell(services, [ended])
    return len(left)
