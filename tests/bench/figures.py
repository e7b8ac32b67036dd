"""Rounds that take turns, and tables of what they measured."""

import os
import platform
import time
from dataclasses import dataclass
from statistics import median

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One thing that was measured in each round; `scale` is what others measured, to compare with."""

    what: str
    samples: list
    scale: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of one unit; the first row is the peer, and each ratio is to it."""

    title: str
    unit: str
    rows: list

    def text(self):
        unit = self.unit
        head = (self.title, f"median {unit}", f"min {unit}", f"max {unit}", "of first", "rounds", "for scale")
        lines = [head, *(self._cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        return "\n".join(_aligned(line, widths) for line in lines)

    def values(self):
        rows = [
            {
                "what": row.what,
                "median": median(row.samples),
                "min": min(row.samples),
                "max": max(row.samples),
                "of_first": self._ratio(row),
                "rounds": len(row.samples),
                "scale": row.scale,
            }
            for row in self.rows
        ]
        return {"table": self.title, "unit": self.unit, "rows": rows}

    def _ratio(self, row):
        return median(row.samples) / median(self.rows[0].samples)

    def _cells(self, row):
        numbers = [number(value) for value in (median(row.samples), min(row.samples), max(row.samples))]
        return (row.what, *numbers, f"{self._ratio(row):.2f}", str(len(row.samples)), row.scale)


def _aligned(cells, widths):
    first, *numbers, last = cells
    middle = [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=False)]
    return "  ".join([first.ljust(widths[0]), *middle, last]).rstrip()


def number(value):
    """Three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def interleaved(cells, seconds):
    """Runs every cell once a round, until the time is used up, at least ROUNDS times; cell → its samples.

    A cell takes the seconds that it may use, and gives its sample.
    """
    share = seconds / ROUNDS / len(cells)
    samples = {name: [] for name in cells}
    begun = time.monotonic()
    done = 0
    while done < ROUNDS or time.monotonic() - begun + (time.monotonic() - begun) / done < seconds:
        for name, cell in cells.items():
            samples[name].append(cell(share))
        done += 1
    return samples


def machine():
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def percentile(values, part):
    """The value below which this part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
