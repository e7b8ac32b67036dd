"""Why there is no answer, as one sentence."""

from __future__ import annotations

import re
import socket

from prismq_worker_sdk.system import is_exhaustion

CUT_OFF = "the answer was cut off"


class NameNotResolvedInTimeError(TimeoutError):
    """The name servers did not answer in time."""


class NoAnswerError(Exception):
    """What came is no answer; says why in one sentence."""


NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""How OpenSSL calls an answer that is not TLS, before and after its version 3.2."""

_BY_KIND: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (
        NameNotResolvedInTimeError,
        "the name of the host was not resolved in time; the name servers do not answer",
    ),
    (socket.gaierror, "the name of the host cannot be resolved"),
    (ConnectionRefusedError, "the connection was refused"),
    ((ConnectionResetError, BrokenPipeError), "the connection was reset"),
    (TimeoutError, "the answer did not come in time"),
)


_CHECK_CLOCK = "or this machine's clock is wrong"
_OTHER_NAME = {62, 64}
"""How OpenSSL numbers a certificate that is for another host, and for another address."""
_EXPIRED, _NOT_YET = 10, 9
_ALERT = re.compile(r"ALERT_(.+)")
_NO_CERTIFICATE = {"CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE"}
_BAD_CERTIFICATE = re.compile("CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR")


def too_large(limit: int) -> str:
    """For an answer of more bytes than this."""
    return f"the answer is larger than {limit // 2**20} MiB"


def _distrust(error: OSError) -> str | None:
    """Which side of a TLS connection does not trust the other, and what to do; None for another error.

    Told by what errors of `ssl` carry, which is not imported for it.
    """
    code = getattr(error, "verify_code", None)
    if code in _OTHER_NAME:
        return (
            "the server's certificate is for another name than the host of --api-url (TASKMANAGER_API_URL); give the "
            "name that is in it"
        )
    if code == _EXPIRED:
        return (
            f"the server's certificate, or one it is signed with, has expired; renew it there, {_CHECK_CLOCK}"
        )
    if code == _NOT_YET:
        return f"the server's certificate is not valid yet; {_CHECK_CLOCK.removeprefix('or ')}, or that of its CA"
    if code:
        said = getattr(error, "verify_message", "")
        return (
            f"the server's certificate is not signed by a CA that is trusted here ({said}); give that CA's "
            "certificate with --ca-file (TASKMANAGER_CA_FILE)"
        )
    alert = _ALERT.search(getattr(error, "reason", None) or "")
    if alert is None:
        return None
    if alert[1] in _NO_CERTIFICATE:
        return "the server wants a client certificate; give --client-cert (TASKMANAGER_CLIENT_CERT)"
    if _BAD_CERTIFICATE.search(alert[1]):
        said = alert[1].replace("_", " ").lower()
        return f"the server refuses the client certificate ({said}); check --client-cert (TASKMANAGER_CLIENT_CERT)"
    return None


def sentence(error: BaseException) -> str:
    """Why a request has no answer, for people."""
    if isinstance(error, NoAnswerError):
        return str(error)
    for kind, told in _BY_KIND:
        if isinstance(error, kind):
            return told
    if isinstance(error, OSError) and is_exhaustion(error):
        return f"no file descriptor is left ({error.strerror}); see what leaks them, or raise the limit (ulimit -n)"
    if isinstance(error, OSError) and getattr(error, "reason", None) in NO_TLS:  # needs no import of ssl
        return "no connection: what answers there speaks http, not https"
    if isinstance(error, OSError) and (distrust := _distrust(error)) is not None:
        return distrust
    if isinstance(error, OSError) and error.errno and error.strerror:
        return f"no connection: {error.strerror}"
    text = str(error).split("object at 0x")[0].strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
