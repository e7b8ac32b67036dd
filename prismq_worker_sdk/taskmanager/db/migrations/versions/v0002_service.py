"""Lanes, postponed tasks that stand in no queue, and the tables of limits, schedules, logs, keys and what is done."""

import sqlalchemy as sa
from alembic import op

from prismq_worker_sdk.taskmanager.db.service_tables import metadata
from prismq_worker_sdk.taskmanager.db.tables import tasks

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds columns, indexes and tables; only a database on SQLite is older than this."""
    db = op.get_bind()
    for column in ("postponed", "lane"):
        op.add_column("tasks", sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    for name in ("traceparent", "tracestate"):
        op.add_column("tasks", sa.Column(name, tasks.c[name].type))
    for column in ("log_lines", "log_bytes", "log_last", "log_total"):
        op.add_column("claims", sa.Column(column, sa.Integer()))
    db.execute(sa.text("UPDATE tasks SET postponed = 1 WHERE status = 'pending' AND not_before IS NOT NULL"))
    for found in sa.inspect(db).get_indexes("tasks"):
        op.drop_index(found["name"] or "", "tasks")
    op.create_index("ix_workers_wanted", "workers", ["wanted"])
    for index in tasks.indexes:  # those of this database
        index.create(db)
    metadata.create_all(db)
