"""`prismq-worker submit` and `prismq-worker tasks`: tasks of the server, as whoever creates them sees them."""

from __future__ import annotations

import socket
import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from prismq_worker_sdk.cli.group import ListingGroup
from prismq_worker_sdk.cli.options import (
    duration_option,
    instant,
    json_option,
    options,
    params_argument,
    setting_options,
    task_id,
    text,
)
from prismq_worker_sdk.cli.output import answer, fields, json_text, note, tell, tell_json
from prismq_worker_sdk.cli.tables import shown_again, watch_option
from prismq_worker_sdk.cli.task_lines import instant_text, task_fields, task_lines
from prismq_worker_sdk.errors import NotSupported, RequestRefused, ServerError, Unauthorised
from prismq_worker_sdk.model.task import Task, TaskStatus
from prismq_worker_sdk.observe.logs import indented, one_line
from prismq_worker_sdk.wire.address import host_and_port, is_this_machine

if TYPE_CHECKING:
    from prismq_worker_sdk.wire.producer import TaskManagerClient
    from prismq_worker_sdk.wire.producer_backend import TaskLogLine

PATIENCE = 5.0
"""Seconds that a server of this machine has to open its port."""

LOOK_EVERY = 0.05
FOLLOW_EVERY = 1.0
"""Seconds between two looks at a log that is followed."""

WORKED_ON = ("processing", "completed", "failed")

api_url_option = setting_options("api_url", callback=lambda ctx, _option, value: value or ctx.obj)
"""What `prismq-worker tasks` was given counts for its commands too."""
server_options = options(json_option, api_url_option)

id_argument = click.argument("task_id", metavar="ID", callback=task_id)
filter_options = options(
    click.option("--status", type=click.Choice(["pending", "processing", "completed", "failed"])),
    click.option("--type", "task_type", metavar="TYPE", callback=text),
    click.option("--worker", "worker_id", metavar="ID", callback=text),
    click.option("--parent", "parent_id", metavar="ID", callback=text, help="Children of a task"),
    click.option("--error-type", metavar="NAME", callback=text, help="As QuotaExceeded"),
    click.option("--error", metavar="TEXT", callback=text, help="In the error"),
    click.option("--search", "q", metavar="TEXT", callback=text, help="In id, type, params or error"),
    click.option(
        "--created-after", metavar="WHEN", callback=instant, help="2026-11-29T12:00:00Z, or 2h ago: 2h"
    ),
    click.option("--created-before", metavar="WHEN", callback=instant),
    click.option("--ended-after", metavar="WHEN", callback=instant),
    click.option("--ended-before", metavar="WHEN", callback=instant),
)
list_options = options(
    filter_options,
    watch_option,
    click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True),
    click.option("--cursor", metavar="CURSOR", callback=text, help="The page behind the last one"),
    server_options,
)


