"""`python -m prismq_worker_sdk` is the command line."""

from __future__ import annotations

import sys

from prismq_worker_sdk.cli import main

if __name__ == "__main__":
    sys.exit(main())
