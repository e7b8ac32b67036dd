"""Google's client and httplib2 as this plugin uses them: each call bounded as a whole, and errors told without the key.

Imported at the first call only: it takes 0.3 s and 30 MB. httplib2 counts its timeout from byte to byte, so a body
that trickles in would be waited for without end, and two threads in one Http get each other's answers.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httplib2
from googleapiclient.discovery import build
from googleapiclient.errors import Error, HttpError

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.wire.http_connection import Deadline
from prismq_youtube_shorts.errors import Misconfigured, YouTubeTrouble, from_answer, uncharged

CA_VARIABLES = ("HTTPLIB2_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where the certificates that are trusted stand, the first that is set: httplib2's own, requests', OpenSSL's."""
_NO_ANSWER = (OSError, HTTPException, httplib2.HttpLib2Error, Error, UnicodeDecodeError, RecursionError)
_LOGGERS = ("googleapiclient.discovery", "googleapiclient.http", "googleapiclient.model")
_redactor = Redactor()
"""Knows every key of this process: Google's client puts them into the URLs that it mentions."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
MAX_IDLE = 4.0
"""Seconds after which a resting connection is not used again, as the worker's own: a NAT forgets one without a word."""


class GoogleTransport:
    """Performs calls for any thread, on one connection for each; on this machine it asks no proxy."""

    def __init__(self, key: str, endpoint: str) -> None:
        self._endpoint = endpoint
        self._of_thread = threading.local()
        _redactor.learn(key)
        redact_client_logs()
        self._service = build(
            "youtube",
            "v3",
            developerKey=key,
            http=httplib2.Http(),  # never used: each call brings its own
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": endpoint},
        )

    def call(self, name: str, params: dict[str, Any], *, timeout: float, now: datetime) -> object:
        """The decoded body of the answer, or the error to raise; never raised here, or Google's were its context.

        Args:
            name: `search.list`.
            timeout: Seconds until the answer is there, whole.
            now: With time zone.
        """
        resource, method = name.split(".")
        request = getattr(getattr(self._service, resource)(), method)(**params)
        deadline = _of_thread.call
        deadline.set(timeout)
        try:
            return request.execute(http=self._http(), num_retries=0)
        except HttpError as error:
            body = _redactor.text(error.content.decode("utf-8", "replace"))
            return from_answer(name, error.resp.status, body, now=now)
        except httplib2.ProxiesUnavailableError:
            message = f"{name} needs PySocks for the proxy of the environment: pip install PySocks"
            return uncharged(Misconfigured(message))
        except Misconfigured as error:
            return error
        except ssl.SSLCertVerificationError as error:
            message = (
                f"the certificate at {self._endpoint} is not trusted ({error.verify_message}); look at "
                "YOUTUBE_API_ENDPOINT, and where a proxy of your own signs for it, name the file of its CA in "
                "REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
            )
            return uncharged(Misconfigured(message))
        except TimeoutError:
            message = f"YouTube had not answered {name} after {timeout:.3g} s"
        except _NO_ANSWER as error:
            reason = _redactor.text(f"{type(error).__name__}: {error}")
            message = f"no usable answer from YouTube to {name} ({reason})"
        return YouTubeTrouble(message) if deadline.sent else uncharged(YouTubeTrouble(message))

    def _http(self) -> _Http:
        http: _Http | None = getattr(self._of_thread, "http", None)
        if http is None:
            direct = urlsplit(self._endpoint).hostname in LOOPBACK
            http = self._of_thread.http = _Http(
                None if direct else httplib2.proxy_info_from_environment, ca_certs=_trusted()
            )
        return http


def redact_client_logs() -> None:
    """Redacts whatever Google's client logs: with DEBUG on it logs each URL, key included."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redacted)


def _redacted(record: logging.LogRecord) -> bool:
    record.msg, record.args = _redactor.text(record.getMessage()), ()
    return True


class _OfThread(threading.local):
    """When the call of this thread must be over, and whether any of it went out and may have been seen."""

    def __init__(self) -> None:
        self.call = Deadline()


_of_thread = _OfThread()


class _Http(httplib2.Http):  # type: ignore[misc]  # httplib2 has no types
    """The connection of one thread, closed with it."""

    def __init__(self, proxy_info: Any, *, ca_certs: ssl.SSLContext | None) -> None:
        super().__init__(proxy_info=proxy_info, ca_certs=ca_certs)
        self.follow_redirects = False
        self._used_at = time.monotonic()

    def request(self, uri: str, *args: Any, **options: Any) -> Any:
        """One request, as httplib2 makes it."""
        if time.monotonic() - self._used_at > MAX_IDLE:
            self.close()
        kind = _SecureConnection if uri.startswith("https") else _Connection
        try:
            return super().request(uri, *args, **{**options, "connection_type": kind})
        except BaseException:
            self.close()
            raise
        finally:
            self._used_at = time.monotonic()

    def __del__(self) -> None:
        self.close()


class _Bounded(RawIOBase):
    """Reads from a socket, never beyond the end of the call."""

    def __init__(self, sock: Any, raw: Any) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_of_thread.call.left())
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """Reads on after every answer that only says that another will follow: 100, and 102, 103 and their like.

    Taken for the answer itself it would leave the real one to the next call on this connection.
    """

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = BufferedReader(_Bounded(sock, self.fp.detach()))

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
        follows = status < HTTPStatus.OK and status != HTTPStatus.SWITCHING_PROTOCOLS
        return version, HTTPStatus.CONTINUE if follows else status, reason


class _BoundedConnection:
    """What is left of the call is the timeout of every step, and what goes out is noted."""

    response_class = _Response
    sock: Any
    timeout = property(lambda _self: _of_thread.call.left(), lambda _self, _value: None)

    def send(self, data: Any) -> None:
        _of_thread.call.send(self.sock, data)


class _Connection(_BoundedConnection, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]
    pass


class _SecureConnection(_BoundedConnection, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]
    def __init__(self, *args: Any, ca_certs: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(*args, **options)
        if ca_certs is not None:  # as its Http was given it: httplib2 itself takes no folder
            self._context = ca_certs


def _trusted() -> ssl.SSLContext | None:
    """What the environment says is trusted, a file or a folder; None for the certificates that came with httplib2."""
    name = next((name for name in CA_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return None
    path, context = os.environ[name], ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    except OSError as error:
        fault = f"{name} names {path}, which holds no certificates that can be read ({error})"
        raise uncharged(Misconfigured(f"{fault}; fix it or unset it")) from None
    return context
