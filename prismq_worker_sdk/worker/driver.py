"""What a loop asks of the world, and the driver that runs a loop on a thread and does it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Notice
from prismq_worker_sdk.model.protocol import (
    ExchangeReply,
    ExchangeRequest,
    ExchangeResponse,
    ExtensionGone,
    Failure,
    Probe,
    ProbeReply,
    Rejected,
    ServerInfo,
)
from prismq_worker_sdk.model.told_status import ToldStatus
from prismq_worker_sdk.worker.own_status import own_status
from prismq_worker_sdk.worker.services import Services


@dataclass(frozen=True, slots=True)
class Call:
    """Talk to the server; the reply is its answer or a Failure, never an exception."""

    request: ExchangeRequest | Probe


@dataclass(frozen=True, slots=True)
class Wait:
    """Rest until something changes, or until the seconds are over (None: only a change ends it).

    Attributes:
        idle: Whether the loop would take on what comes; one that rests whatever comes is no reason to wake no other.
    """

    seconds: float | None
    idle: bool = True


Effect: TypeAlias = Call | Wait
Reply: TypeAlias = ProbeReply | ExchangeReply | None
Loop: TypeAlias = Generator[Effect, Reply, Any]


Perform = Callable[[ExchangeRequest | Probe], ServerInfo | ExchangeResponse | Failure]

UNKNOWN_PAUSE = 60.0
"""Seconds before a type that the server does not know is asked for again."""

STEP_LIMIT = 120.0
"""Seconds after which a step counts as stuck (R31): more than any call with all its requests may take."""


LONGEST_LOOK = 5.0
"""Seconds that one look adds to a step at most: while the process stood still, the step could not go on."""

LONGEST_SLEEP = 3600.0
"""Seconds; loops look again anyway, and no lock takes every number."""


def exchange(services: Services, request: ExchangeRequest) -> Generator[Effect, Reply, ExchangeReply]:
    """The reply to an exchange; the server's order is obeyed, a vanished extension is looked for again (R35, R40).

    Types that the server does not know are asked for again later: somebody may register them.
    """
    sent_at = services.clock.monotonic()
    waits = (
        request.claim is not None and request.claim.wait_seconds > 0
    )  # it would not, with something to say
    pauses = services.pauses.due(sent_at) if services.can.limits and not waits else ()
    status = _news(services, sent_at)
    reply = yield Call(replace(request, worker_id=services.worker_id, pauses=pauses, status=status))
    if reply is None or isinstance(reply, ServerInfo):
        raise TypeError(f"an exchange was answered with {reply!r}")
    if pauses:
        now = services.clock.monotonic()
        if isinstance(reply, ExchangeResponse | Rejected):
            services.pauses.told(pauses, now, sent_at)
        else:
            services.pauses.failed(now)
    if status is not None:
        services.status.heard(
            status if isinstance(reply, ExchangeResponse) else None, services.clock.monotonic()
        )
    if isinstance(reply, ExchangeResponse):
        if reply.command is not services.shared.command:
            services.apply_command(reply.command)
        if reply.unknown_types:
            _pause(services, reply.unknown_types)
    elif isinstance(reply, ExtensionGone):
        found = yield Call(Probe(within=request.within))
        if isinstance(found, ServerInfo):
            services.can = found.capabilities
            services.emit(Notice("warning", f"{reply.reason}; going on with what it has"))
    return reply


def _news(services: Services, now: float) -> ToldStatus | None:
    """What the server is to be told of this worker, None for nothing: looked at seldom, but at each call of a stop."""
    if not services.can.takes_status or (services.lifecycle.running and not services.status.looks(now)):
        return None
    return services.status.news(own_status(services, now), now)


def _pause(services: Services, unknown_types: Iterable[str]) -> None:
    now = services.clock.monotonic()
    # another loop's claim, under way at the same time, may have been told it too
    closed = services.availability.closed(now)
    reason = "the TaskManager does not know this type; register it (prismq-worker plugins --publish)"
    for name in unknown_types:
        if name not in closed:
            services.availability.pause(name, UNKNOWN_PAUSE, reason, now=now)


class Waker:
    """Wakes one sleeper; a wake-up that comes before the sleep is not lost.

    Attributes:
        wake: Something changed: look again.
        idle: Whether its sleeper rests, and would take on what comes.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.wake: Callable[[], None] = self._event.set
        self.idle = False

    def sleep(self, seconds: float | None, *, idle: bool = True) -> None:
        """Returns when woken, or when the seconds are over."""
        self.idle = idle
        self._event.wait(None if seconds is None else min(LONGEST_SLEEP, max(0.0, seconds)))
        self.idle = False
        self._event.clear()


