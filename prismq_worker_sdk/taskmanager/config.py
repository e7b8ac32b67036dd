"""What a TaskManager must know before it starts."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from prismq_worker_sdk.compat import StrEnum
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import text_of

MIN_KEY_CHARACTERS = 8
DAY = 86400.0


class Scope(StrEnum):
    """What a key may do; `admin` may do everything, `reader` looks and changes nothing."""

    READER = "reader"
    WORKER = "worker"
    PRODUCER = "producer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a file as it is kept: its digest and its scope, never its text.

    Attributes:
        name: What is written down of who did something.
    """

    digest: str = field(repr=False)
    scope: Scope
    name: str

    @classmethod
    def of(cls, text: str, scope: Scope, name: str = "") -> ApiKey:
        """The key with this text; its scope is its name unless it has another."""
        return cls(digest_of(text), scope, name or scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskManagerConfig:
    """What a TaskManager must know before it starts; durations in seconds.

    Attributes:
        database: A file for SQLite, or an SQLAlchemy URL; SQLite, MariaDB 10.11 and 11.8, MySQL 9 are tested.
        port: 0 for any free one.
        claim_timeout: When a claimed task may be handed out again.
        lease_seconds: How long a claim with a token lasts unless it is renewed.
        max_wait: The longest that a claim may wait for work.
        max_attempts: For tasks that do not say their own.
        backoff: The wait before the second attempt; doubles up to `backoff_ceiling`.
        keys: Those of a file, beside those of the database; without any of both, the server listens on loopback only.
        workers: Processes that serve, 1 or more.
        keep_completed: When a completed task is deleted, None for never; so with the other three.
        export_folder: Takes what is deleted, before it is.
        hide_payloads: Whether keys of scope reader see neither params nor what became of them: results, errors, logs.
        tls_cert: PEM file of the certificate to serve https with, and those between it and its CA; http without.
        tls_key: PEM file of its private key; in `tls_cert` unless given.
        webhook_allow: Networks that are not public to which webhooks of alerts may go, as `10.1.0.0/16`.
    """

    database: str = "taskmanager.db"
    host: str = "127.0.0.1"
    port: int = 8000
    claim_timeout: float = 300.0
    lease_seconds: float = 60.0
    max_wait: float = 30.0
    max_attempts: int = 3
    backoff: float = 5.0
    backoff_ceiling: float = 600.0
    keys: tuple[ApiKey, ...] = ()
    workers: int = 1
    keep_completed: float | None = 30 * DAY
    keep_failed: float | None = 90 * DAY
    keep_logs: float | None = 7 * DAY
    keep_audit: float | None = 365 * DAY
    export_folder: Path | None = None
    webhook_allow: tuple[str, ...] = ()
    hide_payloads: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database if "://" in self.database else f"sqlite:///{self.database}"

    @property
    def is_shared(self) -> bool:
        """Whether several processes may serve the same database, so that a repeat may meet another one."""
        return self.workers > 1 or not self.url.startswith("sqlite")


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def need_keys(host: str, *, there: bool, how: str = "give --keys FILE") -> None:
    """Raises SettingsError for a host other than loopback without keys.

    Args:
        there: Whether there are keys.
        how: To get some.
    """
    if not there and not is_loopback(host):
        raise SettingsError(
            f"--host {host} is open to others, and no API key is set; {how}, or keep to 127.0.0.1"
        )


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys in a file of lines `scope key`; empty lines and `#` are passed over.

    Raises:
        SettingsError: The file cannot be read, or a line is no key; never shows a key.
    """
    return tuple(ApiKey.of(text, scope, f"{path.name}:{number}") for number, scope, text in _entries(path))


def first_key(path: Path) -> str | None:
    """The text of the first key in such a file, for a server that knows one key only.

    Raises:
        SettingsError: As `read_keys`.
    """
    return next((text for _number, _scope, text in _entries(path)), None)


def _entries(path: Path) -> list[tuple[int, Scope, str]]:
    try:
        lines = text_of(path).splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"the key file {path} cannot be read: {reason}") from None
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] not in set(Scope) or len(words[1]) < MIN_KEY_CHARACTERS:  # noqa: PLR2004
            raise SettingsError(
                f"{path}:{number} is no key; write `worker KEY`, `producer KEY`, `reader KEY` or `admin KEY`, the "
                f"key at least {MIN_KEY_CHARACTERS} characters"
            )
        found.append((number, Scope(words[0]), words[1]))
    return found


def is_address(host: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
