"""The address of a TaskManager: its socket, its URL, and its database as it may be shown."""

from __future__ import annotations

import socket

import sqlalchemy as sa

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.certificate import check_certificate
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.taskmanager.keys import need_keys_of

PREFIX = "/api"


def bind(config: TaskManagerConfig) -> socket.socket:
    """A socket that listens there.

    Raises:
        SettingsError: It cannot be had, is open to others while there is no key, or its certificate cannot be used.
    """
    need_keys_of(config)
    check_certificate(config)
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # asyncio turns Nagle's delay (40 ms a call) off only where the protocol is named
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"{config.host}:{config.port} cannot be used ({error.strerror}); choose another --port"
        ) from None
    return listening


def address(config: TaskManagerConfig, port: int) -> str:
    """The URL of its API."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    scheme = "http" if config.tls_cert is None else "https"
    return f"{scheme}://{host}:{port}{PREFIX}"


def database_shown(config: TaskManagerConfig) -> str:
    """The database without its password."""
    return config.database if "://" not in config.database else str(sa.make_url(config.database))
