"""What a worker says of itself, as it is now; every text as clean as a line of its log."""

from __future__ import annotations

import os
import socket
from itertools import islice

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model.protocol import WorkerCommand
from prismq_worker_sdk.model.told_status import (
    LONGEST_PAUSE,
    LONGEST_TEXT,
    MOST_CLOSED,
    MOST_PLUGINS,
    MOST_TYPES,
    ClosedType,
    ToldStatus,
    WorkerState,
)
from prismq_worker_sdk.version import __version__
from prismq_worker_sdk.wire.reading import strip_surrogates, truncate_utf8
from prismq_worker_sdk.worker.services import Services


def own_status(services: Services, now: float) -> ToldStatus:
    """What there is to say.

    Args:
        now: Clock reading.
    """
    redactor, types = services.redactor, services.registry.types
    closed = services.availability.pauses(now)[:MOST_CLOSED]
    trouble = services.shared.disk_trouble or services.outbox.transactions.trouble
    return ToldStatus(
        version=__version__,
        host=_clean(redactor, socket.gethostname()),
        pid=os.getpid(),
        started_at=services.status.started_at,
        state=_state(services),
        slots=services.config.concurrency - services.slots.lost,
        task_types=types[:MOST_TYPES],
        closed=tuple(_told(redactor, one) for one in closed),
        ends=tuple(
            (one.type, one.reason, None if one.seconds is None else round(now + one.seconds))
            for one in closed
        ),
        trouble=_clean(redactor, trouble or ""),
        plugins=_plugins(services),
    )


def _told(redactor: Redactor, closed: ClosedType) -> ClosedType:
    seconds = None if closed.seconds is None else min(closed.seconds, LONGEST_PAUSE)
    return ClosedType(closed.type, _clean(redactor, closed.reason), seconds)


def _state(services: Services) -> WorkerState:
    if not services.lifecycle.running:
        return WorkerState.STOPPING
    quiet = services.shared.command is WorkerCommand.QUIET
    return WorkerState.QUIET if quiet else WorkerState.RUNNING


def _plugins(services: Services) -> tuple[tuple[str, str], ...]:
    given = {one.plugin: one.plugin_version for one in services.registry.handlers if one.plugin}
    texts = ((_clean(services.redactor, name), _clean(services.redactor, given[name])) for name in given)
    return tuple(islice(texts, MOST_PLUGINS))


def _clean(redactor: Redactor, text: str) -> str:
    return truncate_utf8(strip_surrogates(redactor.text(text)), LONGEST_TEXT)
