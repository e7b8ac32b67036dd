"""Which tasks a worker ran, and when: in memory that outlives the process and costs it next to nothing.

It is imported by the workers of the peers as well, so it needs nothing but Python.
"""

import mmap
import os
import struct
import time
from itertools import count
from pathlib import Path

FOLDER = "BENCH_MARKS"
"""The variable that names the folder of the marks."""

PAUSE = "BENCH_PAUSE"
"""The variable with the seconds that each task takes; nothing for none."""

ENTRY = struct.Struct("<qd")
MOST = 1 << 20


class Book:
    """The marks of one kind that this process makes, in a file of its own."""

    def __init__(self, kind):
        self._kind = kind
        self._places = count()
        self._memory = None

    def mark(self, number):
        """Notes the number of a task, from any thread."""
        if self._memory is None:
            self._open()
        ENTRY.pack_into(self._memory, next(self._places) * ENTRY.size, number + 1, time.monotonic())

    def _open(self):
        path = Path(os.environ[FOLDER]) / f"{self._kind}-{os.getpid()}"
        with path.open("a+b") as file:
            file.truncate(MOST * ENTRY.size)
            self._memory = mmap.mmap(file.fileno(), MOST * ENTRY.size)


STARTED, ENDED = Book("started"), Book("ended")
SECONDS = float(os.environ.get(PAUSE) or 0)


def run(number):
    """What every handler of the benches does."""
    STARTED.mark(number)
    if SECONDS:
        time.sleep(SECONDS)
        ENDED.mark(number)


class Reader:
    """The marks of one kind that all processes of a worker made."""

    def __init__(self, folder, kind):
        self._folder = Path(folder)
        self._kind = kind
        self._seen = {}

    def count(self):
        """How many there are; costs little when asked often."""
        for path in self._folder.glob(f"{self._kind}-*"):
            self._seen.setdefault(path, 0)
        for path, seen in self._seen.items():
            self._seen[path] = seen + _more(path, seen)
        return sum(self._seen.values())

    def marks(self):
        """(number, when) of each, by time."""
        self.count()
        found = []
        for path, seen in self._seen.items():
            with path.open("rb") as file:
                found += ENTRY.iter_unpack(file.read(seen * ENTRY.size))
        return sorted(((number - 1, at) for number, at in found), key=lambda mark: mark[1])


def _more(path, seen):
    """How many marks follow those that were seen."""
    with path.open("rb") as file:
        file.seek(seen * ENTRY.size)
        more = 0
        while True:
            numbers = [number for number, _at in ENTRY.iter_unpack(file.read(1024 * ENTRY.size))]
            written = numbers.index(0) if 0 in numbers else len(numbers)
            more += written
            if written < 1024:
                return more
