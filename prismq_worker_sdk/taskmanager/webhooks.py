"""Sends a signed body to an address that was checked, as the Standard Webhooks specification has it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import ipaddress
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from prismq_worker_sdk.taskmanager.addresses import Network, public_addresses, why_refused
from prismq_worker_sdk.version import __version__
from prismq_worker_sdk.wire.connecting import secured
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS
from prismq_worker_sdk.wire.reasons import sentence

PREFIX = "whsec_"
SECONDS = 10.0
"""For connecting, and then for the delivery, once the name is known."""
LONGEST_URL = 2000
MIN_SECRET, MAX_SECRET = 24, 64
"""Bytes."""


class NotDelivered(Exception):  # noqa: N818 - what became of it
    """In one sentence, why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to, and what proves from whom."""

    url: str
    secret: str = field(repr=False)


def new_secret() -> str:
    """A secret to sign with."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret.

    Raises:
        ValueError: It is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not MIN_SECRET <= len(key) <= MAX_SECRET:
        raise ValueError(f"a secret is {PREFIX} and 24 to 64 bytes in base64; leave it out to have one made")
    return key


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """What the header `webhook-signature` holds: HMAC-SHA256 over id, timestamp and body."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def checked_url(url: str, allowed: Iterable[Network]) -> SplitResult:
    """The parts of a URL that webhooks may have; what its name stands for is looked at when one is sent.

    Raises:
        ValueError: It is no URL for webhooks.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{url[:200]!r} is no URL") from None
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
    if parts.scheme not in {"http", "https"} or not host or not plain:
        raise ValueError(f"{url[:200]!r} is no URL of a webhook; write https://host/path in ASCII")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("the URL of a webhook has neither a user nor a fragment")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return parts
    if (kind := why_refused(address, allowed)) is not None:
        raise ValueError(f"{host} is {kind}; --webhook-allow {host} lets webhooks go there")
    return parts


def send(hook: Webhook, message_id: str, body: str, now: float, allowed: tuple[Network, ...]) -> int:
    """Posts it to the very address that was checked, follows no redirect, and gives the status.

    Args:
        message_id: The same for each try, so that the receiver knows a repeat.
        now: Seconds since 1970.

    Raises:
        NotDelivered: There was no answer, or it was not 2xx.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"prismq-taskmanager/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": signature(hook.secret, message_id, int(now), body),
        "Connection": "close",
    }
    try:
        status = _post(checked_url(hook.url, allowed), headers, body.encode(), allowed)
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(sentence(error)[:300]) from None
    except ValueError as error:
        raise NotDelivered(str(error)[:300]) from None
    if 300 <= status < 400:  # noqa: PLR2004
        raise NotDelivered(f"it answered {status}; redirects are not followed: set the URL to where it leads")
    if not 200 <= status < 300:  # noqa: PLR2004
        raise NotDelivered(f"it answered {status}")
    return status


def _post(url: SplitResult, headers: dict[str, str], body: bytes, allowed: tuple[Network, ...]) -> int:
    host, secure = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if secure else 80)
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, port, timeout=SECONDS)
    sock = _connected([str(one) for one in public_addresses(host, port, allowed)], port)
    guard = sock.dup()  # the same connection, whatever TLS makes of the socket
    late = threading.Event()
    over = threading.Timer(SECONDS, _end, [guard, late])  # a socket's own time-out begins anew with each byte
    over.daemon = True
    over.start()
    try:
        connection.sock = secured(sock, host, NO_OPTIONS) if secure else sock
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()  # its body says nothing that is wanted, and may never end
        if late.is_set():  # what was read of its head may look like all of it
            raise TimeoutError("the answer did not come in time")
        return answer.status
    finally:
        over.cancel()
        connection.close()
        sock.close()
        guard.close()


def _connected(addresses: list[str], port: int) -> socket.socket:
    """A connection to the first of these addresses that takes one."""
    over = time.monotonic() + SECONDS
    error: OSError = TimeoutError("none of its addresses answered in time")
    for address in addresses:
        if (left := over - time.monotonic()) <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=min(left, SECONDS / 2))
        except OSError as refused:
            error = refused
    raise error


def _end(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):  # it is over already
        sock.shutdown(socket.SHUT_RDWR)
