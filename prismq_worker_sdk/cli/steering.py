"""`prismq-worker tasks retry|cancel|delete|priority|expedite|delay`: one task, or all that options name."""

from __future__ import annotations

import time
from typing import Any

import click

from prismq_worker_sdk.cli.options import C, duration_option, options, task_id
from prismq_worker_sdk.cli.output import answer, note, tell
from prismq_worker_sdk.cli.task_lines import task_lines
from prismq_worker_sdk.cli.tasks import (
    api_url_option,
    client_of,
    filter_options,
    id_argument,
    server_options,
    tasks,
)
from prismq_worker_sdk.model.task import Task
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.wire.looking import MAX_PAUSE, until

DONE = {"retry": "tried again", "cancel": "cancelled", "delete": "deleted", "priority": "changed"}


def _one(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return None if value is None else task_id(ctx, param, value)


def _tell(task: Task) -> None:
    for line in task_lines([task]):
        tell(line)


def _of_one_or_many(command: C) -> C:
    """What commands for one task, or for all that options name, are given."""
    return options(
        click.argument("one", metavar="[ID]", required=False, callback=_one),
        filter_options,
        click.option("--dry-run", is_flag=True, help="Say how many tasks it would be, and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        server_options,
    )(command)


@tasks.command(short_help="Try failed tasks again.")
@_of_one_or_many
def retry(one: str | None, *, api_url: str | None, **given: Any) -> int:
    """Make a failed task pending again, with all its attempts, or all that failed of those that options name.

    \b
        prismq-worker tasks retry ID
        prismq-worker tasks retry --error-type QuotaExceeded --ended-after 12h --dry-run

    A task whose dedupe key was taken meanwhile is passed over. On a server of the dialect prismq-client a failed task
    stays so: a new one of its type and params is created, once, and printed.
    """
    if one is None:
        return _all_of(api_url, "retry", **given)
    _only_one(given)
    _tell(client_of(api_url).retry(one))
    return 0


@tasks.command(short_help="Cancel tasks.")
@_of_one_or_many
def cancel(one: str | None, *, api_url: str | None, **given: Any) -> int:
    """Fail a pending task at once, or ask for the end of a running one; or of all that options name.

    \b
        prismq-worker tasks cancel ID
        prismq-worker tasks cancel --type PrismQ.YouTube.ScrapeShorts --status pending
    """
    if one is None:
        return _all_of(api_url, "cancel", **given)
    _only_one(given)
    _tell(client_of(api_url).cancel(one))
    return 0


@tasks.command(short_help="Delete tasks that do not run.")
@_of_one_or_many
def delete(one: str | None, *, api_url: str | None, **given: Any) -> int:
    """Delete a task with its history and logs, or all that options name; those that run are passed over.

    \b
        prismq-worker tasks delete ID
        prismq-worker tasks delete --status completed --ended-before 30d --yes
    """
    if one is None:
        return _all_of(api_url, "delete", **given)
    _only_one(given)
    client_of(api_url).steering.delete(one)
    tell(one_line(one))
    return 0


@tasks.command(short_help="Set the priority of waiting tasks.")
@click.argument("priority", metavar="N", type=int)
@_of_one_or_many
def priority(priority: int, one: str | None, *, api_url: str | None, **given: Any) -> int:
    """Set the priority of a waiting task to N (higher runs first), or of all that options name.

    \b
        prismq-worker tasks priority 10 ID
        prismq-worker tasks priority --type PrismQ.YouTube.ScrapeShorts --yes -- -5
    """
    if one is None:
        return _all_of(api_url, "priority", priority=priority, **given)
    _only_one(given)
    tell(_raw_line(client_of(api_url).steering.change(one, priority=priority)))
    return 0


@tasks.command(short_help="Run a waiting task next.")
@id_argument
@api_url_option
def expedite(task_id: str, *, api_url: str | None) -> None:
    """Let a waiting task run at once, before all others of its type."""
    tell(_raw_line(client_of(api_url).steering.expedite(task_id)))


@tasks.command(short_help="Let a waiting task wait for longer, or no more.")
@id_argument
@duration_option("--for", "seconds", required=True, help="How long from now; 0 for no more")
@api_url_option
def delay(task_id: str, *, seconds: float, api_url: str | None) -> None:
    """Let a waiting task be claimed only after a while.

    \b
        prismq-worker tasks delay ID --for 2h
    """
    tell(_raw_line(client_of(api_url).steering.change(task_id, delay_seconds=seconds)))


def _all_of(
    api_url: str | None,
    action: str,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    priority: int | None = None,
    **wanted: str | None,
) -> int:
    """Does it to all tasks that options name, once somebody has said yes to their number."""
    if not any(wanted.values()):
        raise click.UsageError("give the ID of a task, or options that say which tasks, as --status failed")
    client = client_of(api_url)
    steering = client.steering
    if dry_run or not yes:
        number = steering.count(action, wanted, priority=priority)
        tasks_ = "1 task" if number == 1 else f"{number} tasks"
        if dry_run:
            answer({"found": number}, [tasks_], as_json=as_json)
            return 0
        click.confirm(f"{action} {tasks_}?", abort=True, err=True)
    job_id = str(steering.begin(action, wanted, priority=priority).get("id"))
    note(one_line(f"job {job_id}; it goes on when this command is stopped"))

    def look() -> tuple[dict[str, Any], str]:
        job = steering.job(job_id)
        return job, "is still running" if job.get("status") == "running" else ""

    job = until(look, f"job {job_id}", None, MAX_PAUSE, time.sleep)
    said = f"{job.get('done')} {DONE[action]}, {job.get('passed_over')} passed over"
    answer(job, [one_line(said)], as_json=as_json)
    return 0


def _only_one(given: dict[str, Any]) -> None:
    """Raises click.UsageError where options name tasks beside the one that was named."""
    if named := [name for name, value in given.items() if value and name != "yes"]:
        raise click.UsageError(
            f"give the ID of a task or options that say which tasks, not both ({named[0]})"
        )


def _raw_line(task: dict[str, Any]) -> str:
    """A task in the server's words on one line."""
    return one_line(f"{task.get('id')}  {task.get('status')!s:<10}  {task.get('type')}")
