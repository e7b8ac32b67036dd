"""Whatever the code of a plugin raises is an answer about that plugin; Ctrl-C is not."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from prismq_worker_sdk.errors import Unavailable
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code


class Unusual(BaseException):
    """As other libraries have them."""


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("broken"), "ready() raised RuntimeError: broken"),
        (Unavailable("no child"), "ready() raised Unavailable: no child"),
        (SystemExit("no licence"), "ready() raised SystemExit: no licence"),
        (SystemExit(), "ready() raised SystemExit"),
        (KeyboardInterrupt(), "ready() raised KeyboardInterrupt"),
        (Unusual("odd"), "ready() raised Unusual: odd"),
        (UnspeakableError(), "ready() raised UnspeakableError: (it cannot be shown)"),
    ],
)
def test_what_is_raised_comes_out_as_one_kind_of_error_in_the_main_thread_and_in_others(
    error: BaseException, said: str
) -> None:
    told: list[str] = []

    def ask() -> None:
        with pytest.raises(PluginRaised) as raised, plugin_code("ready()"):
            raise error
        assert raised.value.__cause__ is error
        told.append(str(raised.value))

    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    place = f" (test_plugin_code.py:{ask.__code__.co_firstlineno + 2}, in ask)"
    assert told == [f"{said}{place * (not isinstance(error, Unavailable))}"] * 2


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_no_answer_of_a_plugin() -> None:
    with pytest.raises(KeyboardInterrupt), plugin_code("ready()"):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_a_handler_of_signals_that_a_plugin_sets_stays() -> None:
    with plugin_code("import"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_the_end_of_a_plugin_code_that_raises_nothing_says_nothing() -> None:
    with plugin_code("ready()"):
        assert sys.exc_info() == (None, None, None)


FORKS = """
import os
from prismq_worker_sdk.handlers.plugin_code import plugin_code
from prismq_worker_sdk.observe.bus import EventBus

forks = []
with plugin_code("ready()"):
    forks.append(os.fork())
EventBus([lambda event: forks.append(os.fork())]).emit(object())
print([os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) for fork in forks])
"""


def test_a_fork_that_comes_back_from_a_plugin_ends_there() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKS], check=False, capture_output=True, text=True, timeout=60
    )

    assert (run.stdout, run.stderr) == ("[70, 70]\n", "")
