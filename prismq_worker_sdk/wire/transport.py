"""The one place that touches the network: one HTTP request, bounded as a whole, never repeated (R31, R32)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import SettingsError, missing_extra
from prismq_worker_sdk.model.protocol import Unreachable
from prismq_worker_sdk.version import __version__
from prismq_worker_sdk.wire.address import join, normalise
from prismq_worker_sdk.wire.deadline import Deadline, pool_classes, socks_pool_classes
from prismq_worker_sdk.wire.key_redaction import without_key
from prismq_worker_sdk.wire.messages import HttpReply, HttpRequest
from prismq_worker_sdk.wire.reasons import sentence

__all__ = ["Timeouts", "Transport", "checked_key"]

MAX_ANSWER = 64 * 1024 * 1024
"""Largest answer that is read, bytes."""

MAX_IDLE = 4.0
"""Seconds after which an idle connection is not used again: servers close theirs after 5."""

BY_PROXY = "by way of the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"


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

    def of(self, call: str) -> float:
        """The time for a call."""
        return self.calls.get(call, self.default)


class _Adapter(HTTPAdapter):
    """Connections that keep the deadline of the call."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._deadline)

    def proxy_manager_for(self, proxy: str, **kwargs: object) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        classes = socks_pool_classes if _is_socks(proxy) else pool_classes
        manager.pool_classes_by_scheme = classes(self._deadline)
        return manager


class Transport:
    """Sends one request at a time; for one thread.

    Args:
        api_url: Where the TaskManager is.
        key: The API key now; asked at the first call and after each `forget_key`.
        proxies: Scheme → proxy; the environment's unless given. Resolved once.
        verify: Check certificates: True, or the path of a CA bundle.

    Raises:
        SettingsError: The api_url is no address, or a SOCKS proxy is set and nothing here can talk to it.
    """

    def __init__(
        self,
        api_url: str,
        *,
        key: Callable[[], str | None],
        timeouts: Timeouts | None = None,
        proxies: dict[str, str] | None = None,
        verify: bool | str | None = None,
    ) -> None:
        self._base = normalise(api_url)
        self._key = key
        self._secret: str | None = None
        self._secret_known = False
        self._timeouts = timeouts or Timeouts()
        self._deadline = Deadline()
        self._adapter = _Adapter(self._deadline)
        settings = requests.Session().merge_environment_settings(self._base, {}, None, None, None)
        self._proxies = _proxies(self._base) if proxies is None else proxies
        self._proxy = select_proxy(self._base, self._proxies) or ""
        if _is_socks(self._proxy):
            _check_socks()
        self._verify: bool | str = (settings["verify"] or False) if verify is None else verify
        self._used_at = time.monotonic()

    def send(self, request: HttpRequest) -> HttpReply | Unreachable:
        """The answer, read to its end, as it is; Unreachable when there is none.

        Raises nothing for what a network does. What is told of the answer goes through `clean` first.

        Raises:
            SettingsError: There is no key to send; nothing was sent.
        """
        if time.monotonic() - self._used_at > MAX_IDLE:
            self._adapter.close()
        usual = self._timeouts.of(request.call) + request.wait
        self._deadline.set(usual if request.within is None else min(usual, request.within))
        prepared = self._prepared(request)
        try:
            reply: HttpReply | Unreachable = self._exchange(prepared)
        except Exception as error:  # noqa: BLE001 - an answer may break any reader; it must not break the loop
            reply = Unreachable(self._reason(error), maybe_seen=self._deadline.sent)
        if isinstance(reply, Unreachable) or not reply.is_json:
            self._adapter.close()  # what is not understood says nothing of where the next answer begins
        self._used_at = time.monotonic()
        return reply

    def forget_key(self) -> None:
        """The key was refused: ask for it again at the next call (R34)."""
        self._secret_known = False

    def clean(self, text: str) -> str:
        """What a server said, without the key that it was sent."""
        return without_key(text, self._secret)

    def close(self) -> None:
        """Closes the connections."""
        self._adapter.close()

    def _exchange(self, prepared: requests.PreparedRequest) -> HttpReply | Unreachable:
        response = self._adapter.send(
            prepared,
            stream=True,
            timeout=(min(self._timeouts.connect, self._deadline.left()), self._deadline.left()),
            verify=self._verify,
            proxies=self._proxies,
        )
        try:
            body = response.raw.read(MAX_ANSWER + 1, decode_content=True)
            if len(body) > MAX_ANSWER:
                return Unreachable(f"the answer is larger than {MAX_ANSWER // 2**20} MiB")
            response.raw.drain_conn()
        finally:
            response.close()
        if response.status_code < 200:  # noqa: PLR2004
            return Unreachable(f"HTTP {response.status_code} in place of an answer")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status_code, body, headers)

    def _prepared(self, request: HttpRequest) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        query = f"?{urlencode(request.query)}" if request.query else ""
        prepared.prepare_method(request.method)
        prepared.url = join(self._base, *request.segments) + query
        prepared.headers = requests.structures.CaseInsensitiveDict(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"prismq-worker-sdk/{__version__}",
            }
        )
        if not self._secret_known:
            self._secret, self._secret_known = checked_key(self._key()), True
        if self._secret:
            prepared.headers["X-API-Key"] = self._secret
        if request.body is not None:
            prepared.body = request.body.encode("utf-8")
            prepared.headers["Content-Type"] = "application/json"
            prepared.headers["Content-Length"] = str(len(prepared.body))
        return prepared

    def _reason(self, error: BaseException) -> str:
        secrets = [self._secret] if self._secret else []
        way = f", {BY_PROXY}" if self._proxy and not self._deadline.sent else ""
        return Redactor(secrets).text(sentence(error))[:300] + way


def checked_key(key: str | None) -> str | None:
    """The key, when a header can carry it.

    Raises:
        SettingsError: It cannot; never shows it.
    """
    if key is None or (key.isprintable() and all(ord(sign) < 256 for sign in key)):  # noqa: PLR2004
        return key
    raise SettingsError("the API key holds a line break or a character that no HTTP header can carry")


def _proxies(api_url: str) -> dict[str, str]:
    """The environment's proxies; none for this very machine, which no proxy can reach for us."""
    host = urlsplit(api_url).hostname or ""
    local = host in {"localhost", "::1"} or host.startswith("127.")
    return {} if local else dict(get_environ_proxies(api_url))


def _is_socks(proxy: str) -> bool:
    return proxy.lower().startswith("socks")


def _check_socks() -> None:
    try:
        import_module("socks")
    except ImportError as error:
        raise missing_extra(
            error, "the SOCKS proxy of the environment (ALL_PROXY)", "socks", "socks"
        ) from None
