"""`prismq-worker conformance`: whether a server keeps what the protocol promises."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prismq_worker_sdk.cli.group import SuggestingGroup
from prismq_worker_sdk.cli.options import duration_option, json_option, text
from prismq_worker_sdk.cli.output import note, tell, tell_json
from prismq_worker_sdk.errors import SettingsError, UsageError
from prismq_worker_sdk.files import place, read_secret
from prismq_worker_sdk.observe.logs import one_line

if TYPE_CHECKING:
    from prismq_worker_sdk.testing.conformance import Check, Result, Server

SUBMIT_SECONDS = 30
WIDTH = 160
COLOURS = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


@click.group(cls=SuggestingGroup)
def conformance() -> None:
    """Hold a server to the protocol."""


@conformance.command(short_help="Check a server, promise by promise.")
@click.argument("url", metavar="URL", callback=text)
@click.option(
    "--key", envvar="TASKMANAGER_API_KEY", metavar="KEY", help="Sent as X-API-Key; @FILE reads it from there."
)
@click.option("--only", multiple=True, metavar="NAME", help="A check or a bundle; may be repeated [all]")
@click.option("--quick", is_flag=True, help="Leave out what waits until a claim runs out.")
@click.option(
    "--submit-command",
    metavar="COMMAND",
    help="Creates a task where the server cannot; called with TYPE and PARAMS as its last arguments.",
)
@duration_option("--claim-timeout", over=0, help="When a claim of the base protocol runs out on this server.")
@json_option
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Also write JUnit XML there.")
def server(
    url: str,
    *,
    key: str | None,
    only: tuple[str, ...],
    submit_command: str | None,
    as_json: bool,
    junit: Path | None,
    **how: Any,
) -> int:
    """Check the server at URL: the base protocol, and each bundle that it announces.

    \b
        prismq-worker conformance server http://localhost:8000/api
        prismq-worker conformance server http://localhost:8000/api --only exchange --json

    It creates tasks of types of its own, Conformance.T…, and ends them. A key that may do everything sees most; what
    could not be checked is said.

    \b
    Exit codes: 0 all promises that could be checked are kept · 1 one is not
                2 there is no server, or wrong use
    """
    from prismq_worker_sdk.settings import CONNECTION_FIELDS, load_settings
    from prismq_worker_sdk.testing.conformance import CHECKS, Server, run
    from prismq_worker_sdk.testing.conformance.report import as_junit, as_values
    from prismq_worker_sdk.wire.tls import check_files

    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is no address; write http://localhost:8000/api", param_hint="URL")
    submit = None if submit_command is None else _Command(submit_command)
    options = load_settings(only=CONNECTION_FIELDS).config().connection
    check_files(options)
    examined = Server(url, key=_key(key), submit=submit, options=options, **how)
    checks = _chosen(CHECKS, only)
    _announce(examined, checks)
    results = list(run(examined, checks))
    if junit is not None:
        _write(place(junit, "--junit"), as_junit(results))
    if as_json:
        tell_json(as_values(examined, results))
    else:
        _show(results)
    return 1 if any(result.outcome == "failed" for result in results) else 0


class _Command:
    """Creates tasks by a command of the user's."""

    def __init__(self, words: str) -> None:
        try:
            self._words = shlex.split(words)
        except ValueError as error:
            raise UsageError(f"--submit-command {words!r} cannot be read: {error}") from None
        if not self._words:
            raise UsageError("--submit-command is empty; name a program")

    def __call__(self, task_type: str, params: Mapping[str, Any]) -> None:
        command = [*self._words, task_type, json.dumps(params)]
        try:
            done = subprocess.run(  # noqa: S603 - it is the user's
                command,
                capture_output=True,
                text=True,
                timeout=SUBMIT_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"--submit-command {self._words[0]} does not work: {error}") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise UsageError(
                f"--submit-command {self._words[0]} ended with exit code {done.returncode}: {' '.join(said)}"
            )


def _key(given: str | None) -> str | None:
    return (
        read_secret(place(given[1:], "--key"), "--key") if given and given.startswith("@") else given or None
    )


def _chosen(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    """The checks of these names and bundles, in their order; all without any."""
    names = [name for check in checks for name in (check.bundle, check.name)]
    for wanted in only:
        if wanted not in names:
            near = get_close_matches(wanted, names, n=1, cutoff=0.4)
            meant = (
                f"did you mean {near[0]}?"
                if near
                else "bundles are " + ", ".join(dict.fromkeys(c.bundle for c in checks))
            )
            raise click.BadParameter(f"there is no check {wanted}; {meant}", param_hint="--only")
    return [check for check in checks if not only or check.bundle in only or check.name in only]


def _announce(examined: Server, checks: Sequence[Check]) -> None:
    """Says what is looked at, and how long it waits for claims to run out."""
    note(f"{examined.url}: {', '.join(['base', *examined.announced])}; {len(checks)} checks")
    longest = max((examined.seconds(one) for one in checks if examined.obstacle(one) is None), default=0.0)
    if longest > 10:  # noqa: PLR2004 - what one notices
        note(f"some wait until a claim runs out, {longest:.0f} s in all; --quick leaves them out")


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--junit {path} cannot be written: {error.strerror}") from None


def _show(results: Sequence[Result]) -> None:
    """A table of all checks, the calls of those that failed, and the sum."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from prismq_worker_sdk.testing.conformance.report import counts

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    table = Table(box=None, pad_edge=False)
    for title in ("check", "", "seconds", "promise, or what is the matter"):
        table.add_column(title, justify="right" if title == "seconds" else "left", overflow="fold")
    for result in results:
        outcome = Text(str(result.outcome), COLOURS[result.outcome])
        about = Text(result.check.promise, no_wrap=True, overflow="ellipsis")
        if result.why:
            about = Text(one_line(result.why), overflow="fold")
        table.add_row(Text(result.check.name), outcome, f"{result.seconds:.1f}", about)
    console.print(table)
    for result in results:
        if result.calls:
            tell(f"\n{result.check.name}: {result.check.promise}")
        for call in result.calls:
            tell(f"  {one_line(call)}")
    tell(", ".join(f"{number} {outcome}" for outcome, number in counts(results).items()))
