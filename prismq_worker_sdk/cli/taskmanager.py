"""`prismq-worker taskmanager`: a TaskManager for development and tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import click
from click.core import ParameterSource

from prismq_worker_sdk.cli.copies import backup, export
from prismq_worker_sdk.cli.database import DEFAULT, need_extra, place_of
from prismq_worker_sdk.cli.group import SuggestingGroup
from prismq_worker_sdk.cli.keys import keys as keys_group
from prismq_worker_sdk.cli.options import age_option, duration_option
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import place, read_secret
from prismq_worker_sdk.observe.log_setup import set_up_logging

V1, PRISMQ_CLIENT = "v1", "prismq-client"
DATABASES = {V1: DEFAULT, PRISMQ_CLIENT: "prismq-client.db"}
KEPT = (
    "keep_completed",
    "keep_failed",
    "keep_logs",
    "keep_audit",
    "export_folder",
    "webhook_allow",
    "hide_payloads",
    "tls_cert",
    "tls_key",
)
OWNERS = dict.fromkeys(("lease_seconds", "workers", *KEPT), V1) | dict.fromkeys(
    ("rate_limit", "repaired", "deadlocks", "half_failures"), PRISMQ_CLIENT
)
"""The options that one dialect has and the other has not."""

SHARE: dict[str, Any] = {
    "type": click.FloatRange(0, 1),
    "default": 0.0,
    "metavar": "SHARE",
    "show_default": False,
}


def _networks(_ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Networks as they were given, once each is one."""
    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise click.BadParameter(
                f"{error}; write for example 10.1.0.0/16", param_hint=option.opts[0]
            ) from None
    return values


def _place(_ctx: click.Context, option: click.Parameter, value: str | None) -> Path | None:
    return None if value is None else place(value, option.opts[0])


