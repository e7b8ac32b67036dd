"""What a context stands on in a child: the line to the worker, which has the attempt."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from prismq_worker_sdk.errors import OutboxError
from prismq_worker_sdk.handlers.handler import Handler
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.worker.context import CancelToken
from prismq_worker_sdk.worker.isolation.channel import Channel
from prismq_worker_sdk.worker.isolation.protocol import Cancel, Progressed, Run, StateUpdate, Store, Stored

QUIET = 0.05
"""Seconds between two words about progress: of those between them only the last one is sent."""


class ChildBackend:
    """Implements `context.ContextBackend` by asking the worker."""

    def __init__(self, channel: Channel, run: Run, handler: Handler, clock: Clock) -> None:
        self._channel = channel
        self._number = run.number
        self._clock = clock
        self._handler = handler
        self.token = CancelToken()
        self.task = run.task
        self.can = run.can
        self.checkpoint_text = run.checkpoint
        self.stopping = run.stopping
        self._limit_at = clock.monotonic() + run.time_left
        self._storing = threading.Lock()
        self._answer: Stored | None = None
        self._answered = threading.Event()
        self._progressing = threading.Lock()
        self._said_at = -QUIET
        self._unsaid: Progressed | None = None
        self._timer: threading.Timer | None = None

    @property
    def settings(self) -> Any:
        """The settings of the handler's plugin."""
        return self._handler.renewed().settings

    @property
    def time_left(self) -> float:
        """Seconds to the limit."""
        return self._limit_at - self._clock.monotonic()

    def progressed(self, percent: float, message: str) -> None:
        """Tells the worker now, or in a moment when it was told just now."""
        with self._progressing:
            self._unsaid = Progressed(percent, str(message))
            rest = self._said_at + QUIET - time.monotonic()
            if rest <= 0:
                self._say()
            elif self._timer is None:
                self._timer = threading.Timer(rest, self._later)
                self._timer.daemon = True
                self._timer.start()

    def store(self, checkpoint: str) -> None:
        """Returns once the worker has stored it.

        Raises:
            OutboxError: The worker could not.
        """
        with self._storing:
            self._answered.clear()
            self._channel.send(Store(checkpoint))
            self._answered.wait()
            answer = self._answer
        if answer is not None and answer.trouble is not None:
            raise OutboxError(answer.trouble)
        self.checkpoint_text = checkpoint

    def hear(self, message: Cancel | StateUpdate | Stored) -> None:
        """The worker said something about a run; one about an earlier run is dropped."""
        if message.number != self._number:
            return
        match message:
            case Cancel(reason=reason):
                self.token.cancel(reason)
            case StateUpdate(time_left=left, stopping=stopping):
                self._limit_at, self.stopping = self._clock.monotonic() + left, stopping
            case Stored(cancelled=reason):
                if reason is not None:
                    self.token.cancel(reason)
                self._answer = message
                self._answered.set()

    def close(self) -> None:
        """The handler has ended: what was not said about its progress is said now."""
        with self._progressing:
            if self._timer is not None:
                self._timer.cancel()
            self._say()

    def _later(self) -> None:
        with self._progressing:
            self._timer = None
            self._say()

    def _say(self) -> None:
        if self._unsaid is not None:
            word, self._unsaid, self._said_at = self._unsaid, None, time.monotonic()
            with suppress(OSError):
                self._channel.send(word)
