"""The end of a command's process: whatever plugins and libraries have left there, it comes, with the exit code."""

import subprocess
import sys

import pytest

LEFT = {
    "a thread": "threading.Thread(target=time.sleep, args=(3600,)).start()",
    "a callback": "atexit.register(time.sleep, 3600)",
}
ENDS = """
import atexit, sys, threading, time
from prismq_worker_sdk.cli import output

output.LAST_MOMENT = output.LAST_CALLBACKS = 0.1
{left}
print("told", end="")
sys.exit(output.end_process(3))
"""


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_a_process_ends_whatever_is_left_in_it(left):
    ends = [sys.executable, "-c", ENDS.format(left=left)]
    found = subprocess.run(ends, check=False, capture_output=True, text=True, timeout=60)

    assert (found.returncode, found.stdout, found.stderr) == (3, "told", "")
