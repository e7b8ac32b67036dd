"""Being somebody who is not root, for as long as a test needs it."""

import os
from contextlib import contextmanager

SOMEBODY = 65534
ROOT = os.geteuid() == 0


@contextmanager
def an_ordinary_user():
    """Root may enter every folder; everybody else is one already."""
    if ROOT:
        os.setegid(SOMEBODY)
        os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        if ROOT:
            os.seteuid(0)
            os.setegid(0)