class Sleeper(Protocol):
    """What sleeps until it is woken, as a `Waker` says."""

    idle: bool

    def wake(self) -> None:
        """Something changed: look again."""
        ...


def wake_all(sleepers: Sequence[Sleeper]) -> None:
    """Wakes each of them."""
    for one in sleepers:
        one.wake()


def wake_one(sleepers: Sequence[Sleeper]) -> None:
    """Tells loops that take on the same work of more: the first of them, or else one that is idle.

    Who takes something on wakes the next for what is left. The first looks again in any case: some things only it does.
    Where none is idle, one may be about to rest without having seen this, so all look again.
    """
    first, *others = sleepers
    enough = first.idle
    first.wake()
    if enough or not others:
        return
    for other in others:
        if other.idle:
            other.idle = False
            other.wake()
            return
    wake_all(others)


def drive(loop: Loop, perform: Perform, waker: Waker, watch: Callable[[Any], None] | None = None) -> Any:
    """Runs a loop to its end; what it returned.

    Args:
        watch: Is told each effect before it is carried out.
    """
    reply: Reply = None
    while True:
        try:
            effect = loop.send(reply)
        except StopIteration as end:
            return end.value
        if watch is not None:
            watch(effect)
        match effect:
            case Call(request=request):
                reply = perform(request)
            case Wait(seconds=seconds, idle=idle):
                waker.sleep(seconds, idle=idle)
                reply = None
        if watch is not None:
            watch(None)


def no_calls(request: ExchangeRequest | Probe) -> Failure:
    """For loops that only watch."""
    raise TypeError(f"this loop makes no calls, and made {request!r}")


class StepWatch:
    """Tells when one step of a loop takes too long (R31); it is told the loop's effects.

    A look adds little: while the process stood still, the step could not go on.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._busy_since: float | None = None
        self._looked_at = clock.monotonic()
        self._overdue: tuple[float | None, float] = (None, 0.0)

    def begin(self) -> None:
        """The loop begins."""
        self._busy_since = self._clock.monotonic()

    def mark(self, effect: object) -> None:
        """What the loop asks for, before it is carried out; None when it goes on."""
        self._busy_since = None if isinstance(effect, Wait) else self._clock.monotonic()

    def end(self) -> None:
        """The loop is over."""
        self._busy_since = None

    def trouble(self) -> str | None:
        """Why the worker must stop, None while no step is overdue."""
        now = self._clock.monotonic()
        since, looked_at, self._looked_at = self._busy_since, self._looked_at, now
        if since is None:
            self._overdue = (None, 0.0)
            return None
        step, seen = self._overdue
        seen = (seen if step == since else 0.0) + min(LONGEST_LOOK, max(0.0, now - max(since, looked_at)))
        self._overdue = (since, seen)
        return (
            f"the {self._name} loop hangs: one step took more than {STEP_LIMIT:.0f} s"
            if seen > STEP_LIMIT
            else None
        )


class LoopThread:
    """One loop on a thread of its own, watched from outside."""

    def __init__(
        self, name: str, loop: Loop, *, perform: Perform, clock: Clock, ended: Callable[[], None]
    ) -> None:
        self.name = name
        self.waker = Waker()
        self.error: BaseException | None = None
        self._loop = loop
        self._perform = perform
        self._ended = ended
        self._steps = StepWatch(name, clock)
        self._thread = threading.Thread(target=self._run, name=f"prismq-{name}", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._steps.begin()
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the loop has not ended yet."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Waits for the end."""
        self._thread.join(max(0.0, seconds))

    def trouble(self) -> str | None:
        """Why the worker must stop: the loop died, or a step of it is overdue (R31); None when all is well."""
        if self.error is not None:
            return f"the {self.name} loop died: {type(self.error).__name__}: {self.error}"
        return self._steps.trouble() if self.alive else None

    def _run(self) -> None:
        try:
            drive(self._loop, self._perform, self.waker, self._steps.mark)
        except BaseException as error:  # noqa: BLE001 - whatever ends a loop ends the worker, with its reason
            self.error = error
        finally:
            self._steps.end()
            self._ended()
