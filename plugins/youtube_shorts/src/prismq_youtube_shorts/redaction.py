"""Keeps the API key out of messages and logs; Google's client puts it into every URL it mentions."""

from __future__ import annotations

import logging
import re

MARK = "[redacted]"
_KEY_PARAMETER = re.compile(r"(?i)\b((?:api_?)?key(?:=|%3D))[^&\s\"'<>]+")
_KEY_SHAPE = re.compile(r"AIza[0-9A-Za-z_-]{10,}")
_LOGGERS = ("googleapiclient.discovery", "googleapiclient.http", "googleapiclient.model")


def redact(text: str, key: str = "") -> str:
    """The text without the key: as URL parameter, by Google's shape of keys, and as this very value."""
    if key:
        text = text.replace(key, MARK)
    return _KEY_SHAPE.sub(MARK, _KEY_PARAMETER.sub(rf"\1{MARK}", text))


def redact_client_logs() -> None:
    """Redact whatever Google's client logs: with DEBUG on it logs each URL, key included. Repeatable."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redacted)


def _redacted(record: logging.LogRecord) -> bool:
    record.msg, record.args = redact(record.getMessage()), ()
    return True
