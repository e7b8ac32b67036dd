"""The one guard around every call into a plugin: whatever is raised there is an answer about that plugin."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from prismq_worker_sdk.decide.exceptions import is_unexpected, tell
from prismq_worker_sdk.processes import end_fork_of


class PluginRaised(Exception):  # noqa: N818 - it is the plugin's
    """The code of a plugin raised something; the text says what, its cause is it."""


@contextmanager
def plugin_code(name: str) -> Iterator[None]:
    """Around the code of a plugin: sys.exit() and other exceptions that are no Exception come out as one, too.

    A fork that comes back from it ends there.

    Args:
        name: What is called, such as `ready()`.

    Raises:
        PluginRaised: `ready() raised SystemExit: no licence`.
        KeyboardInterrupt: Somebody pressed Ctrl-C.
    """
    process = os.getpid()
    with _ctrl_c() as pressed:
        try:
            yield
        except BaseException as error:
            if pressed:
                raise
            told = tell(error)
            kind = "" if is_unexpected(error) else f"{type(error).__name__}: "
            raise PluginRaised(f"{name} raised {kind}{told.main}{''.join(told.more)}") from error
        finally:
            end_fork_of(process)


@contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """Fills the list when somebody presses Ctrl-C meanwhile, which code alone cannot be told from."""
    pressed: list[int] = []

    def press(number: int, _frame: Any) -> NoReturn:
        pressed.append(number)
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        if signal.getsignal(signal.SIGINT) is press:
            signal.signal(signal.SIGINT, signal.default_int_handler)
