"""`prismq-worker alerts`: what the server tells webhooks of."""

from __future__ import annotations

from typing import Any

import click

from prismq_worker_sdk.cli.group import ListingGroup
from prismq_worker_sdk.cli.options import duration_option, part_of_address, text
from prismq_worker_sdk.cli.output import answer
from prismq_worker_sdk.cli.tasks import client_of, server_options
from prismq_worker_sdk.observe.logs import one_line

name_argument = click.argument("name", metavar="NAME", callback=part_of_address("the name of no alert"))


@click.group(cls=ListingGroup)
@server_options
def alerts() -> None:
    """List alerts, and set them.

    \b
        prismq-worker alerts set failing --rule failures --share 0.2 --time 10m --url https://example.org/hook
        prismq-worker alerts test failing
    """


@alerts.command("list", short_help="List alerts; so does no command at all.")
@server_options
def list_(*, as_json: bool, api_url: str | None) -> None:
    """List alerts by name, and what fires."""
    found = client_of(api_url).alerts.list()
    answer({"alerts": found}, map(_line, found), as_json=as_json, none="no alert")


@alerts.command("set", short_help="Make an alert, or change one.")
@name_argument
@click.option("--rule", type=click.Choice(["failures", "oldest", "no_worker"]), required=True)
@click.option("--type", "task_type", metavar="TYPE", callback=text, help="[every type, each by itself]")
@click.option("--share", type=click.FloatRange(0, 1), metavar="SHARE", help="Of failures, as 0.2")
@click.option("--at-least", type=int, metavar="N", help="Failures, however large their share is [5]")
@duration_option(
    "--time",
    "seconds",
    required=True,
    help="In which failures are counted; a task may wait; no worker may be seen",
)
@duration_option("--hold", "hold_seconds", help="How long it must stay so before it is told [1m]")
@click.option("--url", metavar="URL", required=True, callback=text, help="What is told")
@server_options
def set_(
    name: str, rule: str, seconds: float, url: str, *, as_json: bool, api_url: str | None, **more: Any
) -> None:
    """Let the server tell a webhook when a rule is broken, and when all is well again.

    \b
        prismq-worker alerts set failing --rule failures --share 0.2 --time 10m --url https://example.org/hook
        prismq-worker alerts set late --rule oldest --time 1h --url https://example.org/hook
        prismq-worker alerts set alone --rule no_worker --time 5m --url https://example.org/hook

    The secret of a new one is shown once; what is sent is signed with it.
    """
    found = client_of(api_url).alerts.set(name, rule, seconds, url, **more)
    lines = [_line(found), *([f"secret  {found['secret']}"] if "secret" in found else [])]
    answer(found, lines, as_json=as_json)


@alerts.command(short_help="Take an alert away.")
@name_argument
@server_options
def delete(name: str, *, as_json: bool, api_url: str | None) -> None:
    """Take an alert away, and print what it was."""
    found = client_of(api_url).alerts.delete(name)
    answer(found, [_line(found)], as_json=as_json)


@alerts.command(short_help="Tell the webhook of an alert that this is a test.")
@name_argument
@server_options
def test(name: str, *, as_json: bool, api_url: str | None) -> int:
    """Tell the webhook of an alert that this is a test; exit code 1 where it could not be told."""
    found = client_of(api_url).alerts.test(name)
    answer(found, [one_line(str(found.get("error") or "delivered"))], as_json=as_json)
    return 0 if found.get("delivered") else 1


def _line(one: dict[str, Any]) -> str:
    """An alert on one line."""
    firing = [state["task_type"] for state in one.get("states", ()) if state["state"] == "firing"]
    state = f"firing for {', '.join(firing)}" if firing else "quiet"
    return one_line(f"{one.get('name')}  {one.get('rule')}  {one.get('task_type') or 'every type'}  {state}")
