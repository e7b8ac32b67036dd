"""`prismq-worker outbox`: what waits in the state folder, and what to do about it."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prismq_worker_sdk.cli.group import SuggestingGroup
from prismq_worker_sdk.cli.options import duration_option, json_option, setting_options
from prismq_worker_sdk.cli.output import answer, fields, note, tell, tell_json
from prismq_worker_sdk.compat import UTC
from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.shutdown import ExitCode
from prismq_worker_sdk.errors import PrismqError, StateFolderError, UsageError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.observe.log_setup import set_up_logging
from prismq_worker_sdk.observe.logs import one_line
from prismq_worker_sdk.outbox.damage import mend
from prismq_worker_sdk.outbox.folder import DATABASE, LOCK, instances, not_ours, remains_of
from prismq_worker_sdk.outbox.looking import Entry, look, look_closely
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.settings import SERVER_FIELDS, load_settings
from prismq_worker_sdk.system import FileLock, SystemClock

if TYPE_CHECKING:
    from prismq_worker_sdk.observe.bus import EventBus

USED = SERVER_FIELDS | {"state_dir", "startup_timeout", "log_format", "log_level", "debug"}
"""The settings that count for a delivery without a worker."""

SHOWN_OF_A_TOKEN = 4
COLUMNS = 80
PLAIN = ("state", "kind", "task_id", "task_type", "attempt", "server", "dialect", "worker_id")
"""What is shown of an entry as it is."""


def _reference(value: str) -> tuple[str, int]:
    """The instance and the number in `instance-0/17`."""
    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)/(\d{1,18})", value)
    if found is None:
        raise click.BadParameter(f"{value!r} names no report; write for example instance-0/17")
    return found[1], int(found[2])


folder_option = setting_options(
    "state_dir",
    callback=lambda _ctx, _option, value: load_settings({"state_dir": value}, only={"state_dir"}).state_dir,
)


@click.group(cls=SuggestingGroup, invoke_without_command=True)
@click.pass_context
def outbox(ctx: click.Context) -> None:
    """Look at the results that wait in the state folder, and deal with those that do not pass.

    A report is named by its instance and its number, as `list` shows it: instance-0/17.

    \b
        prismq-worker outbox list --state parked
        prismq-worker outbox show instance-0/17
    """
    if ctx.invoked_subcommand is None:
        tell(ctx.get_help())


@outbox.command("list", short_help="What waits, is parked, or is held.")
@click.option(
    "--state",
    type=click.Choice(["parked", "waiting", "held", "all"]),
    default="all",
    show_default=True,
    help="parked: refused, kept and not sent; held: claimed, without an outcome yet",
)
@json_option
@folder_option
def list_(*, state: str, as_json: bool, state_dir: Path) -> int:
    """List the reports and claims of every instance, also while workers run on them.

    The exit code is 1 when an instance cannot be read.
    """
    found, unread = _everything(state_dir)
    entries = [entry for entry in found if state in {"all", entry.state}]
    answer([_as_dict(entry) for entry in entries], map(_line, entries), as_json=as_json)
    if not (entries or unread or as_json):
        missing = "" if state_dir.is_dir() else ", there is no such folder"
        note(f"nothing{'' if state == 'all' else ' ' + state} in {state_dir}{missing}")
    return 1 if unread else 0


@outbox.command(short_help="Everything about one report.")
@click.argument("ref", type=_reference, metavar="REF")
@json_option
@folder_option
def show(ref: tuple[str, int], *, as_json: bool, state_dir: Path) -> None:
    """Show a report: its claim, its outcome, its children, and why it is parked."""
    shown = _as_dict(_entry(state_dir, ref))
    answer(shown, fields({**shown, "children": shown.get("children") or None}), as_json=as_json)


@outbox.command(short_help="Send parked reports again.")
@click.argument("refs", type=_reference, nargs=-1, metavar="[REF]...")
@click.option("--all", "every", is_flag=True, help="Every parked report of every instance that is free.")
@folder_option
def retry(refs: tuple[tuple[str, int], ...], *, every: bool, state_dir: Path) -> int:
    """Put parked reports back into the line; the next worker, or `outbox deliver`, sends them.

    No worker may run on their instance. The short failure that was to be reported in place of refused content is
    withdrawn; once the server has it, the claim is over and the report cannot be sent any more.
    The exit code is 1 when one of several could not be put back.
    """
    if every == bool(refs):
        raise UsageError("name the reports to retry, or say --all")
    failed = 0
    if every:
        found, failed = _everything(state_dir)
        refs = tuple((e.instance, e.number) for e in found if e.state == "parked" and e.number is not None)
        if not refs and not failed:
            note(f"nothing parked in {state_dir}")
    for instance, number in refs:
        try:
            _entry(state_dir, (instance, number))
            with _taken(state_dir / instance, report=_report) as stored:
                withdrawn = stored.retry(number)
        except PrismqError as error:
            if len(refs) == 1 and not every:
                raise
            failed += 1
            note(f"{instance}/{number}: {error}")
        else:
            tell(f"{instance}/{number}  waiting")
            if withdrawn:
                note(f"{instance}/{number}: the failure in its place is withdrawn")
    return 1 if failed else 0


@outbox.command(short_help="Delete reports.")
@click.argument("refs", type=_reference, nargs=-1, required=True, metavar="REF...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def drop(refs: tuple[tuple[str, int], ...], *, yes: bool, state_dir: Path) -> None:
    """Delete reports, parked or waiting, and print each as one JSON line, so that it can be kept.

    \b
        prismq-worker outbox drop instance-0/17 --yes >> dropped.jsonl

    No worker may run on their instance. The server learns nothing: it takes the task back when its claim runs out.
    """
    for ref in refs:
        entry = _entry(state_dir, ref)
        with _taken(state_dir / ref[0], report=_report) as stored:
            if not yes:
                _ask(entry)
            tell_json(_as_dict(entry), indent=None)  # before it is gone
            stored.delete(ref[1])


@outbox.command(short_help="Deliver what waits, without a worker.")
@duration_option("--timeout", default="60s", show_default=True, help="How long to try.")
@setting_options("api_url", "dialect", "log_format", "debug", "state_dir")
def deliver(*, timeout: float, **given: Any) -> int:
    """Send what waits, each report under its own claim, as a worker would.

    Instances that a worker runs on are named and left to it. Reports for another server stay.

    \b
    Exit codes: 0 nothing is left · 75 something is left · 1 the server cannot be reached · 2 wrong use
    """
    from prismq_worker_sdk.handlers.handler import Registry
    from prismq_worker_sdk.observe.bus import EventBus
    from prismq_worker_sdk.observe.event_log import EventLog
    from prismq_worker_sdk.worker.outbox_delivery import Sent, send_stored
    from prismq_worker_sdk.worker.services import environment

    config = load_settings({"startup_timeout": timeout, **given}, only=USED).config()
    clock, redactor = SystemClock(), Redactor(config.secrets)
    guard = set_up_logging(log_format=config.log_format, level=config.level, redactor=redactor)
    bus = EventBus([EventLog(clock, guard)], redactor)
    sent = Sent()
    with ExitStack() as stack:
        outboxes, unread = _free(config.state_dir, stack, bus)
        if outboxes:
            here = environment(config, Registry([]), clock=clock, redactor=redactor, emit=bus.emit)
            sent = send_stored(here, outboxes, timeout=timeout)
    for fault in sent.faults:
        bus.emit(Notice("error", f"the books are off: {fault}; please report this"))
    elsewhere = f", {sent.elsewhere} of another server" if sent.elsewhere else ""
    tell(f"accepted {sent.accepted}, lost {sent.lost}, parked {sent.parked}, left {sent.left}{elsewhere}")
    if sent.faults:
        return ExitCode.FAILED
    return ExitCode.SOMETHING_LEFT if sent.left or sent.elsewhere or unread else ExitCode.NOTHING_LEFT


def _free(state_dir: Path, stack: ExitStack, bus: EventBus) -> tuple[list[Outbox], int]:
    """The outboxes that no worker runs on, locked as long as the stack lasts; how many cannot be opened.

    Those, and the ones that a worker runs on, are named.
    """
    found = instances(state_dir)
    if not found:
        bus.emit(Notice("info", f"nothing in {state_dir}"))
    outboxes, unread = [], 0
    for instance in found:
        try:
            free = _taken(instance, report=lambda text: bus.emit(Notice("error", text)))
            outboxes.append(stack.enter_context(free))
        except UsageError as error:
            unread += isinstance(error, StateFolderError)
            bus.emit(Notice("warning", f"{instance.name} is left as it is: {error}"))
    return outboxes, unread


@contextmanager
def _taken(instance: Path, *, report: Callable[[str], None]) -> Iterator[Outbox]:
    """The outbox of an instance that no worker runs on, locked meanwhile.

    A worker keeps books of what is in its outbox; nobody else may change it then.

    Args:
        report: Is told what was found damaged, and set aside.

    Raises:
        UsageError: A worker runs on it, or there is none.
        StateFolderError: It cannot be used, or only what a dead worker left running holds it.
    """
    if instance not in instances(instance.parent):
        raise UsageError(f"there is no {instance.name} in {instance.parent}; see prismq-worker outbox list")
    try:
        lock = FileLock.acquire(instance / LOCK)
    except PermissionError as error:
        raise StateFolderError(not_ours(instance)) from error
    except OSError as error:
        raise StateFolderError(f"{instance} cannot be locked ({error.strerror or error})") from error
    if lock is None and (held := remains_of(instance)) is not None:
        raise StateFolderError(held)
    if lock is None:
        raise UsageError(f"a worker runs on {instance.name}: stop it first (SIGTERM), then say this again")
    with ExitStack() as stack:
        stack.callback(lock.release)
        clock = SystemClock()
        if (damage := mend(instance / DATABASE, clock.utc())) is not None:
            report(damage)
        opened = Outbox.open(instance / DATABASE, clock)
        stack.callback(opened.close)
        yield opened


def _everything(folder: Path) -> tuple[list[Entry], int]:
    """All entries of the folder, and how many instances cannot be read; those are told."""
    found: list[Entry] = []
    unread = 0
    for instance in instances(folder):
        try:
            found.extend(look(instance))
        except StateFolderError as error:
            unread += 1
            _report(str(error))
    return found, unread


def _entry(folder: Path, ref: tuple[str, int]) -> Entry:
    instance, number = ref
    known = {path.name: path for path in instances(folder)}
    entry = look_closely(known[instance], number) if instance in known else None
    if entry is None:
        raise UsageError(f"there is no report {instance}/{number} in {folder}; see prismq-worker outbox list")
    return entry


def _ask(entry: Entry) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"nobody can be asked whether to delete {entry.ref}; say --yes")
    what = f"the {entry.state} {entry.kind} report of task {one_line(entry.task_id)}"
    click.confirm(f"Delete {entry.ref}, {what}?", abort=True, err=True)


def _report(text: str) -> None:
    note(f"prismq-worker: {text}")


def _line(entry: Entry) -> str:
    """An entry on one line."""
    now = time.time()
    age, wait = round(max(0.0, now - entry.since)), round((entry.next_try or 0.0) - now)
    words = [f"{entry.ref:<16}", f"{entry.state:<8}", f"{entry.kind:<10}", f"{duration.text(age):>8}"]
    if entry.state == "waiting":
        words.append(f"{entry.tries} tries, next {'now' if wait <= 0 else 'in ' + duration.text(wait)}")
    words += [one_line(text) for text in (entry.task_id, entry.task_type, entry.detail[:COLUMNS]) if text]
    return "  ".join(words)


def _as_dict(entry: Entry) -> dict[str, Any]:
    """An entry as plain values; of its token only the beginning, and its outcome where it was read."""
    shown = {
        "ref": entry.ref,
        **{name: getattr(entry, name) for name in PLAIN},
        "token": f"{entry.token[:SHOWN_OF_A_TOKEN]}…" if entry.token else None,
        "since": _instant(entry.since),
        "age_seconds": round(max(0.0, time.time() - entry.since), 3),
        "tries": entry.tries,
        "next_try": None if entry.next_try is None else _instant(entry.next_try),
        "detail": entry.detail or None,
    }
    if entry.body is not None:
        shown |= {"outcome": _json(entry.body), "children": _json(entry.children or "[]")}
    return shown


def _json(text: str) -> Any:
    """The value of JSON text, or the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _instant(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
