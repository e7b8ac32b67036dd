"""`prismq-worker taskmanager keys`: the API keys in the database of a TaskManager."""

from __future__ import annotations

from typing import Any

import click

from prismq_worker_sdk.cli.database import WHO, database_option, need_extra, on_database
from prismq_worker_sdk.cli.group import SuggestingGroup
from prismq_worker_sdk.cli.options import duration_option, json_option, text
from prismq_worker_sdk.cli.output import answer, note, tell
from prismq_worker_sdk.observe.logs import one_line


@click.group(cls=SuggestingGroup)
def keys() -> None:
    """Make, list and revoke API keys, in the database itself: its server need not run, and follows within 2 s.

    \b
        prismq-worker taskmanager keys create ops --scope admin
        prismq-worker taskmanager keys create grafana --scope reader --expires 90d
        prismq-worker taskmanager keys revoke grafana
    """


@keys.command(short_help="Make a key; it is shown once.")
@click.argument("name", callback=text)
@click.option(
    "--scope",
    type=click.Choice(["reader", "worker", "producer", "admin"]),
    required=True,
    help="What it may do; all look, a reader does nothing else, an admin everything.",
)
@click.option(
    "--type",
    "task_types",
    multiple=True,
    metavar="TYPE",
    help="Task type that it is bound to; may be repeated [every one]",
)
@duration_option(
    "--expires", "expires_in_seconds", over=0, help="For how long it holds, as 90d [until it is revoked]"
)
@click.option(
    "--rate",
    "requests_per_minute",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Requests per minute of each serving process [any number]",
)
@json_option
@database_option
def create(database: str, *, as_json: bool, task_types: tuple[str, ...], **wanted: Any) -> None:
    """Make a key with a NAME that was never used, and print it; nobody can show it again."""
    need_extra()
    from prismq_worker_sdk.taskmanager import keys as server
    from prismq_worker_sdk.taskmanager.http import read

    def make(db: Any, now: float) -> tuple[Any, str]:
        new = read(server.NewKey, {**wanted, "task_types": list(task_types) or None})
        return server.create(db, new, WHO, now)

    row, key = on_database(database, make)
    answer(server.view(row, key), [key], as_json=as_json)
    note(f"{row.scope} key {row.name}: keep it now, only its digest is stored; send it as X-API-Key")


@keys.command("list", short_help="Every key there is or was.")
@json_option
@database_option
def list_(database: str, *, as_json: bool) -> None:
    """List the keys: scope, what they are bound to, when they were used last, until when they hold."""
    need_extra()
    from prismq_worker_sdk.taskmanager import keys as server

    found = [server.view(row) for row in on_database(database, lambda db, _now: server.listed(db))]
    answer({"keys": found}, map(_line, found), as_json=as_json, none="no key")


@keys.command(short_help="End a key.")
@click.argument("name", metavar="NAME|ID", callback=text)
@database_option
def revoke(name: str, database: str) -> None:
    """End a key for ever; every server of the database refuses it within 2 s."""
    need_extra()
    from prismq_worker_sdk.taskmanager import keys as server

    row = on_database(database, lambda db, now: server.revoke(db, name, WHO, now))
    tell(_line(server.view(row)))


def _line(key: dict[str, Any]) -> str:
    state = (
        f"revoked {key['revoked_at']}"
        if key["revoked_at"]
        else f"until {key['expires_at']}"
        if key["expires_at"]
        else "until revoked"
    )
    used = f"last used {key['last_used_at']}" if key["last_used_at"] else "never used"
    bound = "every type" if key["task_types"] is None else ", ".join(key["task_types"])
    rate = f"{key['requests_per_minute']}/min" if key["requests_per_minute"] else "any rate"
    return one_line(f"{key['name']:<20} {key['scope']:<9} {state}, {used}, {rate}, {bound}")
