"""What can be set for a worker, written down once: options, the environment and the reference are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from prismq_worker_sdk.model.protocol import ClaimOrder
from prismq_worker_sdk.model.setting import one_of, path, seconds, setting, size, switch, text, whole
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.wire.connection_options import ConnectionOptions
from prismq_worker_sdk.wire.dialects import AUTO, dialect_choice, dialect_names, dialects_where


def no_key() -> str | None:
    """For servers that want no key."""
    return None


def _not_blank(worker_id: str) -> str:
    if worker_id and not worker_id.strip():
        raise ValueError("is blank; leave it out, and a worker makes one")
    return worker_id


def _dialect(value: object) -> object:
    return one_of(*dialect_names())(value)


ORDERING = dialects_where(lambda can: can.orders_claims)
RETRYING = dialects_where(lambda can: can.retries_at_once)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
WORKER_ID = text(most=255, pattern="^[ -~]*$", into=_not_blank)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a worker that its command line takes; durations in seconds."""

    api_url: str = setting("http://localhost:8000/api", text(into=normalise), "URL", "The TaskManager")
    ca_file: Path | None = setting(
        None,
        path,
        "FILE",
        "CA certificates to trust for https, PEM",
        ", and no others; unless given, what `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` or `SSL_CERT_FILE` names",
        unset="public CAs",
    )
    client_cert: Path | None = setting(
        None, path, "FILE", "Certificate that this worker shows, PEM", unset="none"
    )
    client_key: Path | None = setting(
        None, path, "FILE", "Its private key, PEM, not encrypted", unset="in --client-cert"
    )
    worker_id: str = setting(
        "", WORKER_ID, "ID", "Its name", "; each process needs its own on a base server", unset="generated"
    )
    poll_interval: float = setting(
        10.0, seconds(over=0, most=3600), "TIME", "Longest idle wait", " between two claims; after work 0.1 s"
    )
    prefetch: Literal["auto", "off"] = setting(
        "auto",
        one_of("auto", "off"),
        "KIND",
        "Claim short tasks before a slot is free: auto or off",
        "; at most one for each slot, for half a second; only where a server takes tasks back (the `exchange` bundle)",
    )
    max_runs: int = setting(0, whole(), "N", "Stop after N tasks", " that have ended", unset="never")
    concurrency: int = setting(4, whole(least=1, most=256), "N", "Tasks at the same time", ", 1 to 256")
    isolation: Literal["thread", "process"] = setting(
        "thread",
        one_of("thread", "process"),
        "KIND",
        "Where handlers run that do not say it: thread or process",
    )
    max_memory_per_child: int = setting(
        0, size, "SIZE", "Replace a process that has more after a task, 512M", unset="never"
    )
    state_dir: Path = setting(
        MISSING, path, "DIR", "Where results wait for delivery; a local folder", unset="the user's"
    )
    instance: str | None = setting(
        None, text(), "NAME", "Part of the state folder", unset="lowest free number"
    )
    grace_period: float = setting(25.0, seconds(most=86400), "TIME", "From the stop signal to the exit")
    startup_timeout: float = setting(
        30.0, seconds(), "TIME", "How long to try an unreachable server at start"
    )
    unreachable_timeout: float = setting(0.0, seconds(), "TIME", "How long to try it later", unset="for ever")
    max_consecutive_errors: int = setting(
        5, whole(), "N", "Unexpected errors in a row that pause a type", "; 0 is never"
    )
    max_attempts: int = setting(
        20,
        whole(),
        "N",
        "Claims of a task that never ends, then it fails",
        f" without being run, where the server hands tasks out for ever (`{RETRYING}`); 0 is never",
    )
    claim_order: ClaimOrder | None = setting(
        None,
        one_of("fifo", "lifo", "priority", fold=str.lower),
        "ORDER",
        f"Which task of a type comes first: fifo, lifo or priority ({ORDERING})",
        "; it does `fifo` by itself; no effect elsewhere, which is said at the start",
        unset="the server's",
    )
    server_claim_timeout: float = setting(
        300.0, seconds(over=0), "TIME", "Claim timeout of a server without renewal"
    )
    server_max_attempts: int = setting(
        0,
        whole(),
        "N",
        "Its MAX_TASK_ATTEMPTS, to give tasks back",
        f" while attempts are left (`{RETRYING}`); else they lapse",
        unset="unknown",
    )
    health_port: int | None = setting(
        None,
        whole(most=65535),
        "PORT",
        "Serve /healthz, /readyz, /status, /metrics",
        "; 0 is any free port",
        unset="off",
    )
    health_host: str = setting("127.0.0.1", text(), "HOST", "Where to serve them")
    log_format: Literal["json", "console"] = setting(
        "console", one_of("json", "console"), "FORMAT", "console or json"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting(
        "INFO", one_of(*LEVELS, fold=str.upper), "LEVEL", "DEBUG, INFO, WARNING or ERROR"
    )
    dialect: str = setting(AUTO, _dialect, "NAME", f"The server's: {dialect_choice()}")
    debug: bool = setting(
        False,  # noqa: FBT003 - its value
        switch,
        "",
        "Log everything, show tracebacks",
        " whole; those of unexpected errors of handlers are in the log without it",
        unset="off",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig(Settings):
    """Everything a worker must know before it starts.

    Attributes:
        key: The API key now; asked again after the server refused it.
        proxy: By which proxy the server is reached, past those of the environment.
        secrets: Values that no sink may show.
    """

    key: Callable[[], str | None] = no_key
    proxy: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def level(self) -> str:
        """The lowest level that is logged."""
        return "DEBUG" if self.debug else self.log_level

    @property
    def connection(self) -> ConnectionOptions:
        """How the server is reached."""
        return ConnectionOptions(
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            proxy=self.proxy,
        )

    def config(self) -> WorkerConfig:
        """Itself, so that it serves where settings do."""
        return self


class ProvidesConfig(Protocol):
    """Settings that can say what the worker must know."""

    def config(self) -> WorkerConfig:
        """The configuration."""
        ...
