"""An exception is told in one sentence: what it is, where it was raised, and what caused it."""

import json

import pytest

from prismq_worker_sdk.compat import ExceptionGroup
from prismq_worker_sdk.decide import exceptions
from prismq_worker_sdk.decide.exceptions import (
    JOINED,
    MAX_ERROR_CHARS,
    Told,
    handler_trace,
    logged_trace,
    sentence,
    tell,
    told_elsewhere,
)
from prismq_worker_sdk.errors import Permanent, Transient, UnfitResult


def raised(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


def said(error):
    return sentence(tell(error), lambda text: text)


def line_of(function, more=1):
    return function.__code__.co_firstlineno + more


def fails(error):
    raise error


def asserts():
    assert not fails


def wraps(error, cause):
    try:
        raise cause
    except type(cause) as found:
        raise error from found


def handles(error, first):
    try:
        raise first
    except type(first):
        raise error  # noqa: B904 - left out on purpose


def parses():
    json.loads("{")


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("broken\nin two"), OSError(2, "no file", "a.txt")]
)
def test_an_unexpected_error_says_where_it_was_raised(error):
    assert said(raised(fails, error)) == (
        f"{type(error).__name__}: {error} (test_exceptions.py:{line_of(fails)}, in fails)"
    )


def test_an_error_without_words_is_named_with_its_place():
    assert said(raised(fails, TimeoutError())) == (
        f"TimeoutError (test_exceptions.py:{line_of(fails)}, in fails)"
    )
    assert f"(test_exceptions.py:{line_of(asserts)}, in asserts)" in said(raised(asserts))


def test_the_place_is_in_the_handler_and_not_in_the_library_that_it_called():
    assert said(raised(parses)).endswith(f" (test_exceptions.py:{line_of(parses)}, in parses)")


def test_an_error_that_came_from_nowhere_has_no_place():
    assert said(ValueError("made only")) == "ValueError: made only"


def test_the_cause_is_told():
    error = raised(wraps, RuntimeError("could not load"), FileNotFoundError(2, "no such file", "x.bin"))

    assert said(error) == (
        f"RuntimeError: could not load (test_exceptions.py:{line_of(wraps, 4)}, in wraps); "
        "caused by FileNotFoundError: [Errno 2] no such file: 'x.bin'"
    )


def test_what_was_being_handled_is_told_of_an_unexpected_error():
    error = raised(handles, KeyError("second"), ValueError("first"))

    assert said(error).endswith("; while handling ValueError: first")


def test_what_is_raised_on_purpose_has_its_words_and_its_named_cause_only():
    assert said(raised(fails, Permanent("gone"))) == "gone"
    assert said(raised(handles, Transient("busy"), ValueError("first"))) == "busy"
    assert said(raised(wraps, Transient("busy"), OSError("reset"))) == "busy; caused by OSError: reset"
    assert (
        said(raised(wraps, UnfitResult("too large"), OSError("reset")))
        == "too large; caused by OSError: reset"
    )


def test_a_cause_that_the_words_hold_already_is_not_said_twice():
    assert said(raised(wraps, Transient("no answer: reset by peer"), OSError("reset by peer"))) == (
        "no answer: reset by peer"
    )


def test_notes_are_told():
    error = ValueError("bad row")
    error.__notes__ = ["row 17", "of page 2"]

    assert said(error) == "ValueError: bad row; row 17; of page 2"


def test_the_parts_of_a_group_are_told():
    group = ExceptionGroup("two", [ValueError("first"), ExceptionGroup("more", [OSError("second")])])
    many = ExceptionGroup("many", [ValueError(str(number)) for number in range(9)])

    assert said(group) == "ExceptionGroup: two (2 sub-exceptions): ValueError: first; OSError: second"
    assert said(many).endswith("ValueError: 4; and 4 more")


def test_a_long_error_keeps_its_place_and_its_cause():
    error = raised(wraps, RuntimeError("x" * 100_000), ValueError("y" * 100_000))

    assert len(said(error)) < MAX_ERROR_CHARS + 100
    assert f"(test_exceptions.py:{line_of(wraps, 4)}, in wraps); caused by ValueError: yyy" in said(error)


def test_secrets_are_taken_out_of_every_part_before_it_is_cut(monkeypatch):
    error = raised(
        wraps, RuntimeError("key=abc"), ValueError(f"{'y' * (exceptions.LONGEST_PART - 30)}secret-abc")
    )

    assert "abc" not in sentence(tell(error), lambda text: text.replace("abc", "•"))


def test_a_ring_of_causes_ends():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first

    assert said(first).count("caused by") == exceptions.MOST_CAUSES - 1


