"""Alerts: three rules over tasks and workers, whose changes are told to a webhook, once each."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from pydantic import Field

from prismq_worker_sdk.taskmanager import claimants, pauses, stats, views
from prismq_worker_sdk.taskmanager.addresses import Network
from prismq_worker_sdk.taskmanager.alert_rules import Reading, State, of_age, of_claims, of_failures, step
from prismq_worker_sdk.taskmanager.db.service_tables import alert_states, alerts, deliveries
from prismq_worker_sdk.taskmanager.db.statements import Lock, Statement, insert
from prismq_worker_sdk.taskmanager.http import Problem, json_text
from prismq_worker_sdk.taskmanager.messages import StrictMessage, TaskTypeName
from prismq_worker_sdk.taskmanager.webhooks import checked_url, key_of, new_secret

LONGEST = 86400.0

_LOOSE = Statement(
    "SELECT max(type) AS type, min(claim_expires_at) AS since FROM tasks"
    " WHERE status = 'processing' AND claim_expires_at <= :now GROUP BY coalesce(type, '')"
)
_HELD = Statement(
    "SELECT max(type) AS type FROM tasks WHERE status = 'processing' AND claim_expires_at > :now"
    " GROUP BY coalesce(type, '')"
)
_STATE = Statement(
    "SELECT phase, since, fired_at FROM alert_states WHERE name = :name AND type = :type", lock=Lock.WAIT
)
_ALERT = Statement("SELECT name, updated_at FROM alerts WHERE name = :name", lock=Lock.WAIT)
_NEW_STATE = insert(alert_states, ("name", "type", "phase", "since", "fired_at", "value"))
_SET_STATE = Statement(
    "UPDATE alert_states SET phase = :phase, since = :since, fired_at = :fired_at, value = :value"
    " WHERE name = :name AND type = :type"
)
_FORGET_STATE = Statement("DELETE FROM alert_states WHERE name = :name AND type = :type")
_NEW_DELIVERY = insert(deliveries, ("id", "alert", "body", "created_at", "tries", "next_try"))


class NewAlert(StrictMessage):
    """`PUT /alerts/{name}`."""

    rule: Literal["failures", "oldest", "no_worker"]
    task_type: TaskTypeName | None = None
    share: float | None = Field(None, ge=0, lt=1)
    at_least: int = Field(5, ge=1, le=1_000_000)
    seconds: float = Field(ge=10, le=LONGEST)
    hold_seconds: float = Field(60, ge=0, le=LONGEST)
    url: str = Field(min_length=1, max_length=2000)
    secret: str | None = Field(None, max_length=200)

    def check(self, allowed: Collection[Network]) -> None:
        """Raises Problem 422 where it makes no sense."""
        if (self.share is None) == (self.rule == "failures"):
            raise Problem(422, "share, from 0 to below 1, belongs to the rule failures, and to no other")
        try:
            checked_url(self.url, allowed)
            if self.secret is not None:
                key_of(self.secret)
        except ValueError as error:
            raise Problem(422, str(error)) from None


class Found(NamedTuple):
    """What a rule finds of a task type."""

    alert: Any
    type: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Seen:
    """What all rules look at, by type: since when tasks wait, what runs, who was seen, what is paused."""

    waits: dict[str, float]
    loose: dict[str, float]
    held: set[str]
    seen: dict[str, float]
    paused: Collection[str]


def find(db: sa.Connection, name: str) -> Any:
    """An alert.

    Raises:
        Problem: 404 there is none.
    """
    row = db.execute(sa.select(alerts).where(alerts.c.name == name)).first()
    if row is None:
        raise Problem(404, f"there is no alert {name}")
    return row


def listed(db: sa.Connection) -> list[dict[str, Any]]:
    """The alerts, by name, as they are shown."""
    return [shown(db, row) for row in db.execute(sa.select(alerts).order_by(alerts.c.name))]


def put(db: sa.Connection, name: str, new: NewAlert, now: float) -> tuple[dict[str, Any], bool]:
    """Makes an alert, or changes one, which begins anew then; as it is shown, and whether it is new.

    A secret that was made is shown now and never again; one that is left out stays.
    """
    before = db.execute(sa.select(alerts).where(alerts.c.name == name).with_for_update()).first()
    made = new_secret() if before is None and new.secret is None else None
    values = new.model_dump(exclude={"hold_seconds", "secret", "task_type"})
    values |= {"type": new.task_type, "hold": new.hold_seconds, "updated_at": now}
    if (secret := made or new.secret) is not None:
        values["secret"] = secret
    if before is None:
        db.execute(alerts.insert().values(name=name, created_at=now, **values))
    else:
        db.execute(alerts.update().where(alerts.c.name == name).values(values))
    db.execute(alert_states.delete().where(alert_states.c.name == name))
    return shown(db, find(db, name)) | ({"secret": made} if made else {}), before is None


def delete(db: sa.Connection, name: str) -> dict[str, Any]:
    """Takes an alert away; nothing more is told of it.

    Raises:
        Problem: 404 there is none.
    """
    found = shown(db, find(db, name))
    for column in (alerts.c.name, alert_states.c.name, deliveries.c.alert):
        db.execute(sa.delete(column.table).where(column == name))
    return found


def shown(db: sa.Connection, row: Any) -> dict[str, Any]:
    """An alert with its states and how its last delivery went, without its secret."""
    states = db.execute(sa.select(alert_states).where(alert_states.c.name == row.name))
    last = db.execute(
        sa.select(deliveries)
        .where(deliveries.c.alert == row.name)
        .order_by(deliveries.c.created_at.desc(), deliveries.c.id.desc())
        .limit(1)
    ).first()
    return {
        **{key: getattr(row, key) for key in ("name", "rule", "share", "at_least", "seconds")},
        "task_type": row.type,
        "hold_seconds": row.hold,
        "url": row.url,
        "created_at": views.instant(row.created_at),
        "updated_at": views.instant(row.updated_at),
        "states": [_state(one) for one in states],
        "last_delivery": None if last is None else _delivery(last),
    }


def look(db: sa.Connection, now: float) -> list[Found]:
    """What each rule finds, of each type that it is for; without those where all is well, and was before."""
    rows = list(db.execute(sa.select(alerts)))
    if not rows:
        return []
    longest = max((row.seconds for row in rows if row.rule == "no_worker"), default=0.0)
    seen = _Seen(
        {row.type: row.since for row in stats.QUEUED.rows(db)},
        {row.type: row.since for row in _LOOSE.rows(db, now=now)},
        {row.type for row in _HELD.rows(db, now=now)},
        claimants.seen(db, now - 2 * longest) if longest else {},
        pauses.standing(db, now),
    )
    states = set(
        db.execute(
            sa.select(alert_states.c.name, alert_states.c.type).where(alert_states.c.phase != "resolved")
        )
    )
    found: list[Found] = []
    for row in rows:
        known = {one.type for one in states if one.name == row.name}
        found += [
            Found(row, name, reading)
            for name, reading in _readings(db, row, seen, known, now).items()
            if row.type in {None, name} and (reading.holds or name in known)
        ]
    return found


def apply(db: sa.Connection, found: Sequence[Found], instance: str, now: float) -> int:
    """Takes up what was found, and notes what is to be told; how many deliveries there are now.

    Several processes may do so at the same time: a state is changed under its lock, once.
    """
    told = 0
    names = sorted({one.alert.name for one in found})
    as_they_are = {row.name: row.updated_at for row in _ALERT.first_of_each(db, "name", names) if row}
    for alert, task_type, reading in found:
        if as_they_are.get(alert.name) != alert.updated_at:  # it was set anew, or taken away
            continue
        key = {"name": alert.name, "type": task_type}
        row = _STATE.first(db, **key)
        state = None if row is None else State(row.phase, row.since, row.fired_at)
        after, tell = step(state, reading, now, alert.hold)
        if after is None:
            _FORGET_STATE.run(db, [tuple(key.values())] if row is not None else [])
            continue
        values = (after.phase, after.since, after.fired_at, reading.value)
        if row is None:
            _NEW_STATE.run(db, [(*key.values(), *values)])
        else:
            _SET_STATE.run(db, [(*values, *key.values())])
        if tell:
            body = message(alert, task_type, f"alert.{after.phase}", reading.value, instance, now)
            _NEW_DELIVERY.run(db, [(str(uuid.uuid4()), alert.name, body, now, 0, now)])
            told += 1
    return told


def message(alert: Any, task_type: str | None, kind: str, value: float, instance: str, now: float) -> str:
    """What a webhook is told, as JSON."""
    data = {
        "alert": alert.name,
        "rule": alert.rule,
        "task_type": task_type,
        "value": round(value, 4),
        "threshold": alert.share if alert.rule == "failures" else alert.seconds,
        "text": _text(alert, task_type or alert.type or "a task type", kind.partition(".")[2], value),
        "server": instance,
    }
    return json_text({"type": kind, "timestamp": views.instant(now), "data": data})


def _text(alert: Any, task_type: str, phase: str, value: float) -> str:
    if alert.rule == "failures":
        what = f"{value:.0%} of {task_type} failed in {alert.seconds:g} s"
    elif alert.rule == "oldest":
        what = f"a task of {task_type} has waited for {value:.0f} s"
    else:
        what = f"no worker for {task_type} was seen for {value:.0f} s"
    return f"{alert.name} {phase}: {what}"


def _readings(db: sa.Connection, alert: Any, seen: _Seen, known: set[str], now: float) -> dict[str, Reading]:
    if alert.rule == "failures":
        ends = stats.ended(db, now, now - alert.seconds)
        return {
            name: of_failures(one["completed"], one["failed"], alert.share, alert.at_least)
            for name, one in {**{one: Counter[str]() for one in known}, **ends}.items()
        }
    if alert.rule == "oldest":
        return {
            name: of_age(_waited(seen, name, now) or 0.0, alert.seconds) for name in known | set(seen.waits)
        }
    names = known | set(seen.waits) | set(seen.loose)
    return {name: _of_claims(seen, name, alert.seconds, now) for name in names}


def _waited(seen: _Seen, task_type: str, now: float) -> float | None:
    since = None if task_type in seen.paused else seen.waits.get(task_type)
    return None if since is None else now - since


def _of_claims(seen: _Seen, task_type: str, seconds: float, now: float) -> Reading:
    if task_type in seen.paused or task_type in seen.held:
        return of_claims(None, None, seconds)
    since = [some[task_type] for some in (seen.waits, seen.loose) if task_type in some]
    last = seen.seen.get(task_type)
    return of_claims(now - min(since) if since else None, None if last is None else now - last, seconds)


def _state(row: Any) -> dict[str, Any]:
    phase = "firing" if row.phase == "easing" else row.phase
    since = row.fired_at if phase == "firing" else row.since
    return {"task_type": row.type, "state": phase, "since": views.instant(since), "value": row.value}


def _delivery(row: Any) -> dict[str, Any]:
    state = "waiting" if row.next_try is not None else "failed" if row.error else "delivered"
    at = views.instant(row.created_at)
    return {"id": row.id, "created_at": at, "state": state, "tries": row.tries, "error": row.error}
