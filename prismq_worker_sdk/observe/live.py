"""A worker on a terminal, kept true while it runs: tasks with progress, counts, last ends; the log goes on above."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.task import short_id
from prismq_worker_sdk.observe.console import BACK, DONE, FAILED, Mark, shows_marks
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.observe.status import WorkerStatus

EVERY = 0.25
"""Seconds between two pictures."""

LAST_MOMENT = 2.0
"""Seconds for a terminal that stands still, at the end."""

MOST_TASKS = 12
MOST_TYPES = 8
BAR = 20
"""Rows, and columns of a bar."""

_STYLES = {DONE: "green", FAILED: "red", BACK: "yellow"}


@dataclass(slots=True)
class _Seen:
    """What was seen of one type.

    Attributes:
        ends: How many tasks ended how.
        last: How the last one ended, in words, and when by `time.monotonic`.
    """

    ends: Counter[Mark] = field(default_factory=Counter)
    last: tuple[Mark, str, float] | None = None


class LiveView:
    """Listens to a worker's events, and shows it while its context lasts.

    Args:
        console: Of the terminal; what is printed to stdout and stderr meanwhile stands above the view.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._marks = shows_marks(console.file)  # type: ignore[arg-type]
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._took: dict[ev.TaskRef, float] = {}

    def __call__(self, event: ev.Event) -> None:
        """Counts the ends of tasks."""
        match event:
            case ev.OutcomeCommitted(ref=ref, seconds=float(seconds)):
                with self._lock:
                    self._took[ref] = seconds
            case ev.ClaimEnded(ref=ref, end=end):
                mark = DONE if end is ev.End.COMPLETED else FAILED if end is ev.End.FAILED else BACK
                with self._lock:
                    seen = self._seen.setdefault(ref.task_type, _Seen())
                    took = duration.text(self._took.pop(ref)) if ref in self._took else ""
                    seen.ends[mark] += 1
                    seen.last = mark, f"{short_id(ref.task_id)} {took}".rstrip(), time.monotonic()

    @contextmanager
    def shown(self, status: Callable[[], WorkerStatus]) -> Iterator[None]:
        """Shows the view while it lasts; a terminal that stands still or goes away holds nobody up.

        Args:
            status: What the worker does now.
        """
        begun, over = threading.Event(), threading.Event()

        def show() -> None:
            live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                get_renderable=lambda: self.picture(status()),
            )
            with suppress(OSError, ValueError), live:  # the terminal may go away
                begun.set()
                while not over.wait(EVERY):
                    live.refresh()
            begun.set()

        thread = threading.Thread(target=show, name="prismq-live", daemon=True)
        thread.start()
        begun.wait(LAST_MOMENT)
        try:
            yield
        finally:
            over.set()
            thread.join(LAST_MOMENT)

    def picture(self, status: WorkerStatus) -> RenderableType:
        """The view of a moment."""
        busy = f"{status.slots - status.free} of {status.slots} slots busy"
        head = f"{status.worker_id}  {status.phase}, {busy}"
        if status.waiting:
            head += f", {status.waiting} reports on their way"
        reasons = [Text(f"  {one_line(reason)}", "yellow") for reason in status.health.reasons]
        return Group(Text(), Text(one_line(head), "bold"), *reasons, self._running(status), self._types())

    def _running(self, status: WorkerStatus) -> RenderableType:
        table = Table.grid(padding=(0, 2), expand=True)
        for _column in range(4):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        tasks = sorted(status.running, key=lambda task: -task.seconds)
        for task in tasks[:MOST_TASKS]:
            percent = task.percent
            bar = "" if percent is None else ProgressBar(total=100, completed=percent, width=BAR)
            table.add_row(
                Text(f"  {one_line(task.ref.task_type)} {one_line(short_id(task.ref.task_id))}"),
                Text(duration.text(round(task.seconds)), "cyan", justify="right"),
                bar,
                Text("" if percent is None else f"{percent:.0f} %", justify="right"),
                Text(one_line(task.message if task.state == "running" else f"{task.state} {task.message}")),
            )
        if len(tasks) > MOST_TASKS:
            table.add_row(Text(f"  and {len(tasks) - MOST_TASKS} more", "dim"))
        return table

    def _types(self) -> RenderableType:
        table = Table(box=None, header_style="dim", padding=(0, 2), show_edge=False)
        for name in ("", "completed", "failed", "given back"):
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        table.add_column("last", no_wrap=True)
        with self._lock:
            rows = [(name, Counter(seen.ends), seen.last) for name, seen in self._seen.items()]
        rows.sort(key=lambda row: row[2][2] if row[2] else 0.0, reverse=True)
        for name, ends, last in rows[:MOST_TYPES]:
            counts = (str(ends[mark]) if ends[mark] else "" for mark in (DONE, FAILED, BACK))
            table.add_row(Text(one_line(name)), *counts, self._last(last))
        return table if rows else Text()

    def _last(self, last: tuple[Mark, str, float] | None) -> Text:
        if last is None:
            return Text()
        mark, words, at = last
        glyph = mark.glyph if self._marks else mark.plain
        ago = duration.text(round(time.monotonic() - at))
        return Text.assemble((glyph, _STYLES[mark]), f" {one_line(words)}, {ago} ago")


def live_view(console: Console) -> LiveView | None:
    """A view for the terminal of a console; None where it is none, or one that cannot move its cursor."""
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else None