class HostileError(Exception):
    @property
    def __notes__(self):
        raise ZeroDivisionError

    def __str__(self):
        raise ZeroDivisionError


def test_an_exception_that_cannot_be_looked_at_is_named():
    assert said(HostileError()) == "HostileError"


def test_an_exception_of_another_process_is_told_as_it_was_there():
    error = RuntimeError("x")
    told_elsewhere(error, Told("RuntimeError: x", (" (there.py:1, in far)",)))

    assert said(raised(fails, error)) == "RuntimeError: x (there.py:1, in far)"


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("/app/lib/python3.11/site-packages/my_plugin/tasks.py", "tasks.py:2, in deep"),
        ("/home/me/tasks.py", "tasks.py:2, in deep"),
    ],
)
def test_the_place_in_an_installed_plugin_is_its_own(file, place):
    names = {}
    library = "/app/lib/python3.11/site-packages/library/client.py"
    exec(compile("def call(): raise ValueError('x')", library, "exec"), names)
    exec(compile("def handle():\n def deep(): call()\n deep()", file, "exec"), names)

    error = raised(names["handle"])
    error.__traceback__ = error.__traceback__.tb_next  # a worker's own frames do not count
    assert said(error) == f"ValueError: x ({place})"


def frame(function, more=1, indent=""):
    return f'{indent}  File "{__file__}", line {line_of(function, more)}, in {function.__name__}\n'


def test_a_traceback_shows_causes_first_as_python_does():
    trace = handler_trace(raised(wraps, RuntimeError("could not load"), KeyError("x")))

    cause, error = trace.split(f"\n\n{JOINED['caused by']}\n\n")
    assert frame(wraps, 2) in cause
    assert cause.endswith("\nKeyError: 'x'")
    assert frame(wraps, 4) in error
    assert error.endswith("\nRuntimeError: could not load")


def test_a_part_of_a_group_is_told_with_its_place_and_shown_with_its_frames_and_causes():
    parts = [raised(fails, KeyError("x")), raised(wraps, OSError("gone"), ValueError("first"))]
    group = ExceptionGroup("two", [parts[0], ExceptionGroup("inner", [parts[1]])])
    trace = handler_trace(raised(fails, group))

    assert f"KeyError: 'x' (test_exceptions.py:{line_of(fails)}, in fails); OSError: gone (" in said(group)
    assert trace.startswith("Traceback (most recent call last):\n")
    before, parts = trace.split("ExceptionGroup: two (2 sub-exceptions)\n")
    assert frame(fails) in before
    assert all(line.startswith("  |") for line in parts.splitlines())
    assert frame(fails, indent="  | ") in parts
    assert f"  | ValueError: first\n  |\n  | {JOINED['caused by']}\n" in parts


def test_of_many_parts_some_are_shown_and_the_others_counted():
    many = ExceptionGroup("many", [ValueError(str(number)) for number in range(9)])

    assert handler_trace(many).splitlines()[-2:] == ["  | ValueError: 4", "  | and 4 more"]


def ping(depth):
    pong(depth - 1)


def pong(depth):
    if depth > 0:
        ping(depth)
    raise RuntimeError("x" * 100_000)


def test_a_traceback_is_bounded_in_frames_and_characters():
    trace = handler_trace(raised(ping, 200))

    assert trace.count(", in p") == exceptions.MOST_FRAMES
    assert len(trace) < exceptions.LONGEST_TRACE
    assert trace.endswith("characters)")


@pytest.mark.parametrize("beginning", range(exceptions.LONGEST_SHOWN - 60, exceptions.LONGEST_SHOWN))
def test_no_half_of_a_secret_is_left_where_words_are_cut(beginning):
    words = f"{'x' * beginning} secret-of-some-length {'y' * 100}"
    trace = logged_trace(
        raised(fails, RuntimeError(words)), lambda text: text.replace("secret-of-some-length", "•")
    )

    assert "secret" not in trace


def test_a_trace_that_is_too_long_begins_with_a_whole_line(monkeypatch):
    whole = handler_trace(raised(wraps, RuntimeError("second"), ValueError("first")))
    monkeypatch.setattr(exceptions, "LONGEST_TRACE", len(whole) - 5)

    assert (
        handler_trace(raised(wraps, RuntimeError("second"), ValueError("first"))) == whole.partition("\n")[2]
    )


@pytest.mark.parametrize("error", [Permanent("gone"), Transient("busy"), UnfitResult("too large")])
def test_what_is_raised_on_purpose_has_no_traceback(error):
    assert handler_trace(raised(fails, error)) == ""
