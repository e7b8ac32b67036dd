"""`prismq-worker status` and `top`: what goes on at a server, at one look or for as long as one looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from prismq_worker_sdk.cli.output import answer
from prismq_worker_sdk.cli.tables import EVERY, age_seconds, is_terminal, shown_again, table, watch_option
from prismq_worker_sdk.cli.task_lines import task_fields, task_lines
from prismq_worker_sdk.cli.tasks import api_url_option, client_of, server_options
from prismq_worker_sdk.cli.workers import lines_of as worker_lines
from prismq_worker_sdk.errors import NotSupported, RequestRefused, ServerUnreachable, Unauthorised
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.wire.producer import TaskManagerClient

TYPE_NAMES = ("TYPE", "RUNNING", "WAITING", "LATER", "OLDEST", "COMPLETED/H", "FAILED/H", "")
MOST_RUNNING = 20
"""Running tasks that are shown."""
QUIET_FOR = 120.0
"""Seconds without a word after which a worker that runs nothing is left out."""


@click.command
@watch_option
@server_options
def status(*, watch: bool, as_json: bool, api_url: str | None) -> None:
    """Show what goes on: task types, what runs and waits, what is paused and why, workers and why they are idle.

    \b
        prismq-worker status
        prismq-worker status --json
    """
    client = client_of(api_url)
    shown_again(lambda: _show(client, as_json=as_json), watch=watch)


@click.command
@api_url_option
def top(*, api_url: str | None) -> None:
    """Show what goes on, live, until Ctrl-C."""
    if not is_terminal():
        raise click.UsageError("top needs a terminal; `prismq-worker status --watch` writes lines.")
    import time

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    if console.is_dumb_terminal:
        raise click.UsageError(
            "top needs a terminal that can move its cursor; `status --watch` writes lines."
        )
    client = client_of(api_url)
    shown, trouble = list(_lines(_look(client))), ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Text("\n".join([*trouble.splitlines(), *shown])), refresh=True)
            time.sleep(EVERY)
            try:
                shown, trouble = list(_lines(_look(client))), ""
            except ServerUnreachable as error:
                trouble = f"not live: {one_line(str(error))}"


def _show(client: TaskManagerClient, *, as_json: bool) -> None:
    found = _look(client)
    answer(
        {**found, "running": [task_fields(task) for task in found["running"]]}, _lines(found), as_json=as_json
    )


def _look(client: TaskManagerClient) -> dict[str, Any]:
    """What a server tells; of what its key may not see, nothing."""
    stats = client.stats()
    return {
        "api_url": client.api_url,
        "at": stats.get("at"),
        "total": stats.get("total", {}),
        "types": stats.get("types", {}),
        "paused": {
            str(one.get("name")): one.get("paused") or {} for one in client.steering.types().get("paused", ())
        },
        "limits": _allowed(lambda: [one for one in client.limits.list() if one.get("paused_until")]),
        "running": list(client.tasks(status="processing", limit=MOST_RUNNING).tasks),
        "workers": _allowed(client.workers.list),
    }


def _allowed(look: Any) -> list[dict[str, Any]]:
    try:
        return list(look())
    except (NotSupported, RequestRefused, Unauthorised):
        return []


def _lines(found: dict[str, Any]) -> Iterator[str]:
    total = found["total"]
    yield one_line(f"{found['api_url']}  {found['at'] or ''}".rstrip())
    yield (
        f"{total.get('running', 0)} running, {total.get('queued', 0)} waiting, {total.get('postponed', 0)} later; "
        f"in the last hour {total.get('completed_last_hour', 0)} completed, {total.get('failed_last_hour', 0)} failed"
    )
    for title, lines in (
        (
            "types",
            table(
                TYPE_NAMES,
                [_type(name, one, found) for name, one in sorted(found["types"].items())],
                for_people=True,
            ),
        ),
        ("limits", (_limit(one) for one in found["limits"])),
        ("running", task_lines(found["running"], for_people=True)),
        ("workers", worker_lines([one for one in found["workers"] if _is_here(one)], for_people=True)),
    ):
        for place, line in enumerate(lines):
            if not place:
                yield ""
                yield f"{title}:"
            yield f"  {one_line(line)}"


def _type(name: str, one: dict[str, Any], found: dict[str, Any]) -> tuple[str, ...]:
    numbers = (str(one.get(key, 0)) for key in ("running", "queued", "postponed"))
    oldest = duration.text(round(one.get("oldest_pending_seconds", 0))) if one.get("queued") else ""
    ended = (str(one.get(key, 0)) for key in ("completed_last_hour", "failed_last_hour"))
    pause = found["paused"].get(name)
    if pause is None:
        return (name, *numbers, oldest, *ended, "")
    reason = f": {pause['reason']}" if pause.get("reason") else ""
    return (name, *numbers, oldest, *ended, f"paused until {pause.get('until') or 'it is resumed'}{reason}")


def _limit(one: dict[str, Any]) -> str:
    reason = f": {one['pause_reason']}" if one.get("pause_reason") else ""
    return f"{one.get('name')} paused until {one.get('paused_until')}{reason}"


def _is_here(worker: dict[str, Any]) -> bool:
    return bool(worker.get("running")) or age_seconds(worker.get("last_seen")) < QUIET_FOR
