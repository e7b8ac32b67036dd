"""HTTP/1.1 on a socket of its own, for what is neither proxied nor odd: a tenth of what requests costs."""

from __future__ import annotations

import re
import select
import socket
import sys
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from prismq_worker_sdk.wire.address import DEFAULT_PORTS
from prismq_worker_sdk.wire.connecting import connect, secured, with_reserve
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions
from prismq_worker_sdk.wire.deadline import Deadline
from prismq_worker_sdk.wire.http_codings import joined_chunks, shown, unpacked
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reasons import CUT_OFF, NoAnswerError, too_large

PIECE = 64 * 1024
"""Bytes that are read at once; bodies from this size on are not copied behind their head."""

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Only Linux has it."""

MOST_HEAD = 64 * 1024
"""Bytes of a status line with its fields."""
MOST_FIELDS, MOST_DIGITS = 100, 18

SWITCHING_PROTOCOLS, FINAL, BODILESS = 101, 200, {204, 304}

_BLANK_LINE = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?: [\t -~\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'+*\-.^_`|~0-9A-Za-z]+")
_ALLOWED = bytes({*b"\t\n", *range(32, 127), *range(128, 256)})
_JSON_FIELD = "Content-Type: application/json\r\n"
_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_TARGET = re.compile(r"/[!-~]*")
_FIELD = re.compile(r"[A-Za-z-]+: [\t -~\x80-\xff]*")


class HttpConnection:
    """Sends one request after another on one connection, made anew where it must be; for one thread.

    Args:
        base: The api_url, for which `is_plain` holds.
        options: What TLS takes of them.
    """

    def __init__(self, base: str, deadline: Deadline, options: ConnectionOptions = NO_OPTIONS) -> None:
        parts = urlsplit(base)
        self._host = parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._fields = self._host_field = f"Host: {parts.netloc}\r\n"
        self._body_field = _JSON_FIELD
        self._is_secure = parts.scheme == "https"
        self._options = options
        self._deadline = deadline
        self._kept: socket.socket | None = None
        self._closed = 0

    def __del__(self) -> None:
        self.close()

    def use(self, headers: Mapping[str, str]) -> None:
        """From now on these go with each request; a body is JSON unless they say otherwise.

        Raises:
            ValueError: One of them would not stay on its line.
        """
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if not all(map(_FIELD.fullmatch, lines)):
            raise ValueError("a header holds what none can carry")
        self._fields = self._host_field + "".join(f"{line}\r\n" for line in lines)
        self._body_field = "" if "content-type" in map(str.lower, headers) else _JSON_FIELD

    def exchange(
        self, method: str, target: str, body: bytes | None, *, connect_in: float, limit: int
    ) -> HttpReply:
        """The answer to one request.

        Args:
            target: Path and query, quoted.
            connect_in: Seconds for each address of the host.
            limit: Largest answer, bytes.

        Raises:
            NoAnswerError: What came is none.
            OSError: There is no connection, or it broke; TimeoutError: no time is left.
        """
        head = self._head(method, target, body)
        closed, sock = self._closed, self._taken() or with_reserve(lambda: self._connected(connect_in))
        try:
            whole = self._send(sock, head, body or b"")
            reply, reusable = ResponseReader(self._receiver(sock), limit=limit).read(method)
        except BaseException:
            sock.close()
            raise
        if whole and reusable and closed == self._closed:
            self._kept = sock
        else:
            sock.close()
        return reply

    def close(self) -> None:
        """Closes the connection, or lets the call that is under way on another thread close it."""
        self._closed += 1
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _head(self, method: str, target: str, body: bytes | None) -> bytes:
        if not _TARGET.fullmatch(target):
            raise ValueError("a path holds what none can carry")
        fields = self._fields
        if body is not None:
            fields += f"{self._body_field}Content-Length: {len(body)}\r\n"
        elif method != "GET":
            fields += "Content-Length: 0\r\n"
        return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")

    def _taken(self) -> socket.socket | None:
        """The kept connection, unless the server closed it or said what nobody asked."""
        kept, self._kept = self._kept, None
        if kept is not None and _is_readable(kept):
            kept.close()
            return None
        return kept

    def _connected(self, seconds: float) -> socket.socket:
        left = self._deadline.left
        sock = connect(self._host, self._port, timeout=min(seconds, left()), left=left, options=_AT_ONCE)
        if not self._is_secure:
            return sock
        try:
            sock.settimeout(min(seconds, left()))
            return secured(sock, self._host, self._options)
        except BaseException:
            sock.close()
            raise

    def _send(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
        """Whether all of it went out; a server may refuse it and close before it read it to its end."""
        pieces = (head + body,) if len(body) < PIECE else (head, body)
        try:
            for piece in pieces:
                self._deadline.send(sock, piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _receiver(self, sock: socket.socket) -> Callable[[], bytes]:
        """What gives the next bytes of an answer, none at its end.

        A server that writes an answer in pieces may hold the rest back until we acknowledge the first, which the
        system puts off for 40 ms, after each send anew. So it is told not to, but not before the first read: no plain
        answer needs that, and each would cost a packet. TLS has pieces of its own, which that read may be about.
        """
        left, settimeout, receive = self._deadline.left, sock.settimeout, sock.recv
        in_pieces = self._is_secure

        def received() -> bytes:
            nonlocal in_pieces
            settimeout(left())
            if in_pieces and QUICKACK is not None:
                sock.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
            in_pieces = True
            return receive(PIECE)

        return received


class ResponseReader:
    """Reads the answer to one request (RFC 9112), strictly and within bounds.

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
        reusable = minor > 0
        if "connection" in fields:
            options = {option.strip() for option in fields["connection"].lower().split(",")}
            reusable = "close" not in options and (reusable or "keep-alive" in options)
        if method == "HEAD" or status in BODILESS:
            body = b""
        elif (coding := fields.get("transfer-encoding")) is not None:
            body, trailers = joined_chunks(coding, self._exactly, self._line)
            _fields(trailers)
            reusable = reusable and not _number(fields.get("content-length", "0"))
        elif (length := fields.get("content-length")) is not None:
            body = self._exactly(_number(length))
        else:
            body, reusable = self._everything(), False
        if body and "content-encoding" in fields:
            body = unpacked(body, fields["content-encoding"], self._limit)
        return HttpReply(status, body, fields), reusable and not self._data

    def _head(self) -> tuple[int, int, dict[str, str]]:
        data, searched = self._data, 0
        while (blank := _BLANK_LINE.search(data, searched)) is None:
            if len(data) > MOST_HEAD or not b"HTTP/1.".startswith(data[:7]):
                break
            searched = max(0, len(data) - 2)
            if not (came := self._receive()):
                raise NoAnswerError(CUT_OFF) if data else ConnectionResetError("no answer came")
            data += came
        end = blank.end() if blank else MOST_HEAD
        first, _, rest = data[:end].replace(b"\r\n", b"\n").rstrip(b"\n").partition(b"\n")
        line = _STATUS_LINE.fullmatch(first)
        if line is None:
            raise NoAnswerError(f"what came is no HTTP: {shown(first)}")
        if blank is None or end > MOST_HEAD:
            raise NoAnswerError(f"the head of the answer is larger than {MOST_HEAD // 1024} KiB")
        del data[:end]
        return int(line[1]), int(line[2]), _fields(rest)

    def _exactly(self, size: int, before: int = 0) -> bytes:
        """The next bytes of a body, so many of which came before them."""
        if before + size > self._limit:
            raise NoAnswerError(too_large(self._limit))
        data = self._data
        while len(data) < size:
            if not (came := self._receive()):
                raise NoAnswerError(CUT_OFF)
            data += came
        found = bytes(data[:size])
        del data[:size]
        return found

    def _everything(self) -> bytes:
        while len(self._data) <= self._limit and (came := self._receive()):
            self._data += came
        return self._exactly(len(self._data))

    def _line(self, most: int) -> bytes:
        data = self._data
        while (end := data.find(b"\r\n", 0, most + 2)) < 0:
            if len(data) >= most + 2:
                raise NoAnswerError("a line between the chunks of the answer is too long")
            if not (came := self._receive()):
                raise NoAnswerError(CUT_OFF)
            data += came
        line = bytes(data[:end])
        del data[: end + 2]
        return line


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


def _number(text: str) -> int:
    number, *others = {part.strip() for part in text.split(",")} if "," in text else (text,)
    if others or not (number.isascii() and number.isdecimal() and len(number) <= MOST_DIGITS):
        raise NoAnswerError(f"the answer has no such length as {text[:60]!r}")
    return int(number)


if sys.platform == "win32":

    def _is_readable(sock: socket.socket) -> bool:
        return bool(select.select([sock], [], [], 0)[0])

else:

    def _is_readable(sock: socket.socket) -> bool:
        poll = select.poll()  # `select` cannot look at descriptors from 1024 on
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
