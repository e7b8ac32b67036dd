"""`python produce.py APP fill|pace NUMBER`: puts tasks into a queue, in bulk or one now and then.

It runs in the environment of a peer. When paced, it prints from when to when each task was being put there.
"""

import importlib
import json
import random
import sys
import time


def main(app, what, number):
    queue = importlib.import_module(app)
    if what == "fill":
        queue.fill(range(number))
        return
    dice, spans = random.Random(1), []
    for task in range(number):
        time.sleep(dice.uniform(0.03, 0.08))
        begun = time.monotonic()
        queue.put(task + 1)  # the first one was there to wake the worker
        spans.append((begun, time.monotonic()))
    json.dump(spans, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
