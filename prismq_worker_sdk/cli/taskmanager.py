"""`prismq-worker taskmanager`: a TaskManager for development and tests."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from prismq_worker_sdk.errors import SettingsError, missing_extra
from prismq_worker_sdk.files import place
from prismq_worker_sdk.model import duration

__all__ = ["need_extra", "taskmanager"]

V1, PRISMQ_CLIENT = "v1", "prismq-client"
DATABASES = {V1: "taskmanager.db", PRISMQ_CLIENT: "prismq-client.db"}
ONLY = {
    "lease": ("--lease", V1),
    "rate_limit": ("--rate-limit", PRISMQ_CLIENT),
    "repaired": ("--repaired", PRISMQ_CLIENT),
    "deadlocks": ("--deadlocks", PRISMQ_CLIENT),
    "half_failures": ("--half-failures", PRISMQ_CLIENT),
}
"""The options that one dialect has and the other has not."""


@click.command(short_help="Run a TaskManager for development and tests.")
@click.option(
    "--dialect",
    type=click.Choice([V1, PRISMQ_CLIENT]),
    default=V1,
    show_default=True,
    help="prismq-client behaves as the server in production, faults and all.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Anything but loopback needs --keys.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any free one."
)
@click.option(
    "--database",
    show_default=" or ".join(DATABASES.values()),
    help="SQLite file; v1 also takes an SQLAlchemy URL.",
)
@click.option(
    "--claim-timeout", default="5m", show_default=True, metavar="TIME", help="When a claim runs out."
)
@click.option(
    "--lease", default="1m", show_default=True, metavar="TIME", help="How long a renewed claim lasts (v1)."
)
@click.option("--max-attempts", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="File of lines `worker KEY`, `producer KEY`, `admin KEY`; prismq-client takes the first.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Requests per minute and path (prismq-client); 0 is off.",
)
@click.option(
    "--repaired", is_flag=True, help="Empty queues and single objects as documented (prismq-client)."
)
@click.option(
    "--deadlocks",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Part of claims and completes that end in a deadlock (prismq-client).",
)
@click.option(
    "--half-failures",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Part of failures that a deadlock stops half-way, so that they are final (prismq-client).",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option("--debug", is_flag=True, help="Log everything.")
@click.pass_context
def taskmanager(  # noqa: PLR0913 - one argument for each option
    context: click.Context,
    *,
    dialect: str,
    host: str,
    port: int,
    database: str | None,
    claim_timeout: str,
    lease: str,
    max_attempts: int,
    keys: Path | None,
    rate_limit: int,
    repaired: bool,
    deadlocks: float,
    half_failures: float,
    log_format: str,
    debug: bool,
) -> None:
    """Run a TaskManager until SIGTERM, Ctrl-C, or the end of its terminal.

    It keeps its tasks in a SQLite file, speaks the documented protocol, and creates tasks at POST /api/tasks.
    With --dialect prismq-client it answers as the server in production does.
    """
    _refuse_foreign_options(context, dialect)
    if dialect == V1:
        need_extra()
    timeout, lease_seconds = _seconds("--claim-timeout", claim_timeout), _seconds("--lease", lease)
    file = _file(database or DATABASES[dialect])
    keys = None if keys is None else place(keys, "--keys")
    _log(log_format, debug=debug)
    if dialect == V1:
        from prismq_worker_sdk.taskmanager.config import TaskManagerConfig, read_keys
        from prismq_worker_sdk.taskmanager.server import serve

        config = TaskManagerConfig(
            database=file,
            host=host,
            port=port,
            claim_timeout=timeout,
            lease_seconds=lease_seconds,
            max_attempts=max_attempts,
            keys=() if keys is None else read_keys(keys),
        )
        serve(config)
    else:
        from prismq_worker_sdk.taskmanager.config import first_key, need_keys
        from prismq_worker_sdk.testing.prismq_client import PrismqClientDeployment, serve_prismq_client

        key = None if keys is None else first_key(keys)
        need_keys(host, () if key is None else (key,))
        deployment = PrismqClientDeployment(
            database=file,
            key=key,
            claim_timeout=timeout,
            max_attempts=max_attempts,
            rate_limit=rate_limit,
            deadlocks=deadlocks,
            half_failures=half_failures,
            repaired_empty=repaired,
            repaired_items=repaired,
        )
        serve_prismq_client(deployment, host=host, port=port)


def _file(database: str) -> str:
    """The whole path of a file; an address, and what is kept in memory only, as they are."""
    return database if "://" in database or database == ":memory:" else str(place(database, "--database"))


def _refuse_foreign_options(context: click.Context, dialect: str) -> None:
    for name, (option, owner) in ONLY.items():
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and owner != dialect:
            raise SettingsError(f"{option} belongs to --dialect {owner}; this is {dialect}")


def _log(log_format: str, *, debug: bool) -> None:
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.logs import set_up_logging

    set_up_logging(
        log_format="json" if log_format == "json" else "console",
        level="DEBUG" if debug else "INFO",
        redactor=Redactor(),
    )


def _seconds(option: str, text: str) -> float:
    try:
        found = duration.seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if found <= 0:
        raise click.BadParameter(f"{text!r} is no time; give more than 0", param_hint=option)
    return found


def need_extra() -> None:
    """Raises SettingsError unless the extra `taskmanager` is installed."""
    try:
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise missing_extra(
            error, "the TaskManager", "taskmanager", "fastapi", "sqlalchemy", "uvicorn"
        ) from None
