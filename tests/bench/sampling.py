"""Where the time of a task goes in our worker: its threads and files, sampled from outside while it is busy."""

import re
import signal
import subprocess
from collections import Counter

from tests.bench.peers import environments, measure
from tests.bench.peers.apps.marks import Reader
from tests.bench.peers.peer import PEERS, stage

SAMPLER = ("py-spy==0.4.3",)
SLOTS = 64
EACH_SECOND = 100
THREAD, FILE = "thread ", "file "
"""What the names of the figures begin with."""

ELSEWHERE = "Python and libraries alone"
PRODUCT = re.compile(r"prismq_worker_sdk/([\w/]+\.py):\d+\)")
NUMBERED = re.compile(r"-\d+$")


def profiled(sizes):
    """CPU of a task, µs, and what of it each thread and each file takes."""
    (ours,) = [peer for peer in PEERS if peer.name == "ours"]
    sampler = environments.environment("sampler", SAMPLER) / "bin" / "py-spy"
    with stage(ours) as place:
        place.produce("fill", sizes.tasks)
        started, raw = Reader(place.memory, "started"), place.folder / "samples"
        with measure.worker(place, SLOTS) as tree:
            measure.first(place, started)
            before, cpu = started.count(), tree.cpu()
            words = [
                "record",
                "--pid",
                tree.pid,
                "--threads",
                "--gil",
                "--rate",
                EACH_SECOND,
                "--format",
                "raw",
                "--output",
                raw,
            ]
            with subprocess.Popen(
                [sampler, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as seen:
                for _ in measure.until(place, started, sizes.tasks):
                    if seen.poll() is not None:
                        raise RuntimeError(f"no samples could be taken: {seen.stderr.read().decode()[-500:]}")
                spent = (tree.cpu() - cpu) / (started.count() - before) * 1e6
                seen.send_signal(signal.SIGINT)
                seen.communicate(timeout=60)
        return {"cpu": spent, **shares(raw.read_text("utf-8"), spent)}


def shares(samples, whole):
    """What of the whole each thread and each file takes; a sample counts for the innermost file of ours.

    Args:
        samples: Folded stacks: thread and frames between semicolons, and how often they were seen.
    """
    threads, files = Counter(), Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        thread = stack.partition(";")[0].rpartition(": ")[2]
        ours = PRODUCT.findall(stack)
        threads[NUMBERED.sub("", thread)] += int(count)
        files[ours[-1] if ours else ELSEWHERE] += int(count)
    every = sum(threads.values())
    found = {}
    for prefix, counts in ((THREAD, threads), (FILE, files)):
        found |= {prefix + name: whole * count / every for name, count in counts.most_common()}
    return found
