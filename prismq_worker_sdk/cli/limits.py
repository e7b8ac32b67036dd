"""`prismq-worker limits`: the limits that a TaskManager counts for all its workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from prismq_worker_sdk.cli.group import ListingGroup
from prismq_worker_sdk.cli.options import duration_option, part_of_address, text
from prismq_worker_sdk.cli.output import answer
from prismq_worker_sdk.cli.tasks import client_of, server_options
from prismq_worker_sdk.errors import PluginError
from prismq_worker_sdk.handlers.handler import parse_rate
from prismq_worker_sdk.handlers.limits import parse_limits
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.observe.logs import one_line

name_argument = click.argument("name", callback=part_of_address("the name of no limit"))


@click.group(cls=ListingGroup)
@server_options
def limits() -> None:
    """List the limits of the whole fleet, set and pause them; what runs goes on, and waiting workers hear of it.

    \b
        prismq-worker limits set youtube 30/min
        prismq-worker limits use PrismQ.YouTube.ScrapeShorts youtube
        prismq-worker limits pause youtube --for 10m --reason "too many 429"
    """


@limits.command("list", short_help="List limits; so does no command at all.")
@click.option("--prefix", default="", metavar="TEXT", callback=text, help="Of their names")
@server_options
def list_(prefix: str, *, as_json: bool, api_url: str | None) -> None:
    """List limits by name: what they allow, what is used, which are paused."""
    found = list(client_of(api_url).limits.list(prefix))
    answer({"limits": found}, map(_line, found), as_json=as_json, none="no limit")


@limits.command("set", short_help="Make a limit, or change it.")
@name_argument
@click.argument("rate", required=False, callback=text)
@click.option(
    "--at-once", type=click.IntRange(1, 1_000_000), metavar="N", help="Tasks that may run at the same time"
)
@server_options
def set_(name: str, rate: str | None, *, at_once: int | None, as_json: bool, api_url: str | None) -> None:
    """Let tasks that use the limit NAME begin at RATE, as 30/min or 10/30s, at most so many at once, or both.

    What is not given does not bound it any more.
    """
    if rate is None and at_once is None:
        raise click.UsageError("Say what is allowed: a RATE such as 30/min, --at-once, or both.")
    try:
        found = parse_rate(rate, "RATE")
    except PluginError as error:
        raise click.UsageError(str(error)) from None
    units, period = (None, None) if found is None else (found.count, found.period)
    _show(client_of(api_url).limits.set(name, units=units, period=period, at_once=at_once), as_json=as_json)


@limits.command(short_help="Let no task begin that uses it.")
@name_argument
@duration_option("--for", "seconds", over=0, help="How long [until it is resumed]")
@click.option("--reason", metavar="TEXT", callback=text, help="Shown to others")
@server_options
def pause(name: str, *, as_json: bool, api_url: str | None, **wanted: Any) -> None:
    """Let no task begin that uses the limit NAME, on any worker; running ones go on."""
    _show(client_of(api_url).limits.pause(name, **wanted), as_json=as_json)


@limits.command(short_help="End a pause.")
@name_argument
@server_options
def resume(name: str, *, as_json: bool, api_url: str | None) -> None:
    """End the pause of a limit."""
    _show(client_of(api_url).limits.resume(name), as_json=as_json)


@limits.command(short_help="Take a limit away.")
@name_argument
@server_options
def delete(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Take a limit away; it holds up nobody any more."""
    _show(client_of(api_url).limits.delete(name), as_json=as_json)


@limits.command(short_help="Say what tasks of a type use.")
@click.argument("task_type", metavar="TYPE", callback=part_of_address("the name of no task type"))
@click.argument("uses", nargs=-1)
@click.option("--nothing", is_flag=True, help="Its tasks use no limit any more.")
@server_options
def use(task_type: str, uses: tuple[str, ...], *, nothing: bool, as_json: bool, api_url: str | None) -> None:
    """Say which limits tasks of TYPE use, those that wait included; without USES, show it.

    \b
        prismq-worker limits use PrismQ.Web.Fetch web '{"path": "/host", "prefix": "host:", "units": 2}'

    Each of USES is the name of a limit, or a JSON object with key or path, and maybe prefix and units.
    """
    if nothing and uses:
        raise click.UsageError("Give USES or --nothing, not both.")
    try:
        wanted = parse_limits([_use(one) for one in uses], "USES")
    except PluginError as error:
        raise click.UsageError(str(error)) from None
    client = client_of(api_url).limits
    found = client.set_uses(task_type, wanted) if uses or nothing else client.uses(task_type)
    none = f"tasks of {task_type} use no limit"
    answer({"limits": list(found)}, map(json.dumps, found), as_json=as_json, none=none)


def _use(given: str) -> str | Mapping[str, Any]:
    if not given.startswith("{"):
        return given
    try:
        found: Mapping[str, Any] = json.loads(given)
    except ValueError as error:
        raise click.UsageError(f"{given!r} is no JSON: {error}") from None
    return found


def _show(limit: Mapping[str, Any], *, as_json: bool) -> None:
    answer(limit, [_line(limit)], as_json=as_json)


def _line(limit: Mapping[str, Any]) -> str:
    """A limit on one line."""
    parts = []
    if limit["units"] is not None:
        parts.append(f"{limit['used']} of {limit['units']} used in {duration.text(limit['period'])}")
    most = "" if limit["at_once"] is None else f" of {limit['at_once']}"
    parts.append(f"{limit['running']}{most} running")
    if limit["paused_until"] is not None:
        why = f" ({limit['pause_reason']})" if limit["pause_reason"] else ""
        parts.append(f"paused until {limit['paused_until']}{why}")
    return one_line(f"{limit['name']:<24}  {', '.join(parts)}")
