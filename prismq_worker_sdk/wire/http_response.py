"""Reads HTTP/1.1 answers (RFC 9112), strictly and within bounds; knows no socket."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reasons import CUT_OFF, NoAnswerError, too_large

MOST_HEAD = 64 * 1024
"""Bytes of a status line with its fields, and of the fields behind the last chunk."""
MOST_FIELDS = 100
MOST_SIZE_LINE = 4 * 1024
"""Bytes of the line before a chunk, with what it may tell beside the size."""
MOST_DIGITS = 18

SWITCHING_PROTOCOLS, FINAL, BODILESS = 101, 200, {204, 304}

WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""How zlib is told what it unpacks; some servers mean bare deflate by that name."""

_BLANK_LINE = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?: [\t -~\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'+*\-.^_`|~0-9A-Za-z]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*)?[ \t]*")
_ALLOWED = bytes({*b"\t\n", *range(32, 127), *range(128, 256)})


class ResponseReader:
    """Reads the answer to one request.

    Args:
        receive: What the server sent next; nothing at its end. Whatever it raises ends the reading.
        limit: Largest body, bytes, packed and unpacked.
    """

    __slots__ = ("_data", "_limit", "_receive")

    def __init__(self, receive: Callable[[], bytes], *, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._data = bytearray()

    def read(self, method: str) -> tuple[HttpReply, bool]:
        """The answer to a request of this method, and whether its connection may carry another one.

        Raises:
            NoAnswerError: What came is no HTTP, is cut off, or too large.
            ConnectionResetError: Nothing came.
        """
        status = 0
        while status < FINAL:
            minor, status, fields = self._head()
            if status == SWITCHING_PROTOCOLS:
                raise NoAnswerError(f"HTTP {status} in place of an answer")
        reusable = _is_kept(minor, fields)
        if method == "HEAD" or status in BODILESS:
            body = b""
        elif (coding := fields.get("transfer-encoding")) is not None:
            body = self._chunks(coding)
            reusable = reusable and not _number(fields.get("content-length", "0"))
        elif (length := fields.get("content-length")) is not None:
            body = self._exactly(self._bounded(_number(length)))
        else:
            body, reusable = self._everything(), False
        if body and "content-encoding" in fields:
            body = _unpacked(body, fields["content-encoding"], self._limit)
        return HttpReply(status, body, fields), reusable and not self._data

    def _head(self) -> tuple[int, int, dict[str, str]]:
        data, searched = self._data, 0
        while (blank := _BLANK_LINE.search(data, searched)) is None:
            if len(data) > MOST_HEAD or not b"HTTP/1.".startswith(data[:7]):
                break
            searched = max(0, len(data) - 2)
            self._more(nothing=None if data else ConnectionResetError("no answer came"))
        end = blank.end() if blank else MOST_HEAD
        head = data[:end].replace(b"\r\n", b"\n").rstrip(b"\n")
        first, _, rest = head.partition(b"\n")
        line = _STATUS_LINE.fullmatch(first)
        if line is None:
            raise NoAnswerError(f"what came is no HTTP: {_shown(first)}")
        if blank is None or end > MOST_HEAD:
            raise NoAnswerError(f"the head of the answer is larger than {MOST_HEAD // 1024} KiB")
        del data[:end]
        return int(line[1]), int(line[2]), _fields(rest)

    def _more(self, nothing: Exception | None = None) -> None:
        came = self._receive()
        if not came:
            raise nothing or NoAnswerError(CUT_OFF)
        self._data += came

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        found = bytes(self._data[:size])
        del self._data[:size]
        return found

    def _everything(self) -> bytes:
        while came := self._receive():
            self._data += came
            self._bounded(len(self._data))
        return self._exactly(self._bounded(len(self._data)))

    def _chunks(self, coding: str) -> bytes:
        if coding.lower() != "chunked":
            raise NoAnswerError(f"the answer comes as {coding[:60]!r}, which nobody asked for")
        body = bytearray()
        while size := self._chunk_size():
            self._bounded(len(body) + size)
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise NoAnswerError("a chunk of the answer is longer than its size")
        trailers, left = bytearray(), MOST_HEAD
        while trailer := self._line(left):
            left -= len(trailer)
            trailers += trailer + b"\n"
        _fields(trailers[:-1])
        return bytes(body)

    def _chunk_size(self) -> int:
        line = self._line(MOST_SIZE_LINE)
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise NoAnswerError(f"a chunk of the answer has no such size as {_shown(line)}")
        return int(found[1], 16)

    def _line(self, most: int) -> bytes:
        while (end := self._data.find(b"\r\n", 0, most + 2)) < 0:
            if len(self._data) >= most + 2:
                raise NoAnswerError("a line between the chunks of the answer is too long")
            self._more()
        return self._exactly(end + 2)[:-2]

    def _bounded(self, size: int) -> int:
        if size > self._limit:
            raise NoAnswerError(too_large(self._limit))
        return size


def _fields(block: bytes | bytearray) -> dict[str, str]:
    """The fields by their names in lower case; one that came twice has a list, which is what that means."""
    lines = block.decode("latin-1").split("\n") if block else []
    if len(lines) > MOST_FIELDS or block.translate(None, _ALLOWED):
        raise NoAnswerError("the answer has too many fields, or one with a control character")
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if name and line.startswith((" ", "\t")):  # it goes on in a second line, as was allowed once
            fields[name] += " " + line.strip(" \t")
            continue
        written, colon, value = line.partition(":")
        name, value = written.lower(), value.strip(" \t")
        if not colon or not _NAME.fullmatch(name):
            raise NoAnswerError(f"the answer has no such field as {line[:60]!r}")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _shown(line: bytes | bytearray) -> str:
    return repr(line[:60].decode("latin-1"))


def _number(text: str) -> int:
    number, *others = {part.strip() for part in text.split(",")} if "," in text else (text,)
    if others or not (number.isascii() and number.isdecimal() and len(number) <= MOST_DIGITS):
        raise NoAnswerError(f"the answer has no such length as {text[:60]!r}")
    return int(number)


def _is_kept(minor: int, fields: dict[str, str]) -> bool:
    if "connection" not in fields:
        return minor > 0
    options = {option.strip() for option in fields["connection"].lower().split(",")}
    return "close" not in options and (minor > 0 or "keep-alive" in options)


def _unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """Nobody asked for it, but a proxy may pack all the same; what is packed otherwise stays, and is no JSON."""
    windows = WINDOWS.get(coding.lower(), ())
    for window in windows:
        unpacking = zlib.decompressobj(window)
        try:
            unpacked = unpacking.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(unpacked) > limit:
            raise NoAnswerError(too_large(limit))
        if not unpacking.eof or unpacking.unused_data:
            raise NoAnswerError(CUT_OFF)
        return unpacked
    if windows:
        raise NoAnswerError(f"the answer is not packed as {coding!r}, as it says")
    return body
