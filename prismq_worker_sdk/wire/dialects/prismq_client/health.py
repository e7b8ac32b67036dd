"""Finding the server: its health, and whether it takes the key, of which the health says nothing."""

from __future__ import annotations

from prismq_worker_sdk.model.capabilities import Capabilities
from prismq_worker_sdk.model.protocol import Failure, ServerInfo
from prismq_worker_sdk.wire.dialects.prismq_client.envelope import Success, envelope, read, settled
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest, Steps

NAME = "prismq-client"

ROOM_FOR_KEY = 255
"""Bytes of a child's params that its key takes (R22)."""

CAPABILITIES = Capabilities(
    creates=True,
    fences=True,
    finds_claims=True,
    orders_claims=True,
    tells_progress=True,
    retries_at_once=True,
    max_result_bytes=MAX_TEXT_BYTES,
    max_params_bytes=MAX_TEXT_BYTES - ROOM_FOR_KEY,
)
"""One task a claim, one report a call; no renewal, no release, no delay."""


def read_health(reply: HttpReply) -> ServerInfo | None:
    """What a health answer tells of such a server; None when it is none of this dialect."""
    body = envelope(reply)
    if body is None or body.get("success") is not True or not isinstance(body.get("data"), dict):
        return None
    return ServerInfo(NAME, CAPABILITIES) if isinstance(body["data"].get("status"), str) else None


def check_key() -> Steps[Failure | None]:
    """Why the server cannot be worked with, None when it takes the key: health answers without one."""
    answer = settled(read((yield HttpRequest("list", "GET", ("tasks",), query=(("limit", "1"),)))))
    return None if isinstance(answer, Success) else answer
