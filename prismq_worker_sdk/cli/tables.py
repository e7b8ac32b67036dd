"""Rows of columns: for a terminal under their names and cut to its width, else whole, for programs that read them."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import click

from prismq_worker_sdk.cli.output import note
from prismq_worker_sdk.compat import UTC, datetime_from_iso
from prismq_worker_sdk.errors import ServerUnreachable
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.observe.logs import one_line

GAP = "  "
CLEARED = "\x1b[H\x1b[2J"
"""Makes a terminal empty."""

EVERY = 2.0
"""Seconds between two looks."""

watch_option = click.option("--watch", is_flag=True, help="Show it again every 2 s, until Ctrl-C.")


def is_terminal() -> bool:
    """Whether somebody looks at the answer."""
    return sys.stdout is not None and sys.stdout.isatty()


def table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, for_people: bool | None = None
) -> Iterator[str]:
    """Lines of a table.

    Args:
        rows: Cells, as many as there are names.
        for_people: Whether it has the names of its columns; where somebody looks at it unless said.
    """
    lines = [[one_line(cell) for cell in row] for row in rows]
    named = is_terminal() if for_people is None else for_people
    shown = [list(names), *lines] if named and lines else lines
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    most = shutil.get_terminal_size().columns if is_terminal() else None
    for line in shown:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield GAP.join(padded).rstrip()[:most]


def age(since: datetime | str | None) -> str:
    """How long ago, in one unit."""
    if since is None:
        return ""
    seconds = age_seconds(since)
    return duration.text(int(seconds)).split()[0] if seconds >= 1 else "0s"


def age_seconds(since: datetime | str | None) -> float:
    """Seconds ago, by this machine's clock; without an end where nothing is known."""
    if since is None:
        return math.inf
    at = datetime_from_iso(since) if isinstance(since, str) else since
    return max(0.0, (datetime.now(UTC) - at).total_seconds())


def shown_again(show: Callable[[], None], *, watch: bool) -> None:
    """Shows something once, or again and again; what was seen once is looked at again though its server is away."""
    seen = False
    while True:
        if watch and is_terminal():
            click.echo(CLEARED, nl=False)
        try:
            show()
        except ServerUnreachable as error:
            if not (watch and seen):
                raise
            note(f"not live: {one_line(str(error))}")
        if not watch:
            return
        seen = True
        if is_terminal():
            note(f"every {duration.text(EVERY)}, Ctrl-C ends it")
        time.sleep(EVERY)
