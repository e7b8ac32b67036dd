"""`prismq-worker schedules`: tasks that the server makes again and again."""

from __future__ import annotations

from typing import Any

import click

from prismq_worker_sdk.cli.group import ListingGroup
from prismq_worker_sdk.cli.options import (
    C,
    duration_option,
    options,
    params_argument,
    part_of_address,
    text,
)
from prismq_worker_sdk.cli.output import answer, fields
from prismq_worker_sdk.cli.tasks import client_of, server_options
from prismq_worker_sdk.observe.logs import one_line

name_argument = click.argument("name", metavar="NAME", callback=part_of_address("the name of no schedule"))


def _of_one(command: C) -> C:
    """What each command for one schedule is given."""
    return options(name_argument, server_options)(command)


@click.group(cls=ListingGroup)
@server_options
def schedules() -> None:
    """List schedules, and steer them.

    \b
        prismq-worker schedules set nightly PrismQ.YouTube.ScrapeShorts @params.json --cron "30 3 * * *"
        prismq-worker schedules show nightly
    """


@schedules.command("list", short_help="List schedules; so does no command at all.")
@server_options
def list_(*, as_json: bool, api_url: str | None) -> None:
    """List schedules by name: the next time, how often, and of which type."""
    found = client_of(api_url).schedules.list()
    answer({"schedules": found}, map(_line, found), as_json=as_json, none="no schedule")


@schedules.command(short_help="Everything about one schedule, with its next five times.")
@_of_one
def show(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Show a schedule: its task, its next five times, and what became of the last one."""
    found = client_of(api_url).schedules.show(name)
    times = [f"{'next':<14}{one_line(at)}" for at in found.get("next_times", [])]
    answer(found, [*fields({**found, "next_at": None, "next_times": None}), *times], as_json=as_json)


@schedules.command("set", short_help="Make a schedule, or change one.")
@name_argument
@click.argument("task_type", metavar="TYPE", callback=text)
@params_argument
@click.option("--cron", metavar="CRON", callback=text, help="Minute, hour, day, month, weekday: '30 3 * * *'")
@click.option("--timezone", metavar="ZONE", callback=text, help="Whose clocks --cron is read on [UTC]")
@duration_option("--every", "every_seconds", help="In place of --cron: how long from one task to the next")
@click.option(
    "--missed",
    type=click.Choice(["skip", "once", "all"]),
    help="Of the times when no server ran, make none, the latest or the latest hundred [once]",
)
@click.option(
    "--overlap",
    type=click.Choice(["allow", "skip"]),
    help="Whether to make a task while the last one is unfinished [skip]",
)
@click.option("--priority", type=int, metavar="N", help="Higher runs first [0]")
@click.option("--max-attempts", type=int, metavar="N", help="[the server's]")
@server_options
def set_(
    name: str, task_type: str, params: dict[str, Any], *, as_json: bool, api_url: str | None, **how: Any
) -> None:
    """Let the server make a task of TYPE with PARAMS (a JSON object, @FILE or -) again and again.

    \b
        prismq-worker schedules set nightly PrismQ.YouTube.ScrapeShorts @params.json \\
            --cron "30 3 * * *" --timezone Europe/Berlin
        prismq-worker schedules set often Example.Echo '{"text": "hi"}' --every 15m

    A schedule of this name is changed; it keeps its next time unless --cron, --timezone or --every say others.
    """
    found = client_of(api_url).schedules.set(name, task_type, params, **how)
    answer(found, [_line(found)], as_json=as_json)


@schedules.command(short_help="Take a schedule away; its tasks stay.")
@_of_one
def delete(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Take a schedule away, and print what it was; its tasks stay."""
    found = client_of(api_url).schedules.delete(name)
    answer(found, [_line(found)], as_json=as_json)


@schedules.command(short_help="Let a schedule make no more tasks.")
@_of_one
def pause(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Let a schedule make no more tasks until it is resumed."""
    found = client_of(api_url).schedules.pause(name)
    answer(found, [_line(found)], as_json=as_json)


@schedules.command(short_help="Let a paused schedule go on.")
@_of_one
def resume(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Let a paused schedule make tasks again, from its next time on; none for the times meanwhile."""
    found = client_of(api_url).schedules.resume(name)
    answer(found, [_line(found)], as_json=as_json)


@schedules.command(short_help="Make a task of a schedule now.")
@_of_one
def run(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Make a task of a schedule now, paused or not, and print its id; its next time stays."""
    task = client_of(api_url).schedules.run(name)
    answer(task, [one_line(str(task.get("id")))], as_json=as_json)


def _line(one: dict[str, Any]) -> str:
    """A schedule on one line."""
    when = "paused" if one.get("paused") else one.get("next_at") or "never again"
    every = one.get("every_seconds")
    often = f"every {every:g} s" if every else f"{one.get('cron')} {one.get('timezone')}"
    error = f"  {one['last_error'][:80]}" if one.get("last_error") else ""
    return one_line(f"{one.get('name')}  {when}  {often}  {one.get('type')}{error}")
