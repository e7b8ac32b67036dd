"""The tables beside the path of a task: limits, schedules, fan-ins, logs, keys, what was done, who is told."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table

from prismq_worker_sdk.taskmanager.db.columns import BigId, Instant, Name, Number, Payload
from prismq_worker_sdk.taskmanager.db.tables import metadata as metadata  # noqa: PLC0414 - all of them

limits = Table(
    "limits",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column("units", Integer, doc="of a period, NULL for any number"),
    Column("period", Number, doc="seconds"),
    Column("at_once", Integer, doc="tasks that run at the same time, NULL for any number"),
    Column("paused_until", Instant),
    Column("pause_reason", Payload),
    Column("updated_at", Instant, nullable=False),
)

limit_uses = Table(
    "limit_uses",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column(
        "slice",
        BigId,
        primary_key=True,
        autoincrement=False,
        doc="the end of the time in which they were used, microseconds since 1970",
    ),
    Column("units", Integer, nullable=False),
    sqlite_with_rowid=False,
)

type_uses = Table(
    "type_uses",
    metadata,
    Column("type", Name(255), primary_key=True),
    Column(
        "uses", Payload, nullable=False, doc="JSON list of {key or path, prefix, units}; [] for none any more"
    ),
    Column("config", Name(64), nullable=False, doc="digest of them"),
)
"""What a task of a type uses of which limits; no row for a type that never used any."""

lanes = Table(
    "lanes",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("type", Name(255), nullable=False, index=True),
    Column("config", Name(64), nullable=False, doc="what its type used when it was made"),
    Column("digest", Name(64), nullable=False, unique=True, doc="of type, config and uses"),
    Column("uses", Payload, nullable=False, doc="JSON list of [name of a limit, units]"),
    sqlite_autoincrement=True,
)
"""Tasks of a type that use the same units of the same limits."""

type_pauses = Table(
    "type_pauses",
    metadata,
    Column("type", Name(255), primary_key=True),
    Column("until", Instant, doc="NULL for until somebody resumes it"),
    Column("reason", Payload),
    Column("paused_at", Instant, nullable=False),
    Column("paused_by", Name(255), nullable=False),
)

dedupe_locks = Table(
    "dedupe_locks",
    metadata,
    Column("digest", Name(64), primary_key=True, doc="of type and key, or of the parent"),
    Column("used_at", Instant, nullable=False, index=True),
)
"""Rows that are locked while it is looked whether a dedupe key is taken; only where many write at the same time."""

waits = Table(
    "waits",
    metadata,
    Column("worker_id", Name(255), primary_key=True),
    Column("request_id", Name(255), primary_key=True),
    Column(
        "wait_id",
        Name(36),
        nullable=False,
        index=True,
        doc="of the sending that waits; the latest one counts",
    ),
    Column("since", Instant, nullable=False, index=True),
)
"""Claims that wait for work (R6); only where several processes share the database."""

schedules = Table(
    "schedules",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column("type", Name(255), nullable=False),
    Column("params", Payload, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("max_attempts", Integer),
    Column("cron", Name(255)),
    Column("zone", Name(64), nullable=False),
    Column("every", Number, doc="seconds; either this or cron"),
    Column("missed", Name(8), nullable=False, doc="skip, once or all"),
    Column("overlap", Name(8), nullable=False, doc="allow or skip"),
    Column("paused", Integer, nullable=False),
    Column("next_at", Instant, doc="NULL when there is none any more"),
    Column("last_at", Instant, doc="the time that it fired for, or would have"),
    Column("last_task", Name(36), doc="the last one that was made"),
    Column("last_error", Payload, doc="why there is no task for the last time"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("schedules_due", "paused", "next_at"),
)

fan_ins = Table(
    "fan_ins",
    metadata,
    Column("parent_id", Name(36), primary_key=True),
    Column("above", Name(36), doc="the parent's own parent, which waits for what follows here"),
    Column("type", Name(255), nullable=False, doc="of the task that follows the last child"),
    Column("params", Payload, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("completed", Integer, nullable=False, server_default="0", doc="children that were deleted then"),
    Column("failed", Integer, nullable=False, server_default="0", doc="children that were deleted otherwise"),
    Column("traceparent", Name(55), doc="of the task that follows"),
    Column("tracestate", Name(512)),
    Column("task_id", Name(36), doc="the task that followed, NULL while children are open"),
    Index("fan_ins_open", "task_id", "above"),
)

task_logs = Table(
    "task_logs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("task_id", Name(36), nullable=False),
    Column("claim", BigId, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Instant, nullable=False, index=True, doc="when it came"),
    Column("content", Payload, nullable=False, doc="JSON list of [instant, level, text]"),
    Index("task_logs_by_task", "task_id", "id"),
    sqlite_autoincrement=True,
)
"""What handlers log: a row for the lines that came together; `claims` counts them."""

bulk_jobs = Table(
    "bulk_jobs",
    metadata,
    Column("id", Name(36), primary_key=True),
    Column("action", Name(16), nullable=False),
    Column("filter", Payload, nullable=False, doc="JSON"),
    Column("priority", Integer, doc="to be set"),
    Column("last_seq", BigId, nullable=False, doc="later tasks are not of the set"),
    Column("at_seq", BigId, nullable=False, doc="how far it has come"),
    Column("found", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("passed_over", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("asked_by", Name(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False, index=True),
    Column("who", Name(255), nullable=False, doc="the name of the key, or what acted by itself"),
    Column("action", Name(64), nullable=False),
    Column("kind", Name(32), nullable=False, doc="of what it was done to: task, type, worker, limit, …"),
    Column("target", Name(255), nullable=False),
    Column("detail", Payload),
    Index("audit_by_target", "kind", "target", "id"),
    Index("audit_by_who", "who", "id"),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Name(36), primary_key=True),
    Column("name", Name(255), nullable=False, unique=True),
    Column("digest", Name(64), nullable=False, unique=True),
    Column("scope", Name(16), nullable=False),
    Column("types", Payload, doc="JSON list of task types that it is bound to, NULL for every one"),
    Column("rate", Integer, doc="requests per minute, NULL for any number"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
)

ended_counts = Table(
    "ended_counts",
    metadata,
    Column("minute", BigId, primary_key=True, autoincrement=False, doc="since 1970; 0 sums up all"),
    Column("type", Name(255), primary_key=True),
    Column("completed", BigId, nullable=False),
    Column("failed", BigId, nullable=False),
)
"""How many tasks ended in the minutes of the last day, and ever; `meta` says how far they are counted."""

alerts = Table(
    "alerts",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column("rule", Name(32), nullable=False, doc="failures, oldest or no_worker"),
    Column("type", Name(255), doc="NULL for every type"),
    Column("share", Number, doc="of failures"),
    Column("at_least", Integer, nullable=False, doc="failures"),
    Column("seconds", Number, nullable=False, doc="that are looked at, or that may pass"),
    Column("hold", Number, nullable=False, doc="seconds for which it must stay so"),
    Column("url", Payload, nullable=False),
    Column("secret", Payload, nullable=False, doc="signs what is sent"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

alert_states = Table(
    "alert_states",
    metadata,
    Column("name", Name(255), primary_key=True),
    Column("type", Name(255), primary_key=True),
    Column("phase", Name(16), nullable=False, doc="pending, firing, easing or resolved"),
    Column("since", Instant, nullable=False),
    Column("fired_at", Instant),
    Column("value", Number, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Name(36), primary_key=True),
    Column("alert", Name(255), nullable=False),
    Column("body", Payload, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try", Instant, index=True, doc="NULL once it is over"),
    Column("error", Payload, doc="of the last try"),
    Index("deliveries_of_alert", "alert", "next_try"),
)
"""What webhooks are told, until it is told."""

worker_types = Table(
    "worker_types",
    metadata,
    Column("worker_id", Name(255), primary_key=True),
    Column("types", Payload, nullable=False, doc="JSON list of those that it claimed last"),
    Column("seen_at", Instant, nullable=False),
)
"""What workers claim; noted once a minute."""

worker_statuses = Table(
    "worker_statuses",
    metadata,
    Column("worker_id", Name(255), primary_key=True),
    Column("status", Payload, nullable=False, doc="JSON, as it was said"),
    Column("at", Instant, nullable=False),
)
"""What workers say of themselves; written when that changes, so that `workers` stays small."""
