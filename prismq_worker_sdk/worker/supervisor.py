"""Starts the loops of a worker, watches them, and leads it from one phase to the next (R31, R36 to R38)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.shutdown import ExitCode, exit_code
from prismq_worker_sdk.errors import OutboxError, PrismqError
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.calls import Healthy
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import (
    ClaimEnded,
    End,
    Event,
    Notice,
    Phase,
    PhaseChanged,
    WorkerStarted,
    WorkerStopped,
)
from prismq_worker_sdk.model.outcome import Outcome
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.worker.attempt import Attempt
from prismq_worker_sdk.worker.claiming import claim_loop
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.connect import Connections
from prismq_worker_sdk.worker.contact import Contact
from prismq_worker_sdk.worker.delivering import delivery_loop
from prismq_worker_sdk.worker.driver import LoopThread, Waker, drive
from prismq_worker_sdk.worker.gate import Gate
from prismq_worker_sdk.worker.leasing import lease_loop
from prismq_worker_sdk.worker.ledger import Ledger
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.readiness import Readiness
from prismq_worker_sdk.worker.recovery import State
from prismq_worker_sdk.worker.running import run_attempt
from prismq_worker_sdk.worker.runtime import Runtime
from prismq_worker_sdk.worker.slots import Slot, SlotPool, ThreadSlot
from prismq_worker_sdk.worker.table import AttemptTable

__all__ = ["Supervisor"]

LOOK_EVERY = 1.0
"""Seconds between two looks at the loops (R31)."""

LAST_JOIN = 0.5
"""Seconds given to the loops to end once the worker has stopped."""


class Supervisor:
    """Leads one worker through its life, on a thread of its own."""

    def __init__(
        self,
        config: WorkerConfig,
        *,
        worker_id: str,
        registry: Registry,
        state: State,
        life: Lifecycle,
        clock: Clock,
        redactor: Redactor,
        emit: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._worker_id = worker_id
        self._registry = registry
        self._state = state
        self._life = life
        self._clock = clock
        self._redactor = redactor
        self._emit = emit
        self._dice = Random()
        self._waker = Waker()
        self._contact = Contact(clock, emit)
        self._ledger = Ledger()
        self._connections = Connections(config, emit)
        self._gate = Gate(registry.handlers, error_limit=config.max_consecutive_errors, emit=emit)
        self._readiness = Readiness(
            registry.handlers, self._gate, redactor=redactor, emit=emit, changed=self._types_changed
        )
        self._runtime: Runtime | None = None
        self._loops: tuple[LoopThread, ...] = ()
        self._done: Callable[[int], None] = lambda _code: None

    def start(self, done: Callable[[int], None]) -> None:
        """Begins; `done` is told the exit code."""
        self._done = done
        threading.Thread(target=self._run, name="prismq-supervisor", daemon=True).start()

    def wake(self) -> None:
        """Something changed: look again."""
        self._waker.wake()
        if self._runtime is not None:
            self._runtime.wakes.everybody()

    def health(self) -> Health:
        """Whether the worker lives and is ready, and why not."""
        dead = [trouble for loop in self._loops if (trouble := loop.trouble())]
        reasons = list(dead)
        if self._runtime is None:
            reasons.append("the server has not been found yet")
        if not self._life.running:
            reasons.append(f"it is {self._life.phase}")
        if (trouble := self._contact.trouble()) is not None:
            reasons.append(trouble)
        closed = self._gate.closed(self._clock.monotonic())
        reasons.extend(f"{name}: {why}" for name, why in closed.items())
        return Health(live=not dead, ready=not reasons, reasons=tuple(reasons))

    def _run(self) -> None:
        code: int = ExitCode.FAILED
        reason = ""
        try:
            found = self._find_server()
            if found is not None:
                self._begin(found)
                self._watch()
            code, reason = self._end()
        except PrismqError as error:
            reason = self._redactor.text(str(error))
            self._emit(Notice("error", reason))
        except BaseException as error:  # noqa: BLE001 - whatever happens, the caller learns that it is over
            reason = self._redactor.text(f"{type(error).__name__}: {error}")
            self._emit(Notice("error", f"the worker broke: {reason}"))
        finally:
            self._life.ask_stop(reason, grace=0.0, now=self._clock.monotonic())
            self._state.close()
            self._connections.close()
            self._emit(WorkerStopped(code, reason))
            self._done(code)

    def _find_server(self) -> Healthy | None:
        from prismq_worker_sdk.worker.startup import find_server

        loop = find_server(
            self._config, life=self._life, contact=self._contact, clock=self._clock, dice=self._dice
        )
        found = drive(loop, self._connections.probe(), self._waker)
        return found if isinstance(found, Healthy) else None

    def _begin(self, health: Healthy) -> None:
        server = normalise(self._config.api_url) + (f"#{health.instance}" if health.instance else "")
        runtime = Runtime(
            config=self._config,
            worker_id=self._worker_id,
            server=server,
            health=health,
            clock=self._clock,
            dice=self._dice,
            outbox=self._state.outbox,
            registry=self._registry,
            table=AttemptTable(),
            slots=SlotPool(self._config.concurrency, self._make_slot),
            gate=self._gate,
            life=self._life,
            contact=self._contact,
            ledger=self._ledger,
            redactor=self._redactor,
            emit=self._emit,
            free_bytes=self._state.free_bytes,
        )
        self._runtime = runtime
        recovered = self._recover(runtime)
        self._announce(health, recovered)
        loops = [
            LoopThread(
                name, loop, perform=self._connections.open(health), clock=self._clock, ended=self._waker.wake
            )
            for name, loop in (
                ("delivery", delivery_loop(runtime)),
                ("claim", claim_loop(runtime)),
                ("lease", lease_loop(runtime)),
            )
        ]
        self._loops = tuple(loops)
        runtime.wakes.deliver, runtime.wakes.claim, runtime.wakes.lease = (loop.waker.wake for loop in loops)
        runtime.wakes.supervise = self._waker.wake
        for loop in loops:
            loop.start()
        self._readiness.start()

    def _make_slot(self, number: int) -> Slot:
        return ThreadSlot(number, self._work, self._slot_done)

    def _work(self, attempt: Attempt) -> None:
        if self._runtime is not None:
            run_attempt(self._runtime, attempt)

    def _slot_done(self, slot: Slot, attempt: Attempt) -> None:
        runtime = self._runtime
        if runtime is None:
            return
        runtime.table.remove(attempt)
        runtime.gate.stopped(attempt.claim.task.type)
        runtime.slots.finished(slot, attempt)
        runtime.wakes.everybody()

    def _recover(self, runtime: Runtime) -> int:
        """Makes what earlier processes left whole; how many reports there are to send."""
        outbox = runtime.outbox
        ended: list[tuple[object, Outcome | None]] = []
        for identity, outcome in outbox.resolve_orphans(releases=runtime.health.capabilities.releases):
            ended.append((identity, outcome))
            fate = "is left to lapse on the server" if outcome is None else "is reported as failed"
            self._emit(
                Notice(
                    "warning",
                    f"task {identity.task_id} was cut off by a crash of an earlier worker; it {fate}",
                )
            )
        recovered = outbox.recover()
        self._ledger.recover(recovered)
        for task_type, (seconds, reason) in outbox.pauses().items():
            self._gate.pause(task_type, seconds, reason, now=self._clock.monotonic())
        for trouble in self._state.troubles:
            self._emit(Notice("error", trouble))
        return recovered

    def _announce(self, health: Healthy, recovered: int) -> None:
        config = self._config
        self._emit(
            WorkerStarted(
                worker_id=self._worker_id,
                api_url=config.api_url,
                dialect=health.dialect,
                task_types=self._registry.types,
                concurrency=config.concurrency,
                state_dir=str(self._state.instance.path),
                grace_seconds=config.grace_period,
                recovered=recovered,
            )
        )
        if config.worker_id and not health.capabilities.renews:
            self._emit(
                Notice(
                    "warning",
                    f"worker id {config.worker_id!r} was given by you; replicas that share it can complete each "
                    "other's tasks on this server, so give each its own or none",
                )
            )
        if not health.capabilities.renews:
            limit = duration.text(config.server_claim_timeout)
            self._emit(
                Notice(
                    "info",
                    f"this server cannot renew claims; handlers are held to its claim timeout, taken to be {limit} "
                    "(--server-claim-timeout)",
                )
            )

    def _watch(self) -> None:
        """Leads the worker from phase to phase until it has stopped."""
        while not self._life.stopped:
            self._ask_for_stop()
            self._advance()
            if not self._life.stopped:
                self._waker.sleep(self._next_look())

    def _next_look(self) -> float:
        plan = self._life.plan
        if plan is None:
            return LOOK_EVERY
        return min(LOOK_EVERY, max(0.0, plan.deadline - self._clock.monotonic()))

    def _ask_for_stop(self) -> None:
        """Stops the worker when it has done its runs, or cannot go on."""
        runtime = self._require()
        now = self._clock.monotonic()
        most = self._config.max_runs
        if most and runtime.ledger.ended >= most:
            self._stop(f"{most} tasks have ended (--max-runs)")
        dead = [trouble for loop in self._loops if (trouble := loop.trouble())]
        if dead:
            self._stop("; ".join(dead), failed=True)
        if (hopeless := runtime.gate.hopeless(now)) is not None:
            self._stop(f"every task type is paused by errors: {hopeless}", failed=True)
        if runtime.slots.all_lost:
            self._stop("every slot is lost to a handler that does not end")
        limit = self._config.unreachable_timeout
        if limit and self._contact.away_seconds() > limit:
            self._stop(f"the server has not answered for {duration.text(limit)}", failed=True)

    def _stop(self, reason: str, *, failed: bool = False) -> None:
        self._life.ask_stop(
            reason, grace=self._config.grace_period, now=self._clock.monotonic(), failed=failed
        )

    def _advance(self) -> None:
        runtime = self._require()
        if self._life.phase is Phase.DRAINING and not self._told_draining:
            self._told_draining = True
            self._tell(Phase.DRAINING)
            runtime.wakes.everybody()
        delivery, claim, _lease = self._loops
        busy = bool(runtime.table.live()) or claim.alive
        flushed = runtime.flushed or not delivery.alive
        while (
            phase := self._life.advance(now=self._clock.monotonic(), busy=busy, flushed=flushed)
        ) is not None:
            self._tell(phase)
            runtime.wakes.everybody()

    _told_draining = False

    def _tell(self, phase: Phase) -> None:
        plan = self._life.plan
        left = None if plan is None else max(0.0, plan.deadline - self._clock.monotonic())
        self._emit(PhaseChanged(phase, self._life.reason, left))

    def _end(self) -> tuple[int, str]:
        """Ends what is left, closes the books, and says how it went."""
        runtime = self._runtime
        if runtime is None:
            waiting = self._state.outbox.count("waiting")
            code = exit_code(failed=self._life.failed, balanced=True, waiting=waiting, strays=0)
            return code, f"{self._life.reason}; {_left(waiting, 0)}"
        runtime.wakes.everybody()
        for loop in self._loops:
            loop.join(LAST_JOIN)
        strays = self._let_lapse(runtime)
        plan = self._life.plan
        left = 0.0 if plan is None else plan.deadline - self._clock.monotonic()
        self._readiness.stop(max(LAST_JOIN, left))
        runtime.slots.close()
        waiting = runtime.outbox.count("waiting")
        accounts = runtime.ledger.accounts(waiting=waiting)
        faults = accounts.faults()
        for fault in faults:
            self._emit(Notice("error", f"the books are off: {fault}; please report this"))
        code = exit_code(failed=self._life.failed, balanced=not faults, waiting=waiting, strays=strays)
        return code, f"{self._life.reason}; {_left(waiting, strays)}"

    def _let_lapse(self, runtime: Runtime) -> int:
        """Gives up the claims of handlers that did not end; how many handlers that leaves, strays included."""
        left = runtime.table.all()
        for attempt in runtime.table.live():
            try:
                first = runtime.outbox.drop(attempt.claim.identity)
            except OutboxError as error:
                self._emit(Notice("error", str(error)))
                first = True
            if first:
                self._ledger.end(End.LAPSED)
                self._emit(ClaimEnded(attempt.ref, End.LAPSED, "its handler did not end in time"))
        return len(left)

    def _types_changed(self) -> None:
        if self._runtime is not None:
            self._runtime.wakes.claim()

    def _require(self) -> Runtime:
        if self._runtime is None:
            raise RuntimeError("the loops run only after the server was found")
        return self._runtime


def _left(waiting: int, strays: int) -> str:
    if not waiting and not strays:
        return "nothing is left"
    return f"{waiting} reports and {strays} handlers are left: start me again on this state folder to deliver the reports"
