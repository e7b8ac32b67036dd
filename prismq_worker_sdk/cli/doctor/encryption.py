"""How the way to the server is protected: plain http, its certificate, the one that is shown, and when they end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prismq_worker_sdk.cli.doctor.server import Doctor
from prismq_worker_sdk.wire.address import DEFAULT_PORTS, exposure
from prismq_worker_sdk.wire.checks import CheckResult, ok, skip, warn
from prismq_worker_sdk.wire.connecting import connect, secured
from prismq_worker_sdk.wire.deadline import Deadline
from prismq_worker_sdk.wire.http_connection import HttpConnection
from prismq_worker_sdk.wire.messages import HttpReply
from prismq_worker_sdk.wire.reasons import NoAnswerError, sentence
from prismq_worker_sdk.wire.transport import opened

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.connection_options import ConnectionOptions

CHECK = "certificate"
DAYS = 14
"""Days before the end of a certificate from which on that is a warning."""
DAY = 86400
SECONDS = 10.0
"""For the handshake that is made to see a certificate."""
SHOWN = 3
"""Names of a certificate that are told."""
CA_NAMES = {"organizationName", "commonName"}
OTHERS = 0o077
"""The rights of everybody but the owner of a file."""


def check_encryption(doctor: Doctor) -> Iterator[CheckResult]:
    """Whether others can read or change what goes to the server, now or in some days."""
    config = doctor.config
    if (exposed := exposure(config.api_url, has_key=config.key() is not None)) is not None:
        yield warn("https", exposed)
    if urlsplit(config.api_url).scheme == "https" and isinstance(doctor.health, HttpReply):
        yield _of_server(config.api_url, config.connection)
        if config.client_cert is not None:
            yield _of_client(config.client_cert)
            yield from _readable(config.client_key or config.client_cert)


def _of_server(api_url: str, options: ConnectionOptions) -> CheckResult:
    parts, deadline = urlsplit(api_url), Deadline()
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS["https"]
    if not isinstance(opened(api_url, deadline, options), HttpConnection):
        return skip(CHECK, "the server's holds, but its end cannot be seen by way of a proxy")
    deadline.set(SECONDS)
    try:
        with connect(host, port, timeout=SECONDS, left=deadline.left) as plain:
            plain.settimeout(deadline.left())
            with secured(plain, host, options) as sock:
                found: Mapping[str, Any] = sock.getpeercert() or {}
    except (OSError, NoAnswerError) as error:
        return skip(CHECK, f"the server's could not be looked at: {sentence(error)}")
    names = [value for _kind, value in found.get("subjectAltName", ())]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    ca = " ".join(
        dict.fromkeys(value for part in found["issuer"] for name, value in part if name in CA_NAMES)
    )
    return _until(
        found, f"the server's, for {', '.join(names[:SHOWN])}{more} by {ca or 'a CA without a name'},"
    )


def _of_client(path: Path) -> CheckResult:
    import ssl

    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)  # nothing public reads a file
    if decode is None:
        return skip(CHECK, f"the end of {path} cannot be seen with this Python")
    return _until(decode(str(path)), f"the one that the worker shows, {path},")


def _until(found: Mapping[str, Any], whose: str) -> CheckResult:
    import ssl

    days = int((ssl.cert_time_to_seconds(found["notAfter"]) - time.time()) // DAY)
    if days < 0:
        return warn(CHECK, f"{whose} has expired", "renew it; new connections take the new file")
    text = f"{whose} ends in {days} days, {found['notAfter']}"
    return ok(CHECK, text) if days >= DAYS else warn(CHECK, text, "renew it before that")


def _readable(key: Path) -> Iterator[CheckResult]:
    """Whether others on this machine can read the private key."""
    try:
        mode = key.stat().st_mode
    except OSError:
        return
    if mode & OTHERS and os.name != "nt":
        yield warn(CHECK, f"the private key {key} can be read by others here", f"chmod 600 {key}")
