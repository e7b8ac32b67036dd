"""Stdout carries only what was asked for, whatever plugins print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from typing import Protocol, TextIO

import click

__all__ = ["Tell", "escape_what_does_not_fit", "json_text", "only_answers", "prints_aside", "until_the_end"]

STDOUT, STDERR = 1, 2
_UNTIL_THE_END: list[bool] = []
_ANSWERS: list[TextIO] = []
"""Where answers go while stdout is set aside."""


def escape_what_does_not_fit() -> None:
    """From now on a character that the encoding of an output lacks is escaped there; it costs no answer."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def json_text(value: object, *, indent: int | None = 2) -> str:
    """A value as JSON: for people as it is written, in ASCII where stdout lacks one of its characters."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(getattr(_ANSWERS[-1] if _ANSWERS else sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def until_the_end() -> None:
    """This process ends with its command: after the answer nothing more goes to stdout."""
    _UNTIL_THE_END.append(True)


class Tell(Protocol):
    """Prints a line of what was asked for."""

    def __call__(self, message: str) -> None:
        """Prints it."""
        ...


@contextmanager
def only_answers() -> Iterator[Tell]:
    """Gives what prints to stdout; all else that is printed inside goes to stderr, and later where this process ends.

    That holds for the descriptor, too: C code and programs that are started write to it.
    """
    with _aside(for_good=bool(_UNTIL_THE_END)) as answers:
        _ANSWERS.append(answers)
        try:
            yield partial(click.echo, file=answers)
        finally:
            _ANSWERS.pop()


@contextmanager
def prints_aside() -> Iterator[None]:
    """What is printed inside goes to stderr, by C code and programs too; after it stdout is as before."""
    with _aside(for_good=False):
        yield


@contextmanager
def _aside(*, for_good: bool) -> Iterator[TextIO]:
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
