"""`prismq-worker submit`: a task for the server."""

from __future__ import annotations

import click

from prismq_worker_sdk.cli.params import given_params, params_argument
from prismq_worker_sdk.cli.server_options import api_url_option, client_of, show_task
from prismq_worker_sdk.cli.unserved import unserved_note
from prismq_worker_sdk.errors import RequestRefused, ServerError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.task import Task, TaskStatus

__all__ = ["submit"]


@click.command(short_help="Create a task on the server.")
@click.argument("task_type", metavar="TYPE")
@params_argument
@click.option("--wait", is_flag=True, help="Wait until it has completed or failed, and print the result.")
@click.option("--timeout", metavar="TIME", help="How long to wait [for ever]")
@click.option("--priority", type=int, metavar="N", help="Higher runs first [0]")
@click.option("--max-attempts", type=int, metavar="N", help="[the server's]")
@click.option("--delay", metavar="TIME", help="Not before so long from now")
@click.option("--dedupe-key", metavar="KEY", help="Create nothing while an unfinished task has this key")
@click.option("--run-key", metavar="KEY", help="Tells this run from others of the same type and params")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@api_url_option
def submit(  # noqa: PLR0913 - one argument for each option
    task_type: str,
    params: str,
    *,
    wait: bool,
    timeout: str | None,
    priority: int | None,
    max_attempts: int | None,
    delay: str | None,
    dedupe_key: str | None,
    run_key: str | None,
    as_json: bool,
    api_url: str | None,
) -> int:
    """Create a task of TYPE with PARAMS (a JSON object, @FILE or -) and print its id.

    \b
        prismq-worker submit PrismQ.YouTube.ScrapeShorts '{"search_query": "startup ideas"}' --wait
        prismq-worker submit PrismQ.YouTube.ScrapeShorts @params.json

    With --wait the exit code is 0 for completed, 1 for failed or not finished in time. A server of the dialect
    prismq-client creates each job once and for ever: the same TYPE and PARAMS give the old task, unless --run-key tells
    the runs apart.
    """
    given = given_params(params)
    seconds, limit = _seconds("--delay", delay), _seconds("--timeout", timeout)
    client = client_of(api_url)
    try:
        handle = client.submit(
            task_type,
            given,
            priority=priority,
            max_attempts=max_attempts,
            delay_seconds=seconds,
            dedupe_key=dedupe_key,
            run_key=run_key,
        )
    except RequestRefused as error:
        faults = "".join(f"\n  {fault}" for fault in error.faults)
        raise RequestRefused(f"the server refused the task: {error}{faults}", status=error.status) from None
    if not handle.created:
        click.echo(_there_already(handle.task, dedupe_key, run_key), err=True)
    elif (note := unserved_note(client, task_type)) is not None:
        click.echo(note, err=True)
    if not wait:
        if as_json:
            show_task(handle.task, as_json=True)
        else:
            click.echo(handle.id)
        return 0
    if handle.created:
        click.echo(f"task {handle.id}", err=True)
    try:
        task = handle.wait(limit)
    except TimeoutError as error:
        raise ServerError(str(error)) from None
    show_task(task, as_json=as_json)
    return 0 if task.status is TaskStatus.COMPLETED else 1


def _there_already(task: Task, dedupe_key: str | None, run_key: str | None) -> str:
    """That an old task came back, why, and what to do for a new one."""
    there = f"task {task.id} was there already"
    if dedupe_key is not None:
        return f"{there} for this dedupe key, {task.status}"
    if run_key is not None:
        return f"{there} for this run key, {task.status}; give another --run-key to run it again"
    return f"{there}, {task.status}; give --run-key to run it again"


def _seconds(name: str, value: str | None) -> float | None:
    try:
        return None if value is None else duration.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=name) from None
