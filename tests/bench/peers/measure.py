"""What is measured of a worker, from outside, the same for everybody."""

import json
import os
import signal
import time
from contextlib import contextmanager, suppress

import psutil

from tests.bench.figures import percentile
from tests.bench.peers.apps.marks import Reader
from tests.bench.peers.peer import stage
from tests.support.processes import wait_until

START = 60.0
"""Seconds within which a worker must have begun its first task."""

STALL = 60.0
"""Seconds without a new task after which a run is given up."""

QUIET = 1.0
"""Seconds that an idle worker is left alone before its memory is looked at."""

SLOTS = 8
"""Of a worker that is idle, or is to be killed."""

KILL_PAUSE = 0.005
"""Seconds of a task in the run with a kill, so that some are at work when it comes."""


class Tree:
    """A worker with all its processes."""

    def __init__(self, running):
        self._running = running
        self._root = psutil.Process(running.pid)
        self.pid = running.pid

    def cpu(self):
        """Seconds that its processes have worked."""
        return sum(times.user + times.system for times in self._each(psutil.Process.cpu_times))

    def memory(self):
        """MiB: what each process has for itself, and once what the largest shares."""
        sizes = self._each(psutil.Process.memory_full_info)
        return (sum(size.uss for size in sizes) + max(size.rss - size.uss for size in sizes)) / 2**20

    def kill(self):
        """Ends all of it at once, as a lack of memory would."""
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait()

    def _each(self, look):
        found = []
        for process in (self._root, *self._root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found.append(look(process))
        return found


@contextmanager
def worker(place, slots):
    """A worker at work, gone with the block."""
    tree = Tree(place.start(slots))
    try:
        yield tree
    finally:
        tree.kill()


def drain(peer, slots, tasks, *, pause=0.0):
    """A backlog that waits is worked off: tasks/s, CPU of a task, memory at work, start to the first task."""
    with stage(peer, pause=pause) as place:
        place.produce("fill", tasks)
        started = Reader(place.memory, "started")
        begun = time.monotonic()
        with worker(place, slots) as tree:
            first(place, started)
            cpu, largest = tree.cpu(), 0.0
            for _ in until(place, started, tasks):
                largest = max(largest, tree.memory())
            cpu = tree.cpu() - cpu
        marks = started.marks()
    earliest, latest = marks[0][1], marks[-1][1]
    return {
        "rate": (len(marks) - 1) / (latest - earliest),
        "cpu": cpu / (len(marks) - 1) * 1e6,
        "memory": largest,
        "start": (earliest - begun) * 1000,
    }


def idle(peer, slots, pickups):
    """A worker that waits: its memory, and how soon it begins a task that comes, milliseconds."""
    with stage(peer) as place:
        started = Reader(place.memory, "started")
        with worker(place, slots) as tree:
            place.produce("fill", 1)
            first(place, started)
            time.sleep(QUIET)
            memory = tree.memory()
            producer = place.pacing(pickups)
            try:
                spans = json.loads(producer.communicate(timeout=START + pickups)[0])
            finally:
                producer.kill()
            _wait(place, lambda: started.count() > pickups, "the last task", START)
        begun = dict(started.marks())
    waits = [(begun[number] - before) * 1000 for number, (before, _after) in enumerate(spans, 1)]
    return {"memory": memory, "p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99)}


def killed(peer, slots, tasks, patience):
    """A worker is killed when a third of the tasks is done, and another one started: tasks lost and done twice.

    Args:
        patience: Seconds without an end of a task after which the rest counts as lost.
    """
    with stage(peer, pause=KILL_PAUSE) as place:
        place.produce("fill", tasks)
        ended = Reader(place.memory, "ended")
        with worker(place, slots):
            _wait(place, lambda: ended.count() >= tasks // 3, "a third of the tasks", START)
        with worker(place, slots):
            _all_that_come(place, tasks, patience)
        numbers = [number for number, _at in Reader(place.memory, "ended").marks()]
    return {"lost": tasks - len(set(numbers)), "twice": len(numbers) - len(set(numbers))}


def _all_that_come(place, tasks, patience):
    """Returns when every task has ended, or none has for so long."""
    ended, seen, since = Reader(place.memory, "ended"), 0, time.monotonic()
    while time.monotonic() - since < patience:
        if ended.count() > seen:
            seen, since = ended.count(), time.monotonic()
            if len({number for number, _at in ended.marks()}) == tasks:
                return
        time.sleep(0.05)


def first(place, started):
    """Returns once the first task was begun."""
    _wait(place, started.count, "the first task", START)


def until(place, started, tasks):
    """Yields now and then until so many tasks were begun."""
    seen, since = 0, time.monotonic()
    while (count := started.count()) < tasks:
        if count > seen:
            seen, since = count, time.monotonic()
        elif time.monotonic() - since > STALL:
            raise RuntimeError(f"no task was begun for {STALL:.0f} s:\n{place.log()[-2000:]}")
        yield
        time.sleep(0.05)


def _wait(place, condition, what, seconds):
    try:
        wait_until(condition, what, seconds)
    except AssertionError as error:
        raise RuntimeError(f"{error}\n{place.log()[-2000:]}") from None
