"""Why there is no answer, as one sentence."""

from __future__ import annotations

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


def too_large(limit: int) -> str:
    """For an answer of more bytes than this."""
    return f"the answer is larger than {limit // 2**20} MiB"


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
    if isinstance(error, OSError) and error.errno and error.strerror:
        return f"no connection: {error.strerror}"
    text = str(error).split("object at 0x")[0].strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
