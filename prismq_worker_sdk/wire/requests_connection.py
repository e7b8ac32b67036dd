"""HTTP by way of requests, for what is odd: proxies, SOCKS, names and paths that must be written otherwise.

Imported where it is needed only: requests and urllib3 are 13 MiB and a tenth of a second.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import exceptions

from prismq_worker_sdk.errors import missing_extra
from prismq_worker_sdk.wire.connecting import in_time, with_reserve
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions
from prismq_worker_sdk.wire.deadline import Deadline
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reasons import CUT_OFF, NoAnswerError, sentence, too_large
from prismq_worker_sdk.wire.tls import context_of, trusted_by

BY_PROXY = "by way of the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"
BY_OUR_PROXY = "by way of the proxy of TASKMANAGER_PROXY"


def proxies_for(base: str, proxy: str | None) -> dict[str, str]:
    """Scheme → proxy: the one of our setting, else those of the environment or the system; none where none is meant."""
    if proxy is not None:
        return {"all": proxy}
    known: dict[str, str] = get_environ_proxies(base)
    return known if select_proxy(base, known) else {}


class RequestsConnection:
    """Sends one request after another by a requests adapter; for one thread.

    Args:
        base: The api_url.
        proxies: Scheme → proxy.
        options: What TLS takes of them.

    Raises:
        SettingsError: A SOCKS proxy is set and nothing here can talk to it.
    """

    def __init__(
        self,
        base: str,
        deadline: Deadline,
        options: ConnectionOptions = NO_OPTIONS,
        *,
        proxies: dict[str, str],
    ) -> None:
        self._origin = base[: len(base) - len(urlsplit(base).path)]
        proxy = select_proxy(base, proxies) or ""
        if _is_socks(proxy):
            _check_socks()
        self._way = f", {BY_PROXY if options.proxy is None else BY_OUR_PROXY}" if proxy else ""
        self._proxies = proxies
        self._options = options
        self._deadline = deadline
        self._adapter = _Adapter(deadline)
        self._headers: dict[str, str] = {}

    def use(self, headers: Mapping[str, str]) -> None:
        """From now on these go with each request; a body is JSON unless they say otherwise."""
        self._headers = dict(headers)

    def exchange(
        self, method: str, target: str, body: bytes | None, *, connect_in: float, limit: int
    ) -> HttpReply:
        """The answer to one request; see HttpConnection."""
        prepared = requests.PreparedRequest()
        prepared.prepare_method(method)
        prepared.url = self._origin + target
        prepared.headers = requests.structures.CaseInsensitiveDict(self._headers)
        if body is not None:
            prepared.body = body
            prepared.headers.setdefault("Content-Type", "application/json")
            prepared.headers["Content-Length"] = str(len(body))
        try:
            return self._sent(prepared, connect_in, limit)
        except Exception as error:
            way = "" if self._deadline.sent else self._way
            raise NoAnswerError(sentence(_root(error))[:200] + way) from error

    def close(self) -> None:
        """Closes the connections that are at rest."""
        self._adapter.close()

    def _sent(self, prepared: requests.PreparedRequest, connect_in: float, limit: int) -> HttpReply:
        left, options = self._deadline.left, self._options
        if self._origin.startswith("https:"):
            context_of(options)  # says better than requests what is wrong with its files
        key = options.client_key or options.client_cert
        response = self._adapter.send(
            prepared,
            stream=True,
            timeout=(min(connect_in, left()), left()),
            verify=trusted_by(options) or True,
            cert=None if options.client_cert is None else (str(options.client_cert), str(key)),
            proxies=self._proxies,
        )
        try:
            body = response.raw.read(limit + 1, decode_content=True)
            if len(body) > limit:
                raise NoAnswerError(too_large(limit))
            response.raw.drain_conn()
        finally:
            response.close()
        if response.status_code < HTTPStatus.OK:
            raise NoAnswerError(f"HTTP {response.status_code} in place of an answer")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status_code, body, headers)


class _Adapter(HTTPAdapter):
    """Connections that keep the deadline of the call."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> urllib3.ProxyManager:
        is_known = proxy in self.proxy_manager
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        if not is_known:
            self._bound(manager)
        return manager

    def _bound(self, manager: urllib3.PoolManager) -> None:
        pools: dict[str, Any] = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {
            scheme: type(
                pool.__name__, (pool,), {"ConnectionCls": _bounded(pool.ConnectionCls, self._deadline)}
            )
            for scheme, pool in pools.items()
        }


class _TimedSocket:
    """A socket as http.client uses it: bounded writes, bounded reads, the rest as it is."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: Any) -> None:
        self._deadline.send(self._sock, data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        file = self._sock.makefile("rb", buffering=0)
        read = file.readinto

        def readinto(buffer: Any) -> int | None:
            self._sock.settimeout(self._deadline.left())
            found: int | None = read(buffer)
            return found

        file.readinto = readinto
        return io.BufferedReader(file, 64 * 1024)


class _Response(http.client.HTTPResponse):
    """Reads on after every answer that only says that another will follow: 100, and 102, 103 and their like."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
        follows = status < HTTPStatus.OK and status != HTTPStatus.SWITCHING_PROTOCOLS
        return version, HTTPStatus.CONTINUE if follows else status, reason


def _bounded(kind: Any, deadline: Deadline) -> type:
    """A kind of connection whose steps all keep the deadline: look-up, connect, proxy, handshake, talk."""

    def opened(self: Any) -> socket.socket:
        steps = partial(kind._new_conn, self)  # noqa: SLF001 - a step of it, bounded
        try:
            found: socket.socket = in_time(steps, deadline.left(), late=socket.socket.close)
        except exceptions.NewConnectionError as error:
            cause = error.__cause__
            raise cause if isinstance(cause, OSError) and cause.errno else error from None
        return found

    def make(self: Any) -> None:
        with_reserve(partial(kind.connect, self))
        self.sock = _TimedSocket(self.sock, deadline)

    def tunnel(self: Any) -> None:
        plain, self.sock = self.sock, _TimedSocket(self.sock, deadline)
        try:
            kind._tunnel(self)  # noqa: SLF001 - a step of it, bounded
            self.sock = plain
        finally:
            deadline.sent = False  # that was for the proxy

    own = {"response_class": _Response, "_new_conn": opened, "connect": make, "_tunnel": tunnel}
    return type(kind.__name__, (kind,), own)


def _root(error: BaseException) -> BaseException:
    """The cause that says most, in words that are not of requests, which wraps urllib3, which wraps the system."""
    for inner in (getattr(error, "reason", None), *error.args[:2]):
        if isinstance(inner, BaseException):
            return _root(inner)
    if isinstance(error, exceptions.NewConnectionError):  # a TimeoutError as well, whatever it was
        return NoAnswerError(f"no connection: {str(error).rpartition('new connection: ')[2]}")
    if isinstance(error, requests.Timeout | exceptions.TimeoutError):
        return TimeoutError()
    if isinstance(error, exceptions.ProtocolError | http.client.IncompleteRead):
        return NoAnswerError(CUT_OFF)
    return error


def _is_socks(proxy: str) -> bool:
    return proxy.lower().startswith("socks")


def _check_socks() -> None:
    try:
        import_module("socks")
    except ImportError as error:
        raise missing_extra(
            error, "the SOCKS proxy of the environment (ALL_PROXY)", "socks", "socks"
        ) from None
