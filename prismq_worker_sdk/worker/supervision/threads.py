"""The threads of a worker that found its server: the three loops, the slots, and the watch on readiness."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from prismq_worker_sdk.decide.claims import lanes
from prismq_worker_sdk.worker.claim_loop import claim_loop
from prismq_worker_sdk.worker.commit_loop import commit_loop
from prismq_worker_sdk.worker.connections import Connects
from prismq_worker_sdk.worker.delivery_loop import Delivery, delivery_lane, delivery_loop
from prismq_worker_sdk.worker.driver import Loop, LoopThread, wake_all, wake_one
from prismq_worker_sdk.worker.lease_loop import lease_loop
from prismq_worker_sdk.worker.services import Services
from prismq_worker_sdk.worker.supervision.interpreter_watch import InterpreterWatch
from prismq_worker_sdk.worker.supervision.readiness import Readiness

LAST_JOIN = 0.5
"""Seconds given to the loops, and to teardown at the least, once the worker has stopped."""


class WorkerThreads:
    """Starts and ends the threads of one worker, and says how they do.

    Args:
        wake: Wakes whoever watches.
        owns_process: Whether what a process has only once may be used.
    """

    def __init__(
        self, services: Services, connections: Connects, wake: Callable[[], None], *, owns_process: bool
    ) -> None:
        def thread(name: str, loop: Loop) -> LoopThread:
            perform = connections.open(services.found)
            return LoopThread(name, loop, perform=perform, clock=services.clock, ended=wake)

        delivery = Delivery(services)
        more = range(1, lanes(services.can, services.config.concurrency))
        self._deliveries = [
            thread("delivery", delivery_loop(services, delivery)),
            *(thread(f"delivery {lane}", delivery_lane(delivery)) for lane in more),
        ]
        self._claims = [
            thread("claim", claim_loop(services)),
            *(thread(f"claim {lane}", claim_loop(services, lane)) for lane in more),
        ]
        self._lease = thread("lease", lease_loop(services))
        self._commit = thread("commit", commit_loop(services))
        self._readiness = Readiness(services)
        self._services = services
        self._watch = InterpreterWatch(services, stacks=owns_process)
        wakes = services.wakeups
        wakes.deliver = partial(wake_one, [one.waker for one in self._deliveries])
        wakes.claim = partial(wake_one, [one.waker for one in self._claims])
        wakes.lanes = partial(wake_all, [one.waker for one in (*self._deliveries, *self._claims)])
        wakes.lease, wakes.supervise = self._lease.waker.wake, wake
        wakes.commit = self._commit.waker.wake

    @property
    def claiming(self) -> bool:
        """Whether a claim may still be in flight."""
        return any(loop.alive for loop in self._claims)

    @property
    def delivering(self) -> bool:
        """Whether reports may still be sent."""
        return self._deliveries[0].alive

    def start(self) -> None:
        """Begins."""
        for loop in self._loops:
            loop.start()
        self._readiness.start()
        self._watch.start()

    def troubles(self) -> tuple[str, ...]:
        """Loops that died or hang (R31), one sentence each."""
        return tuple(trouble for loop in self._loops if (trouble := loop.trouble()) is not None)

    def end(self, seconds: float) -> None:
        """Waits for the loops, and tears the handlers down within the seconds that are left."""
        self._watch.stop()
        first = self._loops[:-1]
        for loop in first:
            loop.waker.wake()
        for loop in first:
            loop.join(LAST_JOIN / len(first))
        self._end_children(max(LAST_JOIN, seconds))
        self._services.shared.closed = True
        self._commit.waker.wake()
        self._commit.join(LAST_JOIN)
        self._readiness.stop(max(LAST_JOIN, seconds))

    def _end_children(self, seconds: float) -> None:
        """Ends the processes of handlers, and lets the slots that had to do with them commit what that means."""
        children, table = self._services.children, self._services.attempts
        if children is None:
            return
        children.close(seconds)
        give_up_at = time.monotonic() + LAST_JOIN
        while any(children.has(one.ref.task_type) for one in table.all()) and time.monotonic() < give_up_at:
            time.sleep(0.01)

    @property
    def _loops(self) -> tuple[LoopThread, ...]:
        """In the order of their ends: what finishes is stored till last."""
        return *self._deliveries, *self._claims, self._lease, self._commit
