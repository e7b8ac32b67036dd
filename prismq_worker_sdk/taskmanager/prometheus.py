"""The numbers in Prometheus' text format."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prismq_worker_sdk.taskmanager.stats import Numbers, Stats

STATUSES = ("pending", "processing", "completed", "failed")


@dataclass(slots=True)
class Calls:
    """What this process has answered since its start, by method, path and status."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    process: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(4)}")

    def add(self, method: str, path: str, status: str, seconds: float) -> None:
        """Counts an answer."""
        key = (method, path, status)
        self.counts[key] += 1
        self.seconds[key] += seconds  # type: ignore[assignment] # a Counter adds floats just as well


def of_types(types: Mapping[str, Numbers]) -> list[str]:
    """The numbers of each type."""
    tasks = [
        ({"type": name, "status": one}, numbers[one]) for name, numbers in types.items() for one in STATUSES
    ]
    about = "Tasks by type and status; completed ones are all that ever did."
    lines = _family("taskmanager_tasks", "gauge", about, tasks)
    for name, key, about in (
        ("taskmanager_tasks_postponed", "postponed", "Pending tasks whose time has not come."),
        ("taskmanager_oldest_pending_seconds", "oldest_pending_seconds", "How long the longest has waited."),
        ("taskmanager_type_paused", "paused", "Whether a task type is paused."),
    ):
        lines += _family(
            name, "gauge", about, [({"type": one}, numbers[key]) for one, numbers in types.items()]
        )
    return lines


def of_all(stats: Stats, calls: Calls) -> list[str]:
    """The numbers that are of no type."""
    lines = []
    for name, kind, about, value in (
        ("taskmanager_tasks_created_total", "counter", "Tasks that were created.", stats.created),
        ("taskmanager_claims_total", "counter", "Claims that were made.", stats.claims),
        ("taskmanager_workers", "gauge", "Workers that exchanged in the last two minutes.", stats.workers),
    ):
        lines += _family(name, kind, about, [({}, value)])
    return lines + _of_calls(calls)


def _of_calls(calls: Calls) -> list[str]:
    """Each process counts its own; behind one address a scrape meets one of them."""
    names = ("method", "path", "status", "process")
    labels = {key: dict(zip(names, (*key, calls.process), strict=True)) for key in calls.counts}
    counts = [(labels[key], number) for key, number in calls.counts.items()]
    seconds = [(labels[key], number) for key, number in calls.seconds.items()]
    about = "Calls that one process has answered, and how long they took with waits for work."
    lines = _family("taskmanager_http_requests_total", "counter", about, counts)
    return lines + _family("taskmanager_http_request_seconds_total", "counter", about, seconds)


def _family(name: str, kind: str, about: str, values: Iterable[tuple[Mapping[str, str], Any]]) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for labels, value in values:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        lines.append(f"{name}{{{inner}}} {shown}" if inner else f"{name} {shown}")
    return lines


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
