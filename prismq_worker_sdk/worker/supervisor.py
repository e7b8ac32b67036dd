"""Leads one worker through its life: finds the server, starts the threads, closes the books."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from prismq_worker_sdk.decide.redaction import Redactor
from prismq_worker_sdk.decide.shutdown import ExitCode, grace_of
from prismq_worker_sdk.errors import PrismqError, SettingsError
from prismq_worker_sdk.handlers.registry import Registry
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.clock import Clock
from prismq_worker_sdk.model.events import Emit, Notice, WorkerStarted, WorkerStopped
from prismq_worker_sdk.model.protocol import ServerInfo, WorkerCommand
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.worker.accounting import Ledger
from prismq_worker_sdk.worker.attempt import Attempt, AttemptTable
from prismq_worker_sdk.worker.availability import Gate
from prismq_worker_sdk.worker.closing import close_books, never_begun
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.connections import Connections, Connects, server_identity
from prismq_worker_sdk.worker.driver import Waker, drive, no_calls
from prismq_worker_sdk.worker.isolation.pool import child_pool
from prismq_worker_sdk.worker.lifecycle import Lifecycle
from prismq_worker_sdk.worker.recovery import State, recover
from prismq_worker_sdk.worker.server_status import Contact
from prismq_worker_sdk.worker.services import Runtime
from prismq_worker_sdk.worker.slots import SlotPool, SlotThreads
from prismq_worker_sdk.worker.startup import find_server, search
from prismq_worker_sdk.worker.supervise_loop import ask_stop, seconds_left, supervise
from prismq_worker_sdk.worker.task_path import run
from prismq_worker_sdk.worker.threads import Crew


def announce(runtime: Runtime, *, state_dir: str, recovered: int) -> None:
    """Tells who works where, and what this server makes of it.

    Args:
        recovered: Reports of earlier processes in the outbox.
    """
    config, can = runtime.config, runtime.health.capabilities
    runtime.emit(
        WorkerStarted(
            worker_id=runtime.worker_id,
            api_url=config.api_url,
            dialect=runtime.health.dialect,
            task_types=runtime.registry.types,
            concurrency=config.concurrency,
            state_dir=state_dir,
            grace_seconds=config.grace_period,
            recovered=recovered,
            parked=runtime.parked,
        )
    )
    if config.worker_id and not can.fences:
        runtime.emit(
            Notice(
                "warning",
                f"worker id {config.worker_id!r} was given by you; replicas that share it can complete each "
                "other's tasks on this server, so give each its own or none",
            )
        )
    if config.claim_order is not None and not can.orders_claims:
        text = f"--claim-order {config.claim_order} has no effect on this server: it chooses the order of tasks itself"
        runtime.emit(Notice("warning", text))
    if not can.renews:
        limit = duration.text(config.server_claim_timeout)
        runtime.emit(
            Notice(
                "info",
                f"this server cannot renew claims; handlers are held to its claim timeout, taken to be {limit} "
                "(--server-claim-timeout)",
            )
        )


class Supervisor:
    """Leads one worker through its life, on a thread of its own.

    Args:
        connections: How it reaches its server, over HTTP unless given.
    """

    def __init__(
        self,
        config: WorkerConfig,
        *,
        worker_id: str,
        registry: Registry,
        clock: Clock,
        redactor: Redactor,
        emit: Emit,
        connections: Connects | None = None,
    ) -> None:
        self._config = config
        self._worker_id = worker_id
        self._registry = registry
        self._clock = clock
        self._redactor = redactor
        self._emit = emit
        self._dice = Random()  # noqa: S311 - for jitter only
        self._life = Lifecycle()
        self._waker = Waker()
        self._contact = Contact(clock, emit)
        self._children = child_pool(registry.handlers, config)
        self._connections: Connects = connections or Connections(config, emit)
        self._gate = Gate(registry.handlers, error_limit=config.max_consecutive_errors, emit=emit)
        self._runtime: Runtime | None = None
        self._threads = SlotThreads(self._work)
        self._crew: Crew | None = None
        self._owns_process = False

    def start(self, state: State, done: Callable[[int], None], *, owns_process: bool) -> None:
        """Begins; `done` is told the exit code."""
        self._owns_process = owns_process
        threading.Thread(target=self._run, args=(state, done), name="prismq-supervisor", daemon=True).start()

    def ask_stop(self, reason: str, grace: float | None = None) -> None:
        """Begins the stop; asked once more, its deadline can only come nearer.

        Args:
            grace: Seconds to the exit, the setting unless given; a second signal says 0.
        """
        seconds = self._config.grace_period if grace is None else grace
        ask_stop(self._life, self._clock, self._emit, reason, grace=seconds)
        self._wake()

    def signalled(self, name: str) -> None:
        """A stop signal came; a second one sets the deadline to now (R36)."""
        self.ask_stop(f"{name} received", grace_of(name, running=self._life.running))

    def health(self) -> Health:
        """Whether the worker lives and is ready, and why not."""
        dead = () if self._crew is None else self._crew.troubles()
        reasons = list(dead)
        if self._runtime is None:
            reasons.append("the server has not been found yet")
        elif (disk := self._runtime.disk_trouble or self._runtime.outbox.trouble) is not None:
            reasons.append(disk)
        if self._runtime is not None and self._runtime.command is WorkerCommand.QUIET:
            reasons.append("the server wants this worker quiet")
        if not self._life.running:
            reasons.append(f"it is {self._life.phase}")
        if (trouble := self._contact.trouble()) is not None:
            reasons.append(trouble)
        closed = self._gate.closed(self._clock.monotonic())
        reasons.extend(f"{name}: {why}" for name, why in closed.items())
        parked = 0 if self._runtime is None else self._runtime.parked + self._runtime.ledger.parked
        return Health(live=not dead, ready=not reasons, reasons=tuple(reasons), parked=parked)

    def _run(self, state: State, done: Callable[[int], None]) -> None:
        code: int = ExitCode.FAILED
        reason = ""
        try:
            code, reason = self._lead(state)
        except PrismqError as error:
            code = ExitCode.USAGE if isinstance(error, SettingsError) else ExitCode.FAILED
            reason = self._redactor.text(str(error))
        except BaseException as error:  # noqa: BLE001 - whatever happens, the caller learns that it is over
            reason = self._redactor.text(f"the worker broke: {type(error).__name__}: {error}")
        finally:
            self._life.ask_stop(reason, grace=0.0, now=self._clock.monotonic())
            if self._children is not None:
                self._children.close(0.0)
            state.close()
            self._connections.close()
            self._emit(WorkerStopped(code, reason))
            done(code)

    def _lead(self, state: State) -> tuple[int, str]:
        """The whole life, from finding the server to closing the books; the exit code and its reason."""
        for said in state.found:
            self._emit(said)
        found = self._find_server(waiting=state.outbox.count("waiting") > 0)
        if found is None:
            return never_begun(self._life, state.outbox, elsewhere=state.left_elsewhere())
        runtime = self._runtime = self._share(found, state)
        recovered = recover(runtime, state.troubles)
        announce(runtime, state_dir=str(state.instance.path), recovered=recovered)
        crew = self._crew = Crew(
            runtime, self._connections, self._waker.wake, owns_process=self._owns_process
        )
        crew.start()
        drive(supervise(runtime, crew), no_calls, self._waker)
        crew.end(seconds_left(self._life, self._clock, 0.0))
        self._threads.close()
        return close_books(runtime, elsewhere=state.left_elsewhere())

    def _find_server(self, *, waiting: bool) -> ServerInfo | None:
        loop = find_server(
            self._config, life=self._life, contact=self._contact, clock=self._clock, dice=self._dice
        )
        probe = self._connections.probe()
        return search(loop, probe, life=self._life, clock=self._clock, waker=self._waker, waiting=waiting)

    def _share(self, health: ServerInfo, state: State) -> Runtime:
        server = server_identity(self._config, health)
        runtime = Runtime(
            config=self._config,
            worker_id=self._worker_id,
            server=server,
            health=health,
            clock=self._clock,
            dice=self._dice,
            outbox=state.outbox.of(server),
            registry=self._registry,
            table=AttemptTable(),
            slots=SlotPool(self._config.concurrency, self._threads.begin),
            gate=self._gate,
            life=self._life,
            contact=self._contact,
            ledger=Ledger(),
            redactor=self._redactor,
            emit=self._emit,
            free_bytes=state.free_bytes,
            stored_bytes=state.stored_bytes,
            log_bytes=state.log_bytes,
            empty_log=state.empty_log,
            children=self._children,
        )
        if self._children is not None:
            self._children.start(lock=state.instance.lock.descriptor)
        return runtime

    def _work(self, attempt: Attempt) -> None:
        if self._runtime is not None:
            run(self._runtime, attempt)

    def _wake(self) -> None:
        self._waker.wake()
        if self._runtime is not None:
            self._runtime.wakes.everybody()
