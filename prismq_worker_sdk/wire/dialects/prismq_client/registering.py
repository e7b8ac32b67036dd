"""Registering task types: a registration overwrites whatever stands under the name, without a question."""

from __future__ import annotations

import json
import re
from typing import Any

from prismq_worker_sdk.wire.dialects.prismq_client.answers import read
from prismq_worker_sdk.wire.dialects.prismq_client.types import Asking, is_damaged
from prismq_worker_sdk.wire.messages import HttpRequest

__all__ = ["can_be_asked_for", "register"]

_RAW = re.compile(r"[A-Za-z0-9_.~-]+")


def can_be_asked_for(name: str) -> bool:
    """Whether a type can be found by its name: the server decodes no path."""
    return _RAW.fullmatch(name) is not None and not is_damaged(name)


def register(name: str, version: str, schema: dict[str, Any]) -> Asking:
    """The answer to a registration, as `answers.Answer`."""
    body = {"name": name, "version": version, "param_schema": schema}
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return read((yield HttpRequest("publish", "POST", ("task-types", "register"), text)))
