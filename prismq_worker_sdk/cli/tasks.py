"""`prismq-worker tasks`: what the server holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from prismq_worker_sdk.cli.answers import json_text
from prismq_worker_sdk.cli.server_options import api_url_option, client_of, task_line
from prismq_worker_sdk.cli.suggesting import SuggestingGroup

__all__ = ["tasks"]


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what narrows a list of tasks."""
    options = (
        click.option("--status", type=click.Choice(["pending", "processing", "completed", "failed"])),
        click.option("--type", "task_type", metavar="TYPE"),
        click.option("--worker", "worker_id", metavar="ID"),
        click.option("--search", "q", metavar="TEXT", help="In id, type, params or error"),
        click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True),
        click.option("--cursor", metavar="CURSOR", help="The page behind the last one"),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        api_url_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=SuggestingGroup, short_help="List tasks, or show one.", invoke_without_command=True)
@list_options
@click.pass_context
def tasks(ctx: click.Context, /, *, api_url: str | None, **wanted: Any) -> None:
    """List tasks, newest first.

    \b
        prismq-worker tasks --status failed
        prismq-worker tasks show ID --json
    """
    ctx.obj = api_url
    if ctx.invoked_subcommand is None:
        _list(api_url, **wanted)


@tasks.command("list", short_help="List tasks; so does no command at all.")
@list_options
@click.pass_context
def list_(ctx: click.Context, /, *, api_url: str | None, **wanted: Any) -> None:
    """List tasks, newest first."""
    _list(api_url or ctx.obj, **wanted)


def _list(api_url: str | None, *, as_json: bool, **wanted: Any) -> None:
    page = client_of(api_url).tasks(**wanted)
    if as_json:
        shown = [{"id": t.id, "type": t.type, "status": t.status, "error": t.error} for t in page.tasks]
        click.echo(json_text({"tasks": shown, "next_cursor": page.next_cursor}))
        return
    for task in page.tasks:
        click.echo(task_line(task))
    if page.next_cursor is not None:
        click.echo(f"more: --cursor {page.next_cursor}", err=True)
    if not page.tasks:
        click.echo("no task", err=True)


@tasks.command(short_help="Everything about one task.")
@click.argument("task_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@api_url_option
@click.pass_context
def show(ctx: click.Context, task_id: str, *, as_json: bool, api_url: str | None) -> None:
    """Show a task: params, result or error, and each attempt."""
    found = client_of(api_url or ctx.obj).show(task_id)
    if as_json:
        click.echo(json_text(found))
        return
    for name, value in found.items():
        if value is None or name == "history":
            continue
        text = value if isinstance(value, str) else json_text(value, indent=None)
        click.echo(f"{name:<14}{text}")
    for claim in found.get("history", []):
        end = claim["verdict"] or "running"
        click.echo(f"attempt {claim['attempt']:<6}{end} by {claim['worker_id']} at {claim['claimed_at']}")


@tasks.command(short_help="Cancel a task.")
@click.argument("task_id", metavar="ID")
@api_url_option
@click.pass_context
def cancel(ctx: click.Context, task_id: str, *, api_url: str | None) -> None:
    """Fail a pending task at once, or ask for the end of a running one."""
    click.echo(task_line(client_of(api_url or ctx.obj).cancel(task_id)))


@tasks.command(short_help="Try a failed task again.")
@click.argument("task_id", metavar="ID")
@api_url_option
@click.pass_context
def retry(ctx: click.Context, task_id: str, *, api_url: str | None) -> None:
    """Make a failed task pending again, with all its attempts.

    On a server of the dialect prismq-client a failed task stays so: a new one of its type and params is created, once,
    and printed.
    """
    click.echo(task_line(client_of(api_url or ctx.obj).retry(task_id)))
