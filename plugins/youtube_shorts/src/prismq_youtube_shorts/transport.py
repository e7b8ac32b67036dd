"""httplib2 as this plugin uses it: it tells whether a request went out, and trusts what this machine trusts.

Imported at the first call only: httplib2 takes its time.
"""

from __future__ import annotations

import os
import ssl
import threading
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httplib2

from prismq_youtube_shorts.errors import Misconfigured

__all__ = ["CA_VARIABLES", "Http"]

CA_VARIABLES = ("HTTPLIB2_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where the certificates that are trusted stand, the first that is set: httplib2's own, requests', OpenSSL's."""

_THIS_THREAD = threading.local()
"""httplib2 throws a connection away before anybody could ask it, and a call never changes its thread."""


class Http(httplib2.Http):  # type: ignore[misc]  # httplib2 has no types
    """Connections for one thread.

    Args:
        direct: Whether no proxy is asked.

    Raises:
        Misconfigured: The certificates that this machine is told to trust cannot be read.
    """

    def __init__(self, *, direct: bool) -> None:
        proxies = None if direct else httplib2.proxy_info_from_environment
        super().__init__(proxy_info=proxies, ca_certs=_trusted())
        self.follow_redirects = False

    @property
    def sent(self) -> bool:
        """Whether anything of this thread's latest request went out: then it may have been seen, and counted."""
        return getattr(_THIS_THREAD, "sent", False)

    def request(self, uri: str, *args: Any, **options: Any) -> Any:
        """One request, as httplib2 makes it."""
        _THIS_THREAD.sent = False
        kind = _Secure if uri.startswith("https") else _Plain
        return super().request(uri, *args, **{**options, "connection_type": kind})


class _Response(HTTPResponse):
    """Reads on after every answer that only says that another will follow: 100, and 102, 103 and their like.

    Taken for the answer itself it would leave the real one to the next call on this connection.
    """

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
        follows = status < HTTPStatus.OK and status != HTTPStatus.SWITCHING_PROTOCOLS
        return version, HTTPStatus.CONTINUE if follows else status, reason


class _Plain(httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]  # httplib2 has no types
    response_class = _Response

    def send(self, data: Any) -> None:
        _THIS_THREAD.sent = True
        super().send(data)


class _Secure(httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]  # httplib2 has no types
    response_class = _Response

    def __init__(self, *args: Any, ca_certs: str | None = None, **options: Any) -> None:
        folder = ca_certs if ca_certs is not None and Path(ca_certs).is_dir() else None
        super().__init__(*args, ca_certs=None if folder else ca_certs, **options)
        if folder is not None:
            self._context.load_verify_locations(capath=folder)

    def send(self, data: Any) -> None:
        _THIS_THREAD.sent = True
        super().send(data)


def _trusted() -> str | None:
    """The file or folder of certificates that the environment names; None for those that came with httplib2."""
    for name in CA_VARIABLES:
        if not (path := os.environ.get(name)):
            continue
        place = {"capath": path} if Path(path).is_dir() else {"cafile": path}
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**place)
        except OSError as error:
            raise Misconfigured(
                f"{name} names {path}, which holds no certificates that can be read ({error}); mend it or unset it",
                paid=False,
            ) from None
        return path
    return None
