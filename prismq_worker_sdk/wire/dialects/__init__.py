"""Dialects: pure codecs between calls and HTTP; several steps as generators."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

from prismq_worker_sdk.model.protocol import ExchangeResponse, Failure, ServerInfo, Unreachable
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest

__all__ = ["Steps"]

Steps: TypeAlias = Generator[HttpRequest, HttpReply | Unreachable, ServerInfo | ExchangeResponse | Failure]
"""Yields each HTTP request, is sent its reply, returns the answer to the call."""
