"""The one place that touches the network: one HTTP request, bounded as a whole, never repeated (R31, R32)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.version import __version__
from prismq_worker_sdk.wire.address import is_plain, is_this_machine, normalise
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions
from prismq_worker_sdk.wire.deadline import Deadline
from prismq_worker_sdk.wire.http_connection import HttpConnection
from prismq_worker_sdk.wire.messages import NOT_JSON, HttpReply, HttpRequest
from prismq_worker_sdk.wire.reasons import sentence
from prismq_worker_sdk.wire.tls import check_files

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.requests_connection import RequestsConnection

MAX_ANSWER = 64 * 1024 * 1024
"""Largest answer that is read, bytes."""

MAX_IDLE = 4.0
"""Seconds after which an idle connection is not used again: servers close theirs after 5."""

SYSTEM_HAS_PROXIES = sys.platform in {"win32", "darwin"}
"""Whether proxies may be set elsewhere than in the environment."""

HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"prismq-worker-sdk/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take as a whole, seconds; `connect` is a part of it.

    Reports may be large, so they get longer.
    """

    connect: float = 5.0
    default: float = 30.0
    calls: dict[str, float] = field(
        default_factory=lambda: {
            "health": 10.0,
            "complete": 60.0,
            "fail": 60.0,
            "report": 60.0,
            "renew": 10.0,
        }
    )


class Transport:
    """Sends one request at a time; for one thread.

    Args:
        api_url: Where the TaskManager is.
        key: The API key now; asked at the first call and after each `forget_key`.

    Attributes:
        secret: The key that is sent; what is told of an answer must not repeat it.

    Raises:
        SettingsError: The api_url is no address, a file of the options cannot be used, or a SOCKS proxy is set and
            nothing here can talk to it.
    """

    def __init__(
        self,
        api_url: str,
        *,
        key: Callable[[], str | None],
        timeouts: Timeouts | None = None,
        options: ConnectionOptions = NO_OPTIONS,
    ) -> None:
        base = normalise(api_url)
        if base.startswith("https:"):
            check_files(options)
        self._path = urlsplit(base).path
        self._key = key
        self.secret: str | None = None
        self._secret_known = False
        self._timeouts = timeouts or Timeouts()
        self._deadline = Deadline()
        self._connection = opened(base, self._deadline, options)
        self._used_at = time.monotonic()

    def send(self, request: HttpRequest) -> HttpReply | Unreachable:
        """The answer, read to its end, as it is; Unreachable when there is none.

        Raises nothing for what a network does. What is told of the answer goes without `secret`.

        Raises:
            SettingsError: There is no key to send; nothing was sent.
        """
        if time.monotonic() - self._used_at > MAX_IDLE:
            self._connection.close()
        if not self._secret_known:
            self._know_key()
        query = f"?{urlencode(request.query)}" if request.query else ""
        target = join(self._path, request.segments) + query
        body = None if request.body is None else request.body.encode("utf-8")
        usual = self._timeouts.calls.get(request.call, self._timeouts.default) + request.wait
        self._deadline.set(usual if request.within is None else min(usual, request.within))
        try:
            reply: HttpReply | Unreachable = self._connection.exchange(
                request.method, target, body, connect_in=self._timeouts.connect, limit=MAX_ANSWER
            )
        except Exception as error:  # noqa: BLE001 - an answer may break any reader; it must not break the loop
            redactor = Redactor([self.secret] if self.secret else [])
            reply = Unreachable(redactor.text(sentence(error))[:300], maybe_seen=self._deadline.sent)
        if isinstance(reply, Unreachable) or reply.json is NOT_JSON:
            self._connection.close()  # what is not understood says nothing of where the next answer begins
        self._used_at = time.monotonic()
        return reply

    def forget_key(self) -> None:
        """The key was refused: ask for it again at the next call (R34)."""
        self._secret_known = False

    def close(self) -> None:
        """Closes the connections."""
        self._connection.close()

    def _know_key(self) -> None:
        self.secret = checked_key(self._key())
        self._connection.use({**HEADERS, "X-API-Key": self.secret} if self.secret else HEADERS)
        self._secret_known = True


@lru_cache(maxsize=64)
def join(base: str, segments: tuple[str, ...]) -> str:
    """A path below the api_url; every segment is quoted, so that none can leave its place.

    `urljoin` would drop the `/api`.

    Raises:
        ValueError: A segment is empty or all dots, which no quoting keeps in its place.
    """
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise ValueError(f"{segment!r} cannot be a part of a path")
    return "/".join([base, *(quote(segment, safe="") for segment in segments)])


def checked_key(key: str | None) -> str | None:
    """The key, when a header can carry it.

    Raises:
        SettingsError: It cannot; never shows it.
    """
    if key is None or (key.isprintable() and all(ord(sign) < 256 for sign in key)):  # noqa: PLR2004
        return key
    raise SettingsError("the API key holds a line break or a character that no HTTP header can carry")


def opened(base: str, deadline: Deadline, options: ConnectionOptions) -> HttpConnection | RequestsConnection:
    """What carries the requests from now on; requests is imported where it may be needed only."""
    straight, plain = options.proxy is None and _goes_straight(base), is_plain(base)
    if not straight or not plain:
        from prismq_worker_sdk.wire import requests_connection as odd  # noqa: PLC0415 - see there

        proxies = {} if straight else odd.proxies_for(base, options.proxy)
        if proxies or not plain:
            return odd.RequestsConnection(base, deadline, options, proxies=proxies)
    return HttpConnection(base, deadline, options)


def _goes_straight(base: str) -> bool:
    """Whether no proxy can be meant: for this very machine, which none can reach for us, and where none is set."""
    if is_this_machine(base):
        return True
    names = {name.lower() for name, value in os.environ.items() if value}
    set_here = any(name.endswith("_proxy") and name != "no_proxy" for name in names)
    return not set_here and not SYSTEM_HAS_PROXIES
