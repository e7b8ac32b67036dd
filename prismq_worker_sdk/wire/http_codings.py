"""What the body of an answer may come in: chunks, and compressions that nobody asked for."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from prismq_worker_sdk.wire.reasons import CUT_OFF, NoAnswerError, too_large

MOST_TRAILERS = 64 * 1024
"""Bytes of the fields behind the last chunk."""

MOST_SIZE_LINE = 4 * 1024
"""Bytes of the line before a chunk, with what it may tell beside the size."""

WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""How zlib is told what it unpacks; some servers mean bare deflate by that name."""

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*)?[ \t]*")


def joined_chunks(
    coding: str, exactly: Callable[[int, int], bytes], line: Callable[[int], bytes]
) -> tuple[bytes, bytes]:
    """A body that comes in chunks (RFC 9112, section 7.1), and the fields behind it.

    Args:
        coding: What the answer says it comes as.
        exactly: So many of the next bytes, when so many of the body came before.
        line: The next line of at most so many bytes.

    Raises:
        NoAnswerError: These are no chunks.
    """
    if coding.lower() != "chunked":
        raise NoAnswerError(f"the answer comes as {coding[:60]!r}, which nobody asked for")
    body = bytearray()
    while size := _size(line(MOST_SIZE_LINE)):
        body += exactly(size, len(body))
        if exactly(2, 0) != b"\r\n":
            raise NoAnswerError("a chunk of the answer is longer than its size")
    trailers, left = [], MOST_TRAILERS
    while trailer := line(left):
        left -= len(trailer)
        trailers.append(trailer)
    return bytes(body), b"\n".join(trailers)


def unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """The body without its compression; what is packed in an unknown way stays, and is no JSON.

    Args:
        limit: Most bytes, unpacked.

    Raises:
        NoAnswerError: It is not packed as it says, cut off, or too large.
    """
    windows = WINDOWS.get(coding.lower(), ())
    for window in windows:
        unpacking = zlib.decompressobj(window)
        try:
            found = unpacking.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(found) > limit:
            raise NoAnswerError(too_large(limit))
        if not unpacking.eof or unpacking.unused_data:
            raise NoAnswerError(CUT_OFF)
        return found
    if windows:
        raise NoAnswerError(f"the answer is not packed as {coding!r}, as it says")
    return body


def shown(line: bytes | bytearray) -> str:
    """The beginning of a line that is no such thing, for an error."""
    return repr(line[:60].decode("latin-1"))


def _size(line: bytes) -> int:
    found = _CHUNK_SIZE.fullmatch(line)
    if found is None:
        raise NoAnswerError(f"a chunk of the answer has no such size as {shown(line)}")
    return int(found[1], 16)
