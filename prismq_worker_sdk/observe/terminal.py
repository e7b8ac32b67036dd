"""A worker's events and results in a terminal, for `prismq-worker demo`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model import events as ev
from prismq_worker_sdk.model.task import short_id

WIDEST = 44
PLAIN_WIDTH = 140
GAP = 2
"""Columns between two columns of a table."""


class Screen:
    """Prints events as they come, and tables, without secrets; plain lines where the output is no terminal.

    Attributes:
        console: Where it prints.
    """

    def __init__(self, console: Console | None = None, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)

    def __call__(self, event: ev.Event) -> None:
        """Prints the event, if it is worth a line."""
        match event:
            case ev.WorkerStarted(worker_id=worker_id, task_types=types):
                self._line("worker", f"{worker_id} claims {', '.join(types)}")
            case ev.TaskClaimed(ref=ref):
                self._task(ref, "claimed")
            case ev.TaskProgressed(ref=ref, percent=percent, message=message):
                self._task(ref, f"{percent:3.0f} %  {message}".rstrip())
            case ev.OutcomeCommitted(ref=ref, end=ev.End.COMPLETED, seconds=seconds):
                took = "" if seconds is None else f" in {duration.text(seconds)}"
                self._task(ref, f"completed{took}", "green")
            case ev.OutcomeCommitted(ref=ref, end=end, error=error):
                self._task(ref, f"{end}: {error}", "red")
            case ev.ReportSettled(ref=ref, settlement=settlement):
                self._task(ref, f"report {settlement}")
            case ev.TypePaused(task_type=task_type, reason=reason):
                self._line("worker", f"{task_type} is not claimed: {reason}", "yellow")
            case ev.Notice(level="error" | "warning", message=message):
                self._line("worker", message, "yellow")
            case ev.WorkerStopped(exit_code=code, reason=reason):
                self._line("worker", f"stopped with exit code {code}: {reason}")

    def say(self, text: str) -> None:
        """A sentence."""
        self.console.print(self._clean(text))

    def heading(self, text: str) -> None:
        """What the next lines are about."""
        self.console.print()
        self.console.print(self._clean(text, "bold"))

    def lines(self, lines: Iterable[str]) -> None:
        """Lines as they are."""
        for line in lines:
            self.console.print(self._clean(f"  {line}"))

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Rows, each a mapping of column to text; cell below cell where addresses would have to be cut."""
        if not rows:
            self.say("  nothing")
            return
        rows = [{name: self._redactor.text(cell) for name, cell in row.items()} for row in rows]
        widths = _widths(rows, self.console.width)
        if widths is None:
            for row in rows:
                self.console.print(Text("\n".join(f"  {cell}" for cell in row.values())))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name, width in widths.items():
            table.add_column(name, overflow="ellipsis", no_wrap=True, width=width)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row.values()))
        self.console.print(table)

    def _task(self, ref: ev.TaskRef, text: str, style: str = "") -> None:
        self._line(f"task {short_id(ref.task_id)}", text, style)

    def _line(self, who: str, text: str, style: str = "") -> None:
        self.console.print(Text(f"{who:<13} ", style="dim") + self._clean(text, style))

    def _clean(self, text: str, style: str = "") -> Text:
        return Text(self._redactor.text(text), style=style)


def _widths(rows: Sequence[Mapping[str, str]], room: int) -> dict[str, int] | None:
    """The width of each column: addresses whole, the longest texts cut first; None where that does not do."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    texts = [name for name in widths if not all(row[name].startswith("http") for row in rows)]
    widths |= {name: min(widths[name], WIDEST) for name in texts}
    while sum(widths.values()) + GAP * (len(widths) - 1) > room:
        longest = max(texts, key=lambda name: widths[name] - len(name), default=None)
        if longest is None or widths[longest] <= len(longest):
            return None
        widths[longest] -= 1
    return widths
