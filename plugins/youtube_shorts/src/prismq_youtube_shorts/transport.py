"""Google's client over the worker's own connections: each call bounded as a whole, and errors told without the key.

Imported at the first call only: it takes 0.3 s and 30 MB.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httplib2
from googleapiclient.discovery import build
from googleapiclient.errors import Error, HttpError

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.wire.connection_options import ConnectionOptions
from prismq_worker_sdk.wire.deadline import Deadline
from prismq_worker_sdk.wire.reasons import NoAnswerError, sentence
from prismq_worker_sdk.wire.transport import MAX_ANSWER, MAX_IDLE, opened
from prismq_youtube_shorts.errors import Misconfigured, YouTubeTrouble, from_answer, uncharged

CA_VARIABLES = ("HTTPLIB2_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Where the certificates that are trusted stand, the first that is set: httplib2's own, requests', OpenSSL's."""
CONNECT_SECONDS = 5.0
"""For each address of the host."""
_NO_ANSWER = (OSError, NoAnswerError, httplib2.HttpLib2Error, Error, UnicodeDecodeError, RecursionError)
_LOGGERS = ("googleapiclient.discovery", "googleapiclient.http", "googleapiclient.model")
_redactor = Redactor()
"""Knows every key of this process: Google's client puts them into the URLs that it mentions."""


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
        sent = False
        try:
            http = self._http()
            http.deadline.set(timeout)
            try:
                return request.execute(http=http, num_retries=0)
            finally:
                sent = http.deadline.sent
        except HttpError as error:
            body = _redactor.text(error.content.decode("utf-8", "replace"))
            return from_answer(name, error.resp.status, body, now=now)
        except SettingsError as error:
            return uncharged(Misconfigured(str(error)))
        except TimeoutError:
            message = f"YouTube had not answered {name} after {timeout:.3g} s"
        except _NO_ANSWER as error:
            if (untrusted := _untrusted(error)) is not None:
                message = (
                    f"the certificate at {self._endpoint} is not trusted ({untrusted.verify_message}); look at "
                    "YOUTUBE_API_ENDPOINT, and where a proxy of your own signs for it, name the file of its CA in "
                    "REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
                )
                return uncharged(Misconfigured(message))
            message = f"no usable answer from YouTube to {name} ({_redactor.text(sentence(error))})"
        return YouTubeTrouble(message) if sent else uncharged(YouTubeTrouble(message))

    def _http(self) -> _Http:
        http: _Http | None = getattr(self._of_thread, "http", None)
        if http is None:
            http = self._of_thread.http = _Http(self._endpoint)
        return http


class _Http:
    """What Google's client takes for an httplib2.Http: a connection of the worker's, for one thread.

    Raises:
        SettingsError: A SOCKS proxy is set and nothing here can talk to it, or no certificates can be read.
    """

    def __init__(self, endpoint: str) -> None:
        self.deadline = Deadline()
        self._connection = opened(endpoint.rstrip("/"), self.deadline, ConnectionOptions(ca_file=_trusted()))
        self._used_at = time.monotonic()

    def request(
        self, uri: str, method: str = "GET", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[httplib2.Response, bytes]:
        """The answer to one request, which is sent once."""
        if time.monotonic() - self._used_at > MAX_IDLE:
            self._connection.close()
        given = {name: value for name, value in (headers or {}).items() if name != "content-length"}
        self._connection.use(given)
        address, content = urlsplit(uri), None if body is None else body.encode()
        target = f"{address.path}?{address.query}" if address.query else address.path
        reply = self._connection.exchange(
            method, target, content, connect_in=CONNECT_SECONDS, limit=MAX_ANSWER
        )
        self._used_at = time.monotonic()
        return httplib2.Response({"status": str(reply.status)}), reply.body


def redact_client_logs() -> None:
    """Redacts whatever Google's client logs: with DEBUG on it logs each URL, key included."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redacted)


def _redacted(record: logging.LogRecord) -> bool:
    record.msg, record.args = _redactor.text(record.getMessage()), ()
    return True


def _untrusted(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The refusal of a certificate that an error comes from."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _trusted() -> Path | None:
    """Where the environment says that the certificates to trust are, a file or a folder."""
    name = next((name for name in CA_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return None
    path = os.environ[name]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            **{"capath" if Path(path).is_dir() else "cafile": path}
        )
    except OSError as error:
        fault = f"{name} names {path}, which holds no certificates that can be read ({error})"
        raise SettingsError(f"{fault}; fix it or unset it") from None
    return Path(path)
