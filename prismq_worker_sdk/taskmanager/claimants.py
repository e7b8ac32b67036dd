"""Which types workers claim, and when they were seen: noted in memory at each claim, written down now and then."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from prismq_worker_sdk.taskmanager.db.service_tables import worker_types
from prismq_worker_sdk.taskmanager.db.statements import Statement, insert
from prismq_worker_sdk.taskmanager.http import json_text

WRITE_EVERY = 10.0

_KNOWN = Statement("SELECT worker_id FROM worker_types WHERE worker_id = :worker_id")
_NEW = insert(worker_types, ("worker_id", "types", "seen_at"))
_SET = Statement("UPDATE worker_types SET types = :types, seen_at = :seen_at WHERE worker_id = :worker_id")
_SEEN = Statement(
    "SELECT types, seen_at, last_seen FROM worker_types"
    " LEFT JOIN workers ON workers.worker_id = worker_types.worker_id"
    " WHERE seen_at >= :since OR last_seen >= :since"
)


@dataclass(slots=True)
class Claimants:
    """Workers that have claimed since this was written down last, with the types; for one thread."""

    _new: dict[str, Collection[str]] = field(default_factory=dict)

    def note(self, worker_id: str, types: Collection[str]) -> None:
        """A worker claims."""
        self._new[worker_id] = types

    def take(self) -> dict[str, Collection[str]]:
        """What is to be written down."""
        taken, self._new = self._new, {}
        return taken


def write_down(db: sa.Connection, claimed: dict[str, Collection[str]], now: float) -> None:
    """Notes that workers were seen, and what they claim."""
    names = sorted(claimed)
    known = {row.worker_id for row in _KNOWN.first_of_each(db, "worker_id", names) if row is not None}
    texts = {name: json_text(sorted(set(claimed[name]))) for name in names}
    _NEW.run(db, [(name, texts[name], now) for name in names if name not in known])
    _SET.run(db, [(texts[name], now, name) for name in names if name in known])


def seen(db: sa.Connection, since: float) -> dict[str, float]:
    """When somebody was seen last who claims a type: by a claim, or by any exchange, while all its slots are busy.

    Args:
        since: Seconds since 1970; whoever was seen before is left out.
    """
    found: dict[str, float] = {}
    for row in _SEEN.rows(db, since=since):
        at = max(row.seen_at, row.last_seen or 0.0)
        for one in json.loads(row.types):
            found[one] = max(found.get(one, 0.0), at)
    return found