@click.command
@click.argument("task_type", metavar="TYPE", callback=text)
@params_argument
@click.option("--wait", is_flag=True, help="Wait until it has completed or failed, and print the result.")
@duration_option("--timeout", help="How long to wait [for ever]")
@click.option("--priority", type=int, metavar="N", help="Higher runs first [0]")
@click.option("--max-attempts", type=int, metavar="N", help="[the server's]")
@duration_option("--delay", "delay_seconds", help="Not before so long from now")
@click.option(
    "--dedupe-key", metavar="KEY", callback=text, help="Create nothing while an unfinished task has this key"
)
@click.option(
    "--run-key", metavar="KEY", callback=text, help="Tells this run from others of the same type and params"
)
@server_options
def submit(
    task_type: str,
    params: dict[str, Any],
    *,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    api_url: str | None,
    **wanted: Any,
) -> int:
    """Create a task of TYPE with PARAMS (a JSON object, @FILE or -) and print its id.

    \b
        prismq-worker submit PrismQ.YouTube.ScrapeShorts '{"search_query": "startup ideas"}' --wait
        prismq-worker submit PrismQ.YouTube.ScrapeShorts @params.json

    With --wait the exit code is 0 for completed, 1 for failed or not finished in time. A server of the dialect
    prismq-client creates each job once and for ever: the same TYPE and PARAMS give the old task, unless --run-key tells
    the runs apart.
    """
    client = client_of(api_url)
    try:
        handle = client.submit(task_type, params, **wanted)
    except RequestRefused as error:
        faults = "".join(f"\n  {fault}" for fault in error.faults)
        raise RequestRefused(f"the server refused the task: {error}{faults}", status=error.status) from None
    if not handle.created:
        note(_there_already(handle.task, wanted["dedupe_key"], wanted["run_key"]))
    elif (unserved := _unserved(client, task_type)) is not None:
        note(unserved)
    if not wait:
        answer(task_fields(handle.task), [handle.id], as_json=as_json)
        return 0
    if handle.created:
        note(f"task {handle.id}")
    try:
        task = handle.wait(timeout)
    except TimeoutError as error:
        raise ServerError(str(error)) from None
    answer(task_fields(task), task_lines([task]), as_json=as_json)
    if task.result is not None and not as_json:
        tell_json(task.result)
    return 0 if task.status is TaskStatus.COMPLETED else 1


@click.group(cls=ListingGroup)
@list_options
def tasks() -> None:
    """List tasks, newest first.

    \b
        prismq-worker tasks --status failed
        prismq-worker tasks show ID --json
    """


@tasks.command("list", short_help="List tasks; so does no command at all.")
@list_options
def list_(*, api_url: str | None, as_json: bool, watch: bool, **wanted: Any) -> None:
    """List tasks, newest first."""
    client = client_of(api_url)

    def show() -> None:
        page = client.tasks(**wanted)
        shown = {"tasks": [task_fields(task) for task in page.tasks], "next_cursor": page.next_cursor}
        answer(shown, task_lines(page.tasks), as_json=as_json, none="no task")
        if page.next_cursor is not None and not as_json:
            note(f"more: --cursor {page.next_cursor}")

    shown_again(show, watch=watch)


@tasks.command(short_help="Everything about one task.")
@id_argument
@server_options
def show(task_id: str, *, as_json: bool, api_url: str | None) -> None:
    """Show a task: params, result or error, each attempt, and who did what to it."""
    found = client_of(api_url).show(task_id)
    attempts = [
        f"attempt {claim['attempt']:<6}{claim['verdict'] or 'running'} by {claim['worker_id']} at {claim['claimed_at']}"
        for claim in found.get("history", [])
    ]
    acts = [f"{act['action']:<14}by {act['who']} at {act['at']}" for act in found.get("audit", [])]
    shown = fields({**found, "history": None, "audit": None})
    answer(found, [*shown, *attempts, *acts], as_json=as_json)


@tasks.command(short_help="Its children, and how they stand.")
@id_argument
@click.option("--limit", type=click.IntRange(0, 500), default=20, show_default=True)
@click.option("--cursor", metavar="CURSOR", callback=text, help="The page behind the last one")
@server_options
def children(task_id: str, *, as_json: bool, api_url: str | None, **wanted: Any) -> None:
    """Show how many children of a task have which status, what follows them, and which they are, newest first."""
    page = client_of(api_url).children(task_id, **wanted)
    found = {"status": page.parent, "counts": page.counts, "open": page.open, "follower": page.follower}
    counts = {**page.counts, "open": page.open, "follower": page.follower}
    shown = {**found, "tasks": [task_fields(task) for task in page.tasks], "next_cursor": page.next_cursor}
    answer(shown, [*fields(counts), *task_lines(page.tasks)], as_json=as_json)
    if page.next_cursor is not None and not as_json:
        note(f"more: --cursor {page.next_cursor}")


