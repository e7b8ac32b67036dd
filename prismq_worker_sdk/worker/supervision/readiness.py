"""Keeps asking the handlers whether they can work, and sets them up once they can."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from prismq_worker_sdk.decide.exceptions import logged_trace
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.worker.services import Services

LOOK_EVERY = 15.0
"""Seconds between two questions to a handler's `ready()`."""


class Readiness:
    """Asks on a thread of its own, so that a slow `ready()` or `setup()` hurts only its own type."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._set_up: list[Handler] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(handler,), name=f"prismq-ready-{number}", daemon=True)
            for number, handler in enumerate(self._handlers())
        ]

    def _handlers(self) -> Iterable[Handler]:
        """The handlers as they are asked in this process."""
        handlers, children = self._services.registry.handlers, self._services.children
        return handlers if children is None else map(children.for_readiness, handlers)

    def start(self) -> None:
        """Begins to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Asks no more, and tears down what was set up; waits at most so long."""
        self._stop.set()
        thread = threading.Thread(target=self._tear_down, name="prismq-teardown", daemon=True)
        thread.start()
        thread.join(max(0.0, seconds))

    def _watch(self, handler: Handler) -> None:
        services, is_set_up = self._services, False
        while not self._stop.is_set():
            unready, trace = self._ask(handler.unready, "ready")
            if unready is None and not is_set_up:
                unready, trace = self._ask(handler.setup, "setup")
                is_set_up = unready is None
                if is_set_up:
                    self._set_up.append(handler)
            if unready is not None and not services.lifecycle.running:
                return  # what a stop has broken says nothing of the type, and nothing more is claimed
            services.availability.set_ready(handler.task_type, unready, trace)
            # the type may be claimed now, or no more: a claim that waits may have to ask anew
            services.wakeups.claim()
            services.wakeups.deliver()
            self._stop.wait(LOOK_EVERY)

    def _ask(
        self, question: Callable[[], str | None] | Callable[[], None], name: str
    ) -> tuple[str | None, str]:
        """What the handler answers, and the traceback where it raised instead."""
        redact = self._services.redactor.text
        try:
            with plugin_code(f"{name}()"):
                answer = question()
                return (None if answer is None else redact(str(answer))), ""
        except PluginRaised as error:
            return redact(str(error)), logged_trace(error.__cause__, redact)

    def _tear_down(self) -> None:
        for handler in reversed(self._set_up):
            trouble, _trace = self._ask(handler.teardown, "teardown")
            if trouble is not None:
                self._services.emit(Notice("warning", f"{handler.task_type}: {trouble}"))
