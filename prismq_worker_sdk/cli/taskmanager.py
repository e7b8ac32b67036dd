"""`prismq-worker taskmanager`: a TaskManager for development and tests."""

from __future__ import annotations

from pathlib import Path

import click

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model import duration

__all__ = ["need_extra", "taskmanager"]


@click.command(short_help="Run a TaskManager for development and tests.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Anything but loopback needs --keys.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any free one."
)
@click.option(
    "--database", default="taskmanager.db", show_default=True, help="SQLite file, or an SQLAlchemy URL."
)
@click.option(
    "--claim-timeout", default="5m", show_default=True, metavar="TIME", help="When a claim runs out."
)
@click.option(
    "--lease", default="1m", show_default=True, metavar="TIME", help="How long a renewed claim lasts."
)
@click.option("--max-attempts", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option(
    "--keys", type=click.Path(path_type=Path), help="File of lines `worker KEY`, `producer KEY`, `admin KEY`."
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option("--debug", is_flag=True, help="Log everything.")
def taskmanager(  # noqa: PLR0913 - one argument for each option
    *,
    host: str,
    port: int,
    database: str,
    claim_timeout: str,
    lease: str,
    max_attempts: int,
    keys: Path | None,
    log_format: str,
    debug: bool,
) -> None:
    """Run a TaskManager until SIGTERM or Ctrl-C.

    It keeps its tasks in a SQLite file, speaks the documented protocol, and creates tasks at POST /api/tasks.
    """
    need_extra()
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.logs import set_up_logging
    from prismq_worker_sdk.taskmanager.config import TaskManagerConfig, read_keys
    from prismq_worker_sdk.taskmanager.server import serve

    timeout = _seconds("--claim-timeout", claim_timeout)
    lease_seconds = _seconds("--lease", lease)
    set_up_logging(
        log_format="json" if log_format == "json" else "console",
        level="DEBUG" if debug else "INFO",
        redactor=Redactor(),
    )
    serve(
        TaskManagerConfig(
            database=database,
            host=host,
            port=port,
            claim_timeout=timeout,
            lease_seconds=lease_seconds,
            max_attempts=max_attempts,
            keys=() if keys is None else read_keys(keys),
        )
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
    except ImportError:
        raise SettingsError(
            "the TaskManager needs an extra: pip install 'prismq-worker-sdk[taskmanager]'"
        ) from None
