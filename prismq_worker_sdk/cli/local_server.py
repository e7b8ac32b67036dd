"""A TaskManager on this machine that was started a moment ago, and does not listen yet."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import click

__all__ = ["await_local_server"]

PATIENCE = 5.0
"""Seconds that a server of this machine has to open its port."""

LOOK_EVERY = 0.05
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def await_local_server(api_url: str) -> None:
    """Waits until something listens at an address of this machine, for a few seconds at most; else returns at once.

    `prismq-worker taskmanager &` and a command for it, pasted together, should do what they look like.
    """
    address = urlsplit(api_url)
    if address.hostname not in LOOPBACK:
        return
    place = address.hostname, address.port or (443 if address.scheme == "https" else 80)
    give_up_at, told = time.monotonic() + PATIENCE, False
    while not _listens(place) and time.monotonic() < give_up_at:
        if not told:
            click.echo(f"waiting for a server at {address.netloc} …", err=True)
            told = True
        time.sleep(LOOK_EVERY)


def _listens(place: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(place, timeout=PATIENCE):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return True  # whatever it is, the call itself says it better
