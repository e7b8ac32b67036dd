"""`prismq-worker types`: task types that the server knows, and pausing them for the whole fleet."""

from __future__ import annotations

from typing import Any

import click

from prismq_worker_sdk.cli.group import ListingGroup
from prismq_worker_sdk.cli.options import duration_option, part_of_address, text
from prismq_worker_sdk.cli.output import answer
from prismq_worker_sdk.cli.tasks import client_of, server_options
from prismq_worker_sdk.observe.logs import one_line

type_argument = click.argument("name", metavar="TYPE", callback=part_of_address("the name of no task type"))


@click.group(cls=ListingGroup)
@server_options
def types() -> None:
    """List task types, and pause them for the whole fleet.

    \b
        prismq-worker types pause PrismQ.YouTube.ScrapeShorts --for 2h --reason "quota used up"
        prismq-worker types resume PrismQ.YouTube.ScrapeShorts
    """


@types.command("list", short_help="List task types; so does no command at all.")
@server_options
def list_(*, as_json: bool, api_url: str | None) -> None:
    """List the registered types with their versions, and those that are paused."""
    found = client_of(api_url).steering.types()
    known = {str(one.get("name")): one for one in found.get("task_types", ())}
    paused = {str(one.get("name")): one for one in found.get("paused", ())}
    shown = [{**known.get(name, {}), **paused.get(name, {})} for name in sorted({*known, *paused})]
    answer(found, map(_line, shown), as_json=as_json, none="no task type")


@types.command(short_help="Let no task of a type be claimed.")
@type_argument
@duration_option("--for", "seconds", over=0, help="How long [until it is resumed]")
@click.option("--reason", metavar="TEXT", callback=text, help="For whoever looks")
@server_options
def pause(
    name: str, *, seconds: float | None, reason: str | None, as_json: bool, api_url: str | None
) -> None:
    """Let no task of a type be claimed by any worker: waiting tasks stay, running ones go on."""
    found = client_of(api_url).steering.pause(name, seconds=seconds, reason=reason)
    answer(found, [_line(found)], as_json=as_json)


@types.command(short_help="Let tasks of a paused type be claimed again.")
@type_argument
@server_options
def resume(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Let tasks of a type be claimed again."""
    found = client_of(api_url).steering.resume(name)
    answer(found, [_line(found)], as_json=as_json)


def _line(one: dict[str, Any]) -> str:
    """A task type on one line."""
    version = f"  version {one['version']}" if "version" in one else ""
    pause = one.get("paused")
    if not pause:
        return one_line(f"{one.get('name')}{version}")
    until = pause.get("until") or "it is resumed"
    reason = f": {pause['reason']}" if pause.get("reason") else ""
    return one_line(f"{one.get('name')}{version}  paused until {until} by {pause.get('paused_by')}{reason}")
