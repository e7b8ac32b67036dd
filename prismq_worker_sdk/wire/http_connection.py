"""HTTP/1.1 on a socket of its own, for what is neither proxied nor odd: a tenth of what requests costs."""

from __future__ import annotations

import re
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prismq_worker_sdk.descriptors import is_exhaustion
from prismq_worker_sdk.wire.address import DEFAULT_PORTS
from prismq_worker_sdk.wire.connecting import connect, with_reserve
from prismq_worker_sdk.wire.http_response import ResponseReader
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reasons import NoAnswerError

if TYPE_CHECKING:
    import ssl

PIECE = 64 * 1024
"""Bytes that are read at once; bodies from this size on are not copied behind their head."""

SHORTEST_TIMEOUT = 0.001
"""Seconds; a socket's time-out of 0 would mean "do not wait at all"."""

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Only Linux has it."""

_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_ADDRESS = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d+)?(?:/[A-Za-z0-9/_.~!$&'()+*,;=:@%-]*)?"
)
_TARGET = re.compile(r"/[!-~]*")
_FIELD = re.compile(r"[A-Za-z-]+: [\t -~\x80-\xff]*")


def is_plain(base: str) -> bool:
    """Whether an api_url can be sent as it is; others have names and paths that must be written otherwise."""
    return _ADDRESS.fullmatch(base) is not None


class Deadline:
    """When the call that is under way must be over as a whole (R31); one for each transport.

    A socket's own time-out begins anew with each byte that trickles in.

    Attributes:
        sent: Whether any of its request went out on a connection.
    """

    __slots__ = ("_at", "sent")

    def __init__(self) -> None:
        self._at = float("inf")
        self.sent = False

    def set(self, seconds: float) -> None:
        """The call begins now and may take so long."""
        self._at = time.monotonic() + seconds
        self.sent = False

    def left(self) -> float:
        """Seconds left.

        Raises:
            TimeoutError: None are.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come in time")
        return max(SHORTEST_TIMEOUT, left)

    def send(self, sock: socket.socket, data: bytes) -> None:
        """Sends all of it. `sendall` would not do: over TLS each record has the whole time-out for itself.

        Raises:
            OSError: It did not go out; TimeoutError: not in time.
        """
        sock.settimeout(self.left())
        self.sent = True
        sent = sock.send(data)
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                sock.settimeout(self.left())
                rest = rest[sock.send(rest) :]


class HttpConnection:
    """Sends one request after another on one connection, made anew where it must be; for one thread.

    Args:
        base: The api_url, for which `is_plain` holds.
        ca_bundle: File or folder of the certificates to trust; certifi's unless given.
    """

    def __init__(self, base: str, deadline: Deadline, *, ca_bundle: str | None) -> None:
        parts = urlsplit(base)
        self._host = parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._fields = self._host_field = f"Host: {parts.netloc}\r\n"
        self._is_secure = parts.scheme == "https"
        self._ca_bundle = ca_bundle
        self._deadline = deadline
        self._kept: socket.socket | None = None
        self._closed = 0

    def __del__(self) -> None:
        self.close()

    def use(self, headers: Mapping[str, str]) -> None:
        """From now on these go with each request.

        Raises:
            ValueError: One of them would not stay on its line.
        """
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if not all(map(_FIELD.fullmatch, lines)):
            raise ValueError("a header holds what none can carry")
        self._fields = self._host_field + "".join(f"{line}\r\n" for line in lines)

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
            fields += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
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
            return _trust(self._ca_bundle).wrap_socket(sock, server_hostname=self._host.rstrip("."))
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


if sys.platform == "win32":

    def _is_readable(sock: socket.socket) -> bool:
        return bool(select.select([sock], [], [], 0)[0])

else:

    def _is_readable(sock: socket.socket) -> bool:
        poll = select.poll()  # `select` cannot look at descriptors from 1024 on
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))


def _trust(bundle: str | None) -> ssl.SSLContext:
    """What certificates are checked against; a bundle that was replaced is read again."""
    if bundle is None:
        import certifi  # noqa: PLC0415 - for https alone

        bundle = certifi.where()
    try:
        return _context(bundle, Path(bundle).stat().st_mtime_ns)
    except OSError as error:
        if is_exhaustion(error):
            raise
        raise NoAnswerError(
            f"the CA bundle {bundle} cannot be used ({error.strerror or error}); see REQUESTS_CA_BUNDLE"
        ) from None


@lru_cache(maxsize=4)
def _context(bundle: str, _changed_at: int) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - for https alone

    folder = Path(bundle).is_dir()
    context = ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    context.set_alpn_protocols(["http/1.1"])
    return context
