"""Why there is no answer, as one sentence: requests wraps urllib3, which wraps the system."""

from __future__ import annotations

import http.client
import socket

import requests
from urllib3 import exceptions

from prismq_worker_sdk.descriptors import is_exhaustion
from prismq_worker_sdk.wire.connecting import NameNotResolvedInTimeError

__all__ = ["sentence"]

CUT_OFF = "the answer was cut off"
RESET = "the connection was reset"
NO_NAME = "the name of the host cannot be resolved"
LATE = "the answer did not come in time"

_BY_KIND: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (
        NameNotResolvedInTimeError,
        "the name of the host was not resolved in time; the name servers do not answer",
    ),
    (socket.gaierror, NO_NAME),
    (ConnectionRefusedError, "the connection was refused"),
    ((ConnectionResetError, BrokenPipeError), RESET),
    ((TimeoutError, requests.Timeout, exceptions.TimeoutError), LATE),
    ((exceptions.ProtocolError, http.client.IncompleteRead), CUT_OFF),
)


def sentence(error: BaseException) -> str:
    """Why a request has no answer, for people."""
    root = _root(error)
    if isinstance(root, exceptions.NewConnectionError):  # a TimeoutError as well, whatever it was
        return f"no connection: {str(root).rpartition('new connection: ')[2]}"
    for kind, told in _BY_KIND:
        if isinstance(root, kind):
            return told
    if isinstance(root, OSError) and is_exhaustion(root):
        return f"no file descriptor is left ({root.strerror}); see what leaks them, or raise the limit (ulimit -n)"
    if isinstance(root, OSError) and root.errno and root.strerror:
        return f"no connection: {root.strerror}"
    text = str(root).split("object at 0x")[0].strip()
    return f"{type(root).__name__}: {text}" if text else type(root).__name__


def _root(error: BaseException) -> BaseException:
    """The cause that says most."""
    for inner in (getattr(error, "reason", None), *error.args[:2]):
        if isinstance(inner, BaseException):
            return _root(inner)
    return error
