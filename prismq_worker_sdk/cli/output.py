"""What a command says, and how it ends: answers on stdout, all else on stderr, an error as one sentence."""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

import click

from prismq_worker_sdk.errors import PrismqError, UsageError
from prismq_worker_sdk.model.setting import ON

STDOUT, STDERR = 1, 2

LAST_MOMENT = 1.0
"""Seconds for threads that a plugin or a handler has left running."""

LAST_CALLBACKS = 3.0
"""Seconds for what libraries do at the end of a process (atexit)."""

_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets stand as it is, and terminals take for a command or for another direction of writing."""

_OWNS_PROCESS: list[bool] = []
_ANSWERS: list[TextIO] = []
"""Where answers go while stdout is set aside."""


def tell(answer: str) -> None:
    """Prints a line of what was asked for.

    Raises:
        PrismqError: Stdout cannot take it.
    """
    stream = _ANSWERS[-1] if _ANSWERS else sys.stdout
    try:
        click.echo(answer, file=stream)
    except OSError as error:
        if error.errno == errno.EPIPE:  # nobody reads it any more, which click ends quietly
            raise
        _discard(stream)
        raise PrismqError(
            f"stdout cannot take the answer ({error.strerror}); make room there, or send it somewhere else"
        ) from None


def tell_json(value: object, *, indent: int | None = 2) -> None:
    """Prints a value as JSON."""
    tell(json_text(value, indent=indent))


def json_text(value: object, *, indent: int | None = None) -> str:
    """A value as JSON: for people as it is written, in ASCII where stdout lacks one of its characters."""
    text = _STEERING.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=indent, ensure_ascii=False)
    )
    try:
        text.encode(getattr(_ANSWERS[-1] if _ANSWERS else sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def answer(value: object, lines: Iterable[str], *, as_json: bool, none: str = "") -> None:
    """Prints a value as JSON, or these lines of it for people.

    Args:
        none: What is noted for people where there is no line.
    """
    if as_json:
        tell_json(value)
        return
    shown = list(lines)
    for line in shown:
        tell(line)
    if none and not shown:
        note(none)


def fields(value: Mapping[str, Any]) -> Iterator[str]:
    """A line for each field that says something."""
    from prismq_worker_sdk.observe.logs import one_line

    for name, content in value.items():
        if content is not None:
            text = content if isinstance(content, str) else json_text(content)
            yield f"{name:<14}{one_line(text)}"


def note(text: str) -> None:
    """Prints a line beside the answer, on stderr."""
    click.echo(text, err=True)


@contextmanager
def only_answers() -> Iterator[None]:
    """While it lasts, stdout carries what `tell` prints only; all else goes to stderr.

    That holds for the descriptor, too: C code and programs that are started write to it. In a process that ends with
    its command it holds to its end.
    """
    with aside(for_good=bool(_OWNS_PROCESS)) as answers:
        _ANSWERS.append(answers)
        try:
            yield
        finally:
            _ANSWERS.pop()


def main_of_process(command: click.Command) -> int:
    """Runs a command with the arguments of this process, which ends soon after that; the exit code.

    After the answer nothing more goes to stdout.
    """
    _OWNS_PROCESS.append(True)
    return end_process(run_command(command, sys.argv[1:]))


def run_command(command: click.Command, arguments: list[str]) -> int:
    """Runs a command; the exit code: 0 done, 1 the server's fault, 2 wrong use, 130 interrupted.

    A traceback is shown with `--debug` (or DEBUG=1) only; with `--log-format json` the sentence is one JSON object.
    """
    for stream in (sys.stdout, sys.stderr):  # a character that an encoding lacks costs no answer
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = command.main(args=arguments, prog_name="prismq-worker", standalone_mode=False)
        _flush_logs()
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        return say(error.format_message(), arguments, code=error.exit_code)
    except PrismqError as error:
        ends = 2 if isinstance(error, UsageError) else 1
        return say(str(error), arguments, code=ends, error=error)
    except Exception as error:  # noqa: BLE001 - whatever it is, people get a sentence
        text = (
            f"unexpected {type(error).__name__}: {error}; run it again with --debug and report the traceback"
        )
        return say(text, arguments, code=1, error=error)
    return code if isinstance(code, int) else 0


def say(text: str, arguments: list[str], *, code: int = 0, error: Exception | None = None) -> int:
    """Writes one sentence to stderr, without the secrets that the logging knows; the exit code.

    Args:
        arguments: Of the whole command line: whether it wants JSON, and tracebacks.
        error: Whose traceback is shown when tracebacks are wanted.
    """
    from prismq_worker_sdk.decide.redaction import Redactor
    from prismq_worker_sdk.observe.console import ConsoleFormatter
    from prismq_worker_sdk.observe.logs import JsonFormatter

    _flush_logs()
    level = logging.CRITICAL if code else logging.WARNING
    record = logging.LogRecord("prismq", level, __file__, 0, text, None, None)
    if error is not None and wants_traceback(arguments):
        record.exc_info = type(error), error, error.__traceback__
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    ours = [one for one in formatters if isinstance(one, JsonFormatter | ConsoleFormatter)]
    in_use = ours[0] if ours else ConsoleFormatter(Redactor())
    clean, _fields, trace = in_use.parts(record)
    if isinstance(in_use, JsonFormatter) or _wants_json(arguments):
        record.msg, record.exc_info = clean, None
        fields = {"exit_code": code or None, "exception": trace or None}
        record.fields = {name: value for name, value in fields.items() if value is not None}
        note(JsonFormatter(Redactor(), "").format(record))
    else:
        note(f"{trace}\n" * bool(trace) + f"prismq-worker: {clean}")
    return code


def wants_traceback(arguments: list[str]) -> bool:
    """Whether tracebacks are wanted, by this command line, the environment or the config file."""
    return "--debug" in arguments or _configured("debug").lower() in ON


def end_process(code: int) -> int:
    """Lets this process end soon with this exit code, which it gives back; Python waits without limit."""
    with suppress(AttributeError, OSError, ValueError):  # there is no stdout, or nobody reads it any more
        sys.stdout.flush()
    joined = threading.Event()
    # called once the interpreter has joined the threads, before all other callbacks
    atexit.register(joined.set)

    def end() -> None:
        if joined.wait(LAST_MOMENT):
            time.sleep(LAST_CALLBACKS)
        os._exit(code)

    threading.Thread(target=end, name="prismq-end", daemon=True).start()
    return code


@contextmanager
def aside(*, for_good: bool = False) -> Iterator[TextIO]:
    """What is printed inside goes to stderr, by C code and programs too; gives the stdout of before.

    Args:
        for_good: Whether that holds after it, too.
    """
    before = sys.stdout
    with suppress(AttributeError, OSError, ValueError):
        before.flush()
    try:
        kept = os.dup(STDOUT)
    except OSError:  # the process was started without one
        with redirect_stdout(sys.stderr):
            yield before
        return
    with suppress(OSError):
        os.dup2(STDERR, STDOUT)
    answers = _stream(before, kept)
    sys.stdout = sys.stderr
    try:
        yield answers
    finally:
        with suppress(AttributeError, OSError, ValueError):
            before.flush()  # somebody may have written to it by another name
        if answers is not before:
            with suppress(OSError):
                answers.flush()
        if not for_good:
            sys.stdout = before
            os.dup2(kept, STDOUT)
        with suppress(OSError):
            os.close(kept)


def _stream(stdout: TextIO, kept: int) -> TextIO:
    """A stream of the descriptor that was kept; stdout itself where that is no stream of the descriptor 1."""
    with suppress(AttributeError, OSError, ValueError):
        if stdout.fileno() == STDOUT:
            return open(kept, "w", encoding=stdout.encoding, errors=stdout.errors, closefd=False)
    return stdout


def _discard(stream: TextIO) -> None:
    """Forgets what could not be written, which would be tried again at the end of the process."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def _flush_logs() -> None:
    """What was logged comes before what is said now, and before the prompt."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _wants_json(arguments: list[str]) -> bool:
    """Whether lines of stderr are JSON objects, by the command line, the environment or the config file."""
    line = " ".join(arguments).replace("=", " ")
    if "--log-format" in line:
        return "--log-format json" in line
    return _configured("log_format") == "json"


def _configured(name: str) -> str:
    from prismq_worker_sdk.settings import raw_value

    return str(raw_value(name))
