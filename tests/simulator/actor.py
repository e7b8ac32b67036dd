"""One loop of a simulated process: stepped by simulated time, woken as a thread would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from prismq_worker_sdk.model.protocol import ExchangeRequest, Probe
from prismq_worker_sdk.worker.driver import Call, Loop, Reply, Wait


class Crashed(BaseException):
    """The process that this code belongs to has just ended."""


class Stage(Protocol):
    """What a loop is stepped by."""

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        ...

    def stepped(self) -> None:
        """A step was made; raises Crashed when the process ends here."""
        ...

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Does it in so many seconds of this process."""
        ...

    def perform(self, request: ExchangeRequest | Probe, receive: Callable[[Reply], None]) -> None:
        """Performs a call; the reply is received later."""
        ...


class Actor:
    """Drives one loop; like `worker.driver.drive`, but on simulated time.

    Attributes:
        error: What the loop died of.
        idle: Whether it rests, and would take on what comes.
        result: What it returned.
    """

    def __init__(self, name: str, loop: Loop, stage: Stage, ended: Callable[[], None]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.result: Any = None
        self.alive = True
        self._loop = loop
        self._stage = stage
        self._ended = ended
        self._woken = False
        self._sleep = 0
        self._asleep = False
        self.idle = False

    def start(self) -> None:
        """Begins."""
        self._stage.later(0.0, lambda: self._go(None))

    def wake(self) -> None:
        """Something changed: look again; one that comes before the sleep is not lost."""
        if self._asleep:
            self._asleep = self.idle = False
            self._stage.later(0.0, lambda: self._go(None))
        else:
            self._woken = True

    def _go(self, reply: Reply) -> None:
        if self._stage.dead or not self.alive:
            return
        try:
            effect = self._loop.send(reply)
            self._stage.stepped()
        except Crashed:
            return
        except StopIteration as end:
            self.result = end.value
            self._end()
            return
        except Exception as error:
            self.error = error
            self._end()
            return
        match effect:
            case Call(request=request):
                self._stage.perform(request, self._go)
            case Wait(seconds=seconds, idle=idle):
                self._rest(seconds, idle=idle)

    def _rest(self, seconds: float | None, *, idle: bool) -> None:
        self._sleep += 1
        sleep = self._sleep
        if self._woken:
            self._woken = False
            self._stage.later(0.0, lambda: self._go(None))
            return
        self._asleep, self.idle = True, idle
        if seconds is not None:
            self._stage.later(max(0.0, seconds), lambda: self._overslept(sleep))

    def _overslept(self, sleep: int) -> None:
        if self._asleep and sleep == self._sleep:
            self._asleep = self.idle = False
            self._go(None)

    def _end(self) -> None:
        self.alive = False
        self._ended()
