"""Does the database keep a result as it was sent: every character of it, and all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator

from prismq_worker_sdk.cli.doctoring.finding import Finding, bad, ok, warn
from prismq_worker_sdk.wire.dialects.prismq_client.values import MAX_TEXT_BYTES

__all__ = ["CHARACTER", "judge_texts"]

CHECK = "text"
CHARACTER = "\U0001f3ac"
"""Four bytes in UTF-8, as every emoji has."""

REMEDY = "connect to the database with the charset utf8mb4, and make its tables so"


def judge_texts(*, kept: str | None, strict: bool) -> Iterator[Finding]:
    """What came of a result with such a character, and of an error text that is too long.

    Args:
        kept: What the character came back as; None where it was refused.
        strict: Whether the text was refused; else it was cut.
    """
    if kept is None:
        text = "a result with a character of four bytes (an emoji) is refused with HTTP 500, so that its task fails"
        yield bad(CHECK, text, REMEDY)
    elif kept != CHARACTER:
        yield bad(CHECK, f"characters of four bytes (emoji) are stored as {kept!r}", REMEDY)
    if not strict:
        text = f"texts beyond {MAX_TEXT_BYTES:,} bytes are cut instead of refused, and a result that is cut is null"
        yield warn(CHECK, text, "set STRICT_TRANS_TABLES in the sql_mode of the database")
    elif kept == CHARACTER:
        yield ok(CHECK, f"results keep every character, up to {MAX_TEXT_BYTES:,} bytes")
