"""Ids of tasks, and the tokens that prove claims."""

from __future__ import annotations

import base64
import secrets
import time


def new_ids(number: int) -> list[str]:
    """Ids of tasks (UUIDs of version 7): each grows on the one before, so that they are stored side by side."""
    start = _start()
    chance = secrets.token_hex(8 * number)
    return [
        f"{start[:8]}-{start[8:]}-7{place & 0xFFF:03x}-{8 | int(some[0], 16) & 3:x}{some[1:4]}-{some[4:]}"
        for place in range(number)
        for some in (chance[16 * place : 16 * place + 16],)
    ]


def new_tokens(number: int) -> list[str]:
    """Lease tokens: they grow as ids do, and end in 192 bits of chance, since a token alone proves a claim (R2)."""
    start = _start()
    chance = base64.urlsafe_b64encode(secrets.token_bytes(24 * number)).decode()
    return [f"{start}{place:04x}{chance[32 * place : 32 * place + 32]}" for place in range(number)]


def _start() -> str:
    return f"{time.time_ns() // 1_000_000 & (1 << 48) - 1:012x}"
