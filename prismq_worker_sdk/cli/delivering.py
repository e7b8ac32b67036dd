"""What `prismq-worker outbox deliver` does: free instances, a server, and the delivery loop."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from prismq_worker_sdk.cli.state_folder import taken
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.shutdown import ExitCode
from prismq_worker_sdk.errors import StateFolderError, UsageError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.observe.bus import EventBus
from prismq_worker_sdk.observe.event_log import EventLog
from prismq_worker_sdk.observe.logs import set_up_logging
from prismq_worker_sdk.outbox.folder import instances
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.settings import SERVER_FIELDS, load_settings
from prismq_worker_sdk.system import SystemClock
from prismq_worker_sdk.worker.sending import Sent, send_stored

__all__ = ["deliver_stored"]

USED = SERVER_FIELDS | {"state_dir", "startup_timeout", "log_format", "log_level", "debug"}
"""The settings that count without a worker."""


def deliver_stored(timeout: str, given: Mapping[str, Any]) -> int:
    """Sends what waits in every free instance; the exit code.

    Args:
        timeout: A duration as people write it.
        given: Worker settings that the command line said.

    Raises:
        ServerError: There is no server to send to.
    """
    seconds = _seconds(timeout)
    said = {"startup_timeout": seconds, **given}
    settings = load_settings(said, only=USED)
    config = settings.config()
    clock, redactor = SystemClock(), Redactor(config.secrets)
    level = "DEBUG" if config.debug else config.log_level
    guard = set_up_logging(log_format=config.log_format, level=level, redactor=redactor)
    bus = EventBus([EventLog(clock, guard)], redactor)
    sent = Sent()
    with ExitStack() as stack:
        outboxes, unread = _free(config.state_dir, stack, bus)
        if outboxes:
            sent = send_stored(
                config, outboxes, timeout=seconds, clock=clock, redactor=redactor, emit=bus.emit
            )
    return _told(sent, unread, bus)


def _free(state_dir: Path, stack: ExitStack, bus: EventBus) -> tuple[list[Outbox], int]:
    """The outboxes that no worker runs on, locked as long as the stack lasts; how many cannot be opened.

    Those, and the ones that a worker runs on, are named.
    """
    found = instances(state_dir)
    if not found:
        bus.emit(Notice("info", f"nothing in {state_dir}"))
    outboxes, unread = [], 0
    for instance in found:
        try:
            free = taken(instance, tell=lambda text: bus.emit(Notice("error", text)))
            outboxes.append(stack.enter_context(free))
        except UsageError as error:
            unread += isinstance(error, StateFolderError)
            bus.emit(Notice("warning", f"{instance.name} is left as it is: {error}"))
    return outboxes, unread


def _told(sent: Sent, unread: int, bus: EventBus) -> int:
    """Prints what became of the reports; the exit code."""
    for fault in sent.faults:
        bus.emit(Notice("error", f"the books are off: {fault}; please report this"))
    elsewhere = f", {sent.elsewhere} of another server" if sent.elsewhere else ""
    click.echo(
        f"accepted {sent.accepted}, lost {sent.lost}, parked {sent.parked}, left {sent.left}{elsewhere}"
    )
    if sent.faults:
        return ExitCode.FAILED
    return ExitCode.SOMETHING_LEFT if sent.left or sent.elsewhere or unread else ExitCode.NOTHING_LEFT


def _seconds(timeout: str) -> float:
    try:
        return duration.seconds(timeout)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None
