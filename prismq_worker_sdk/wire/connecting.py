"""Connections, and TLS on them, within the time of their call: the look-up of a name knows no time-out of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar

from prismq_worker_sdk.system import RESERVE
from prismq_worker_sdk.wire.connection_options import ConnectionOptions
from prismq_worker_sdk.wire.reasons import NameNotResolvedInTimeError
from prismq_worker_sdk.wire.tls import context_of

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")


def connect(
    host: str,
    port: int,
    *,
    timeout: float,
    left: Callable[[], float],
    options: Iterable[tuple[int, int, int]] = (),
) -> socket.socket:
    """A connection to the first address of a host that takes one.

    Args:
        timeout: Seconds for each address.
        left: Seconds left for all of it; raises TimeoutError when none are.

    Raises:
        OSError: There is none: why the last address did not do.
    """
    trouble: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _name, address in _addresses(host.strip("[]"), port, left()):
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:  # the system may know addresses of a kind that it cannot talk to
            trouble = error
            continue
        try:
            for option in options:
                connection.setsockopt(*option)
            connection.settimeout(min(timeout, left()))
            connection.connect(address)
        except OSError as error:
            connection.close()
            trouble = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise trouble


def secured(sock: socket.socket, host: str, options: ConnectionOptions) -> ssl.SSLSocket:
    """TLS on a connection.

    Raises:
        NoAnswerError: A file that it takes cannot be used.
        OSError: One of both sides does not trust the other.
    """
    return context_of(options).wrap_socket(sock, server_hostname=host.rstrip("."))


def with_reserve(opens: Callable[[], T]) -> T:
    """What opens a connection comes to; where no descriptor is left it gets those that are kept for it.

    Raises:
        OSError: There is none all the same.
    """
    RESERVE.refill()
    try:
        return opens()
    except OSError:
        if not RESERVE.lend():
            raise
        return opens()


def in_time(work: Callable[[], T], seconds: float, *, late: Callable[[T], object]) -> T:
    """What some work comes to that knows no time-out of its own; it is done on a thread of its own.

    Args:
        late: Is given what came when nobody waited for it any more.

    Raises:
        TimeoutError: It takes longer.
    """
    done = _begin(work)
    wait([done], seconds)
    if done.done():
        return done.result()
    done.add_done_callback(lambda over: None if over.exception() else late(over.result()))
    raise TimeoutError("the answer did not come in time")


def _begin(work: Callable[[], T]) -> Future[T]:
    done: Future[T] = Future()

    def run() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            done.set_exception(error)
        else:
            done.set_result(found)

    threading.Thread(target=run, name="prismq-connect", daemon=True).start()
    return done


_LOOK_UPS: dict[tuple[str, int], Future[list[Any]]] = {}
_LOOK_UPS_LOCK = threading.Lock()
"""Those that are under way, for the whole process, like the resolver itself."""


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """The addresses of a host, as `socket.getaddrinfo` gives them.

    A look-up that nobody could wait for serves whoever asks next.

    Raises:
        NameNotResolvedInTimeError: The seconds are over.
        socket.gaierror: There are none.
    """
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    with _LOOK_UPS_LOCK:  # a look-up that ends takes itself out after it was put in
        found = _LOOK_UPS.get((host, port)) or _begin(partial(_look_up, host, port))
        _LOOK_UPS[host, port] = found
    wait([found], seconds)
    if found.done():
        return found.result()
    raise NameNotResolvedInTimeError(f"the name {host} was not resolved in time")


def _look_up(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no name of a host") from None
    finally:
        with _LOOK_UPS_LOCK:
            del _LOOK_UPS[host, port]
