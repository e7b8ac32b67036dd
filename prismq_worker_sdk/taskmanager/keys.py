"""API keys of the database: made, listed, revoked, inside the caller's transaction. Only their digests are stored."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from prismq_worker_sdk.taskmanager.audit import note
from prismq_worker_sdk.taskmanager.callers import Caller, KnownKey
from prismq_worker_sdk.taskmanager.config import Scope, TaskManagerConfig, digest_of, is_loopback, need_keys
from prismq_worker_sdk.taskmanager.db.database import connect
from prismq_worker_sdk.taskmanager.db.service_tables import api_keys
from prismq_worker_sdk.taskmanager.db.statements import Statement
from prismq_worker_sdk.taskmanager.http import Problem, json_text
from prismq_worker_sdk.taskmanager.ids import new_ids
from prismq_worker_sdk.taskmanager.messages import StrictMessage, TaskTypeName
from prismq_worker_sdk.taskmanager.views import instant

PREFIX = "prismq_key_"
"""By it people, and tools that look for secrets, know a key."""
CHANCE_BYTES = 32
LONGEST = 10 * 366 * 86400
"""Seconds that a key may be made for."""
USE_EVERY = 60.0
"""Seconds between two notes of the use of a key."""

_ANY = Statement("SELECT 1 AS one FROM api_keys LIMIT 1")
_LIVE = Statement(
    "SELECT * FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"
)
_NAMED = Statement("SELECT * FROM api_keys WHERE name = :name OR id = :name")
_REVOKE = Statement("UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL")
_USED = Statement(
    "UPDATE api_keys SET last_used_at = :at WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :before)"
)


def _name(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable characters")
    return value


class NewKey(StrictMessage):
    """`POST /keys`."""

    name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_name)]
    scope: Literal["reader", "worker", "producer", "admin"]
    task_types: list[TaskTypeName] | None = Field(None, min_length=1, max_length=1000)
    expires_in_seconds: float | None = Field(None, gt=0, le=LONGEST)
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)

    @field_validator("task_types")
    @classmethod
    def _admin_is_bound_to_nothing(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if value is not None and info.data.get("scope") == Scope.ADMIN:
            raise ValueError("an admin key may do everything; bind a reader, worker or producer key")
        return value


def create(db: sa.Connection, new: NewKey, who: str, now: float) -> tuple[Any, str]:
    """A new key: its row, and its text, which nobody can read again.

    Raises:
        Problem: 409 there is, or was, a key with this name.
    """
    if _NAMED.first(db, name=new.name) is not None:
        raise Problem(
            409,
            f"there is, or was, a key {new.name!r}; a name is used once, so that it says for ever who it was",
        )
    text = PREFIX + secrets.token_urlsafe(CHANCE_BYTES)
    values = {
        "id": new_ids(1)[0],
        "name": new.name,
        "digest": digest_of(text),
        "scope": new.scope,
        "types": None if new.task_types is None else json_text(sorted(set(new.task_types))),
        "rate": new.requests_per_minute,
        "created_at": now,
        "expires_at": None if new.expires_in_seconds is None else now + new.expires_in_seconds,
    }
    db.execute(api_keys.insert().values(values))
    row = _NAMED.first(db, name=new.name)
    shown = view(row)
    detail = {name: shown[name] for name in ("scope", "task_types", "requests_per_minute", "expires_at")}
    note(db, who, "create", "key", new.name, detail, now)
    return row, text


def revoke(db: sa.Connection, name: str, who: str, now: float) -> Any:
    """Ends a key for ever, by its name or id; one that is revoked already stays so.

    Raises:
        Problem: 404 there is none.
    """
    row = _NAMED.first(db, name=name)
    if row is None:
        raise Problem(404, f"there is no key {name}")
    if row.revoked_at is None:
        _REVOKE.run(db, [(now, row.id)])
        note(db, who, "revoke", "key", row.name, None, now)
    return _NAMED.first(db, name=row.id)


def listed(db: sa.Connection) -> list[Any]:
    """Every key there is or was, by name."""
    return list(db.execute(sa.select(api_keys).order_by(api_keys.c.name)))


def known(db: sa.Connection, now: float) -> tuple[list[KnownKey], bool]:
    """The keys that hold now, and whether there ever was one."""
    keys = [
        KnownKey(
            row.digest,
            Caller(row.name, frozenset({Scope(row.scope)}), _types(row.types)),
            id=row.id,
            rate=row.rate,
        )
        for row in _LIVE.rows(db, now=now)
    ]
    return keys, bool(keys) or _ANY.first(db) is not None


def need_keys_of(config: TaskManagerConfig) -> None:
    """Raises SettingsError for a host other than loopback without keys, in the file or in the database."""
    if config.keys or is_loopback(config.host):
        return
    were_some = False
    if "://" in config.database or Path(config.database).exists():
        database = connect(config.url)
        with database.reading.begin() as db:
            were_some = _ANY.first(db) is not None
        database.close()
    need_keys(
        config.host,
        there=were_some,
        how="make one with `prismq-worker taskmanager keys create`, give --keys FILE",
    )


def note_uses(db: sa.Connection, ages: Mapping[str, float], now: float) -> None:
    """Writes down when keys were used last, for each at most once a minute, whoever asks.

    Args:
        ages: Id of a key → seconds since its last use.
    """
    _USED.run(db, [(now - age, key, now - age - USE_EVERY) for key, age in sorted(ages.items())])


def view(row: Any, text: str | None = None) -> dict[str, Any]:
    """A key on the wire; with its text only where it is new."""
    types = _types(row.types)
    shown = {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "task_types": None if types is None else sorted(types),
        "requests_per_minute": row.rate,
        "created_at": instant(row.created_at),
        "expires_at": instant(row.expires_at),
        "revoked_at": instant(row.revoked_at),
        "last_used_at": instant(row.last_used_at),
    }
    return shown if text is None else {**shown, "key": text}


def _types(stored: str | None) -> frozenset[str] | None:
    return None if stored is None else frozenset(json.loads(stored))
