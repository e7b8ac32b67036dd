"""`prismq-worker workers`: who works for a server, and steering them."""

from __future__ import annotations

from typing import Any

import click

from prismq_worker_sdk.cli.group import ListingGroup
from prismq_worker_sdk.cli.options import options, part_of_address
from prismq_worker_sdk.cli.output import answer
from prismq_worker_sdk.cli.tables import age, shown_again, table, watch_option
from prismq_worker_sdk.cli.tasks import client_of, server_options
from prismq_worker_sdk.model.task import short_id

NAMES = ("WORKER", "SEEN", "SLOTS", "DOES", "HOST", "VERSION")
_of_one = options(
    click.argument("worker_id", metavar="ID", callback=part_of_address("the id of no worker")),
    server_options,
)


@click.group(cls=ListingGroup)
@watch_option
@server_options
def workers() -> None:
    """List the workers of a server: when each was heard of, what it runs, why it is idle.

    \b
        prismq-worker workers --watch
        prismq-worker workers quiet ID
    """


@workers.command("list", short_help="List workers; so does no command at all.")
@watch_option
@server_options
def list_(*, watch: bool, as_json: bool, api_url: str | None) -> None:
    """List workers, the one heard of last first."""
    client = client_of(api_url)

    def show() -> None:
        found = client.workers.list()
        answer({"workers": found}, lines_of(found), as_json=as_json, none="no worker was ever here")

    shown_again(show, watch=watch)


@workers.command(short_help="Let a worker claim nothing more.")
@_of_one
def quiet(worker_id: str, *, as_json: bool, api_url: str | None) -> None:
    """Let a worker claim nothing more; what it runs goes on. It hears of it within seconds."""
    _say(client_of(api_url).workers.quiet(worker_id), as_json=as_json)


@workers.command(short_help="Let a quiet worker claim again.")
@_of_one
def resume(worker_id: str, *, as_json: bool, api_url: str | None) -> None:
    """Let a quiet worker claim again."""
    _say(client_of(api_url).workers.resume(worker_id), as_json=as_json)


@workers.command(short_help="Let a worker end, in order.")
@_of_one
def terminate(worker_id: str, *, as_json: bool, api_url: str | None) -> None:
    """Let a worker end as by SIGTERM: what it runs ends within its grace period, and is reported."""
    _say(client_of(api_url).workers.terminate(worker_id), as_json=as_json)


def lines_of(found: list[dict[str, Any]], *, for_people: bool | None = None) -> list[str]:
    """A table of workers.

    Args:
        for_people: As for `table`.
    """
    return list(table(NAMES, [_cells(one) for one in found], for_people=for_people))


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    status = one.get("status") or {}
    running = one.get("running") or []
    slots = f"{len(running)}/{status['slots']}" if "slots" in status else str(len(running))
    about = (str(status.get(name) or "") for name in ("host", "version"))
    return (str(one.get("worker_id")), age(one.get("last_seen")), slots, _does(one, running), *about)


def _does(one: dict[str, Any], running: list[Any]) -> str:
    """What it runs, or why it runs nothing."""
    ids = [short_id(str(task.get("id") if isinstance(task, dict) else task)) for task in running]
    said = [f"runs {', '.join(ids[:3])}{', …' if len(ids) > 3 else ''}"] if ids else []  # noqa: PLR2004
    if one.get("why_idle"):
        said.append(f"idle: {one['why_idle']}")
    elif one.get("wanted") not in {"run", None}:
        said.append(f"told to {one['wanted']}")
    return "; ".join(said)


def _say(one: dict[str, Any], *, as_json: bool) -> None:
    answer(one, lines_of([one]), as_json=as_json)
