"""What the server does by itself for alerts: notes who claims, looks at the rules, and tells webhooks."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from functools import partial
from typing import Any

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager import alerts, claimants
from prismq_worker_sdk.taskmanager.addresses import networks
from prismq_worker_sdk.taskmanager.alert_rules import DAY, next_pause
from prismq_worker_sdk.taskmanager.app_state import AppState
from prismq_worker_sdk.taskmanager.chores import Chore
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement
from prismq_worker_sdk.taskmanager.webhooks import NotDelivered, Webhook, send

_LOG = logging.getLogger("prismq.taskmanager")
AT_ONCE = 4
LONG = 10.0
"""Seconds after which the rest of an alert's deliveries waits for the next run."""
LEASE = 60.0
"""Seconds for which nobody else tries a delivery that is being tried."""

_WITH_DUE = Statement(
    "SELECT alert FROM deliveries WHERE next_try <= :now GROUP BY alert ORDER BY min(next_try)"
)
_DUE = Statement(
    "SELECT id, alert, body, tries, created_at FROM deliveries WHERE alert = :alert AND next_try <= :now"
    " ORDER BY next_try LIMIT 1",
    lock=Lock.SKIP,
)
_HOOK = Statement("SELECT name, url, secret FROM alerts WHERE name = :name")
_TRY = Statement("UPDATE deliveries SET tries = :tries, next_try = :next_try WHERE id = :id")
_TRIED = Statement(
    "UPDATE deliveries SET next_try = :next_try, error = :error WHERE id = :id AND tries = :tries"
)


async def note_claimants(state: AppState) -> None:
    """Writes down who claimed what."""
    if claimed := state.claimants.take():
        await state.run(lambda db, now: claimants.write_down(db, claimed, now))


async def look_at_alerts(state: AppState) -> None:
    """Finds out what fires and what is resolved."""
    if found := await state.reader.run(alerts.look):
        await state.run(lambda db, now: alerts.apply(db, found, state.instance, now))


async def deliver(state: AppState) -> None:
    """Tells webhooks what is due; what fails is tried again for a day.

    Those of an alert go one after the other, by when they are due: one that is slow holds up no other alert's.
    """
    names = await state.reader.run(lambda db, now: [row.alert for row in _WITH_DUE.rows(db, now=now)])
    places = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(_deliver_due(state, name, places) for name in names))


async def try_out(state: AppState, name: str) -> str | None:
    """Tells a webhook that this is a test, at once; why it could not be told, None when it was."""

    def look(db: sa.Connection, now: float) -> tuple[Webhook, str]:
        row = alerts.find(db, name)
        body = alerts.message(row, None, "alert.test", 0.0, state.instance, now)
        return Webhook(row.url, row.secret), body

    hook, body = await state.reader.run(look)
    return await _sent(state, hook, f"test-{uuid.uuid4()}", body)


NOTE_CLAIMANTS = Chore("note who claims what", claimants.WRITE_EVERY, note_claimants)
LOOK_AT_ALERTS = Chore("look at the alerts", 15.0, look_at_alerts)
DELIVER = Chore("tell webhooks", 2.0, deliver)


async def _deliver_due(state: AppState, alert: str, places: asyncio.Semaphore) -> None:
    """Tells what is due of an alert, until it fails or this has taken long: the rest is for the next run."""
    async with places:
        until = time.monotonic() + LONG
        while time.monotonic() < until and (taken := await state.run(partial(_take, alert))) is not None:
            row, hook = taken
            error = await _sent(state, hook, row.id, row.body)
            await state.run(partial(_note, row, error))
            if error is not None:
                break


def _take(alert: str, db: sa.Connection, now: float) -> tuple[Any, Webhook] | None:
    """What is tried next, by nobody else; None where nothing is due."""
    row, hook = _DUE.first(db, alert=alert, now=now), _HOOK.first(db, name=alert)
    if row is None:
        return None
    _TRY.run(db, [(row.tries + 1, None if hook is None else now + LEASE, row.id)])
    return None if hook is None else (row, Webhook(hook.url, hook.secret))


def _note(row: Any, error: str | None, db: sa.Connection, now: float) -> None:
    later = now + next_pause(row.tries + 1)
    gone = error is None or later > row.created_at + DAY
    _TRIED.run(db, [(None if gone else later, error, row.id, row.tries + 1)])
    if error is not None:
        what = "is given up after a day" if gone else "is tried again"
        _LOG.warning("the webhook of alert %s %s: %s", row.alert, what, error)


async def _sent(state: AppState, hook: Webhook, message_id: str, body: str) -> str | None:
    allowed = networks(state.config.webhook_allow)
    try:
        await asyncio.to_thread(send, hook, message_id, body, state.now(), allowed)
    except NotDelivered as error:
        return str(error)
    return None