@tasks.command(short_help="What its handlers logged.")
@id_argument
@click.option("--follow", is_flag=True, help="Go on until the task has completed or failed.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt only")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@api_url_option
def logs(task_id: str, *, follow: bool, attempt: int | None, as_json: bool, api_url: str | None) -> None:
    """Show what the handlers of a task logged: time, attempt, level and text.

    \b
        prismq-worker tasks logs ID --follow
    """
    client = client_of(api_url)
    cursor, is_over = None, False
    while True:
        page = client.logs(task_id, attempt=attempt, cursor=cursor)
        cursor = page.next_cursor
        for line in page.lines:
            tell(_log_line(line, as_json=as_json))
        if page.lines:
            continue
        if is_over or not follow:
            break
        is_over = client.get(task_id).status.finished  # what came before its end is on the next page
        if not is_over:
            time.sleep(FOLLOW_EVERY)
    for number, dropped in page.dropped.items():
        if dropped and attempt in {None, number}:
            note(f"attempt {number}: {dropped} more lines were dropped, they were too many")
    if cursor is None:
        note("nothing was logged")


def client_of(api_url: str | None) -> TaskManagerClient:
    """A client for the TaskManager of the settings, with their key and dialect; one of this machine may still start."""
    from prismq_worker_sdk.settings import SERVER_FIELDS, load_settings
    from prismq_worker_sdk.wire.producer import TaskManagerClient

    config = load_settings({"api_url": api_url}, only=SERVER_FIELDS).config()
    _await_local_server(config.api_url)
    return TaskManagerClient(
        config.api_url, api_key=config.key(), options=config.connection, dialect=config.dialect
    )


def _await_local_server(api_url: str) -> None:
    """Waits until something listens at an address of this machine, for a few seconds at most; else returns at once.

    `prismq-worker taskmanager &` and a command for it, pasted together, should do what they look like.
    """
    address = urlsplit(api_url)
    if not is_this_machine(api_url):
        return
    place = host_and_port(api_url)
    give_up_at, noted = time.monotonic() + PATIENCE, False
    while not _listens(place) and time.monotonic() < give_up_at:
        if not noted:
            note(f"waiting for a server at {address.netloc} …")
            noted = True
        time.sleep(LOOK_EVERY)


def _listens(place: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(place, timeout=PATIENCE):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return True  # whatever it is, the call itself says it better


def _unserved(client: TaskManagerClient, task_type: str) -> str | None:
    """What to say of a type that nobody has registered or ever worked on: a typing error would wait for ever."""
    try:
        known = [str(one.get("name")) for one in client.task_types()]
        if task_type in known or any(
            client.tasks(task_type=task_type, status=status, limit=1).tasks for status in WORKED_ON
        ):
            return None
    except (NotSupported, RequestRefused, Unauthorised):
        return None  # a server of another dialect refuses unknown types by itself; a key may not look at them
    like = get_close_matches(task_type, known, n=1)
    meant = f"did you mean {like[0]}?" if like else "check its name;"
    return (
        f"note: {task_type} is not registered, and no task of it was ever worked on; {meant} "
        "`prismq-worker plugins --publish` registers the types of your plugins"
    )


def _there_already(task: Task, dedupe_key: str | None, run_key: str | None) -> str:
    """That an old task came back, why, and what to do for a new one."""
    there = f"task {task.id} was there already"
    if dedupe_key is not None:
        return f"{there} for this dedupe key, {task.status}"
    if run_key is not None:
        return f"{there} for this run key, {task.status}; give another --run-key to run it again"
    return f"{there}, {task.status}; give --run-key to run it again"


def _log_line(line: TaskLogLine, *, as_json: bool) -> str:
    at = instant_text(line.at)
    if as_json:
        return json_text({"attempt": line.attempt, "at": at, "level": line.level, "text": line.text})
    return f"{at} #{line.attempt} {one_line(line.level):<7} {indented(line.text)}"
