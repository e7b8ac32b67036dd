"""A handler that owns a resource: one SQLite connection for all its tasks, opened once and closed at the end.

    READINGS_DB=readings.db prismq-worker --plugin examples/class_handler.py

Without READINGS_DB the type is not claimed, and the log and /readyz say what to set. A task whose worker was
killed between the insert and the stored result runs again; its idempotency key keeps the reading from
counting twice.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Any

from pydantic import Field

from prismq_worker_sdk import PluginSettings, TaskContext, TaskHandler, TaskParams, Transient, hookimpl


class ReadingsSettings(PluginSettings):
    readings_db: Path | None = None


class ReadingParams(TaskParams):
    sensor: str = Field(min_length=1, max_length=100, description="Which sensor was read")
    value: float = Field(description="What it said")


class AddReading(TaskHandler):
    task_type = "Example.AddReading"
    time_limit = "30s"

    def ready(self) -> str | None:
        if self.settings.readings_db is None:
            return "set READINGS_DB to the file that keeps the readings"
        return None

    def setup(self) -> None:
        # One instance serves every slot, each a thread of its own, so they take turns at the connection.
        self._turn = threading.Lock()
        self._db = sqlite3.connect(self.settings.readings_db, timeout=10, check_same_thread=False)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS readings (key TEXT PRIMARY KEY, sensor TEXT, value REAL)"
        )

    def process(self, params: ReadingParams, ctx: TaskContext) -> dict[str, Any]:
        row = (ctx.idempotency_key, params.sensor, params.value)
        try:
            with self._turn, self._db:
                self._db.execute("INSERT OR IGNORE INTO readings VALUES (?, ?, ?)", row)
                count, mean = self._db.execute(
                    "SELECT count(*), avg(value) FROM readings WHERE sensor = ?", (params.sensor,)
                ).fetchone()
        except sqlite3.OperationalError as error:
            raise Transient(f"the readings cannot be written now: {error}", retry_in=30) from error
        return {"sensor": params.sensor, "readings": count, "mean": mean}

    def teardown(self) -> None:
        self._db.close()


@hookimpl
def prismq_task_handlers() -> list[TaskHandler]:
    return [AddReading()]


@hookimpl
def prismq_plugin_settings() -> type[PluginSettings]:
    return ReadingsSettings
