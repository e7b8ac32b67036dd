"""The server's rules, pure: who may report, what comes of a report, when a claim may be handed out again."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.testing.prismq_client import php
from prismq_worker_sdk.testing.prismq_client.answers import Refused, sql_error
from prismq_worker_sdk.testing.prismq_client.deployment import PrismqClientDeployment

HOUR = 3600
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")
LONGEST_NAME = 255


def stamp(now: float, zone_hours: int = 0) -> str:
    """The instant as a column holds it: whole seconds, no zone."""
    instant = datetime.fromtimestamp(math.floor(now) + zone_hours * HOUR, UTC)
    return instant.strftime("%Y-%m-%d %H:%M:%S")


def threshold(now: float, claim_timeout: float) -> str:
    """Claims from before this stamp may be handed out; PHP's clock makes it, whatever the database's says."""
    return stamp(math.floor(now) - claim_timeout)


def may_report(status: str, claimed_by: str | None, worker_id: str) -> None:
    """Raises Refused unless the task is claimed, and by this very text."""
    if status != "claimed":
        raise Refused(400, "Task is not in claimed state")
    if claimed_by != worker_id:
        raise Refused(403, "Task is claimed by another worker")


def after_complete(attempts: int, max_attempts: int, success: Any) -> str:
    """What a task becomes: completed, `pending (retry)` or failed; by PHP's truth."""
    if php.truthy(success):
        return "completed"
    return "pending (retry)" if attempts < max_attempts else "failed"


def stored_result(result: Any, deployment: PrismqClientDeployment) -> str | None:
    """The result as it is kept; whatever is falsy is not."""
    return fitting(php.encode(result), "result_json", deployment) if php.truthy(result) else None


def fitting(text: str, column: str, deployment: PrismqClientDeployment) -> str:
    """The text as a column of the type TEXT holds it, if it does."""
    long, four = len(text.encode()) > php.TEXT_BYTES, _FOUR_BYTES.search(text) is not None
    if deployment.strict and four and (long or not deployment.utf8mb4):
        raise sql_error(
            f"[22007]: Invalid datetime format: 1366 Incorrect string value for column '{column}' at row 1"
        )
    if deployment.strict and long:
        raise _too_long(column)
    kept = text if deployment.utf8mb4 else _FOUR_BYTES.sub("????", text)
    return kept.encode()[: php.TEXT_BYTES].decode("utf-8", "ignore")


def fitting_name(text: str, column: str, longest: int = LONGEST_NAME) -> str:
    """The text, if a column of so many characters holds it."""
    if len(text) > longest:
        raise _too_long(column)
    return text


def row_id(text: str) -> int | None:
    """The row that SQL finds for an id in a path: the number that it begins with."""
    number = php.leading_number(text)
    return int(number) if number < 2**63 and number.is_integer() else None


def whole_id(text: str) -> None:
    """Raises what an UPDATE says of an id that is more than a number; a SELECT passes over it."""
    if not php.is_number(text):
        raise sql_error(f"[22007]: Invalid datetime format: 1292 Truncated incorrect DOUBLE value: '{text}'")


def _too_long(column: str) -> Refused:
    return sql_error(
        f"[22001]: String data, right truncated: 1406 Data too long for column '{column}' at row 1"
    )