@click.group(cls=SuggestingGroup, invoke_without_command=True, context_settings={"show_default": True})
@click.option(
    "--dialect",
    type=click.Choice([V1, PRISMQ_CLIENT]),
    default=V1,
    help="prismq-client behaves as the server in production, faults and all.",
)
@click.option("--host", default="127.0.0.1", help="Anything but loopback needs API keys.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0 for any free one.")
@click.option(
    "--database",
    show_default=" or ".join(DATABASES.values()),
    envvar="PRISMQ_TASKMANAGER_DATABASE",
    help="SQLite file; v1 also takes the URL of a MariaDB or MySQL database: mysql+pymysql://USER:PASSWORD@HOST/NAME. "
    "PRISMQ_TASKMANAGER_DATABASE gives it where nobody may read it off the process list.",
)
@click.option(
    "--database-file",
    type=click.Path(path_type=Path),
    envvar="PRISMQ_TASKMANAGER_DATABASE_FILE",
    help="File that holds the URL instead, as secrets are handed out; PRISMQ_TASKMANAGER_DATABASE_FILE names it too.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    help="Processes that serve (v1); more than one are of use with MariaDB or MySQL.",
)
@duration_option("--claim-timeout", default="5m", over=0, help="When a claim runs out.")
@duration_option(
    "--lease", "lease_seconds", default="1m", over=0, help="How long a renewed claim lasts (v1)."
)
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 1000),
    default=3,
    help="Attempts of a task that does not say its own.",
)
@age_option(
    "--keep-completed", default="30d", help="When completed tasks are deleted (v1); 0 or forever: never."
)
@age_option("--keep-failed", default="90d", help="When failed tasks are deleted (v1).")
@age_option("--keep-logs", default="7d", help="When the logs of tasks are deleted (v1).")
@age_option("--keep-audit", default="365d", help="When it is forgotten who did what (v1).")
@click.option(
    "--webhook-allow",
    multiple=True,
    metavar="NETWORK",
    callback=_networks,
    help="Network that is not public to which webhooks may go, as 10.1.0.0/16; may be repeated (v1).",
)
@click.option(
    "--hide-payloads",
    is_flag=True,
    help="Keys of scope reader see no params, results, errors and logs (v1).",
)
@click.option(
    "--export-before-deletion",
    "export_folder",
    callback=_place,
    metavar="FOLDER",
    help="Add what is deleted to a file of the day there first (v1).",
)
@click.option(
    "--tls-cert",
    callback=_place,
    metavar="FILE",
    help="Serve https with this certificate, PEM, with those between it and its CA (v1); renewed files are taken up.",
)
@click.option(
    "--tls-key",
    callback=_place,
    metavar="FILE",
    help="Its private key, PEM, not encrypted (v1); in --tls-cert unless given.",
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="File of lines `reader KEY`, `worker KEY`, `producer KEY`, `admin KEY`; prismq-client takes the first.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=0,
    show_default=False,
    metavar="N",
    help="Requests per minute and path (prismq-client); 0 is off.",
)
@click.option(
    "--repaired", is_flag=True, help="Empty queues and single objects as documented (prismq-client)."
)
@click.option(
    "--deadlocks", help="Part of claims and completes that end in a deadlock (prismq-client).", **SHARE
)
@click.option(
    "--half-failures",
    help="Part of failures that a deadlock stops half-way, so that they are final (prismq-client).",
    **SHARE,
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    help="json where machines read.",
)
@click.option("--debug", is_flag=True, help="Log everything.")
@click.pass_context
def taskmanager(
    context: click.Context,
    /,
    *,
    dialect: str,
    host: str,
    port: int,
    keys: Path | None,
    log_format: Literal["console", "json"],
    debug: bool,
    **given: Any,
) -> None:
    """Run a TaskManager until SIGTERM, Ctrl-C, or the end of its terminal.

    It keeps its tasks in a SQLite file, speaks the documented protocol, and creates tasks at POST /api/tasks.
    With --dialect prismq-client it answers as the server in production does.
    """
    given["database"] = context.obj = _named(given["database"], given.pop("database_file"))
    if context.invoked_subcommand is not None:
        return
    for option in context.command.params:
        name = option.name or ""
        if (owner := OWNERS.get(name, dialect)) != dialect:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise SettingsError(f"{option.opts[0]} belongs to --dialect {owner}; this is {dialect}")
            del given[name]
    if dialect == V1:
        need_extra()
    given["database"] = place_of(given["database"] or DATABASES[dialect])
    keys = None if keys is None else place(keys, "--keys")
    logs = partial(_set_up_logging, log_format, "DEBUG" if debug else "INFO", _password(given["database"]))
    logs()
    if dialect == V1:
        _serve_v1(host, port, keys, logs, **given)
    else:
        _serve_prismq_client(host, port, keys, **given)


def _named(database: str | None, file: Path | None) -> str | None:
    """The database that is named, itself or by the file that holds its address."""
    if file is None:
        return database
    if database is not None:
        raise SettingsError(
            "both --database and --database-file are set, as options or variables; keep one of them"
        )
    return read_secret(place(file, "--database-file"), "--database-file")


def _set_up_logging(log_format: Literal["console", "json"], level: str, secrets: tuple[str, ...]) -> None:
    """The same in each process that serves."""
    set_up_logging(log_format=log_format, level=level, redactor=Redactor(secrets))


def _password(database: str) -> tuple[str, ...]:
    password = urlsplit(database).password if "://" in database else None
    return () if password is None else (unquote(password),)


def _serve_v1(host: str, port: int, keys: Path | None, logs: Callable[[], None], **given: Any) -> None:
    from prismq_worker_sdk.taskmanager.config import TaskManagerConfig, read_keys
    from prismq_worker_sdk.taskmanager.serving import serve

    known = () if keys is None else read_keys(keys)
    serve(TaskManagerConfig(host=host, port=port, keys=known, **given), logs)


def _serve_prismq_client(host: str, port: int, keys: Path | None, *, repaired: bool, **given: Any) -> None:
    from prismq_worker_sdk.taskmanager.config import first_key, need_keys
    from prismq_worker_sdk.testing.prismq_client import PrismqClientDeployment, serve_prismq_client

    key = None if keys is None else first_key(keys)
    need_keys(host, there=key is not None)
    deployment = PrismqClientDeployment(key=key, repaired_empty=repaired, repaired_items=repaired, **given)
    serve_prismq_client(deployment, host=host, port=port)


for _command in (keys_group, export, backup):
    taskmanager.add_command(_command)
