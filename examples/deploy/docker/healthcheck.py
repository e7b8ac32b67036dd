"""Ends with 0 while what the container runs answers: the worker's /healthz, or the address that is given."""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

OWN = f"http://127.0.0.1:{os.environ.get('PRISMQ_WORKER_HEALTH_PORT', '8081')}/healthz"


def status(address: str) -> int:
    """The status of a GET, without a proxy."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=4)
    connection.request("GET", parts.path)
    return connection.getresponse().status


if __name__ == "__main__":
    try:
        found = status(sys.argv[1] if len(sys.argv) > 1 else OWN)
    except (OSError, HTTPException) as error:
        sys.exit(f"no answer: {error}")
    sys.exit(0 if found == HTTPStatus.OK else f"status {found}")
