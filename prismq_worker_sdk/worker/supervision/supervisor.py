"""Leads one worker through its life: finds the server, starts the threads, closes the books (R37, R38)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from prismq_worker_sdk.decide.shutdown import ExitCode, exit_code, grace_of
from prismq_worker_sdk.errors import OutboxError, PrismqError, SettingsError
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.events import Notice, WorkerStarted, WorkerStopped
from prismq_worker_sdk.model.protocol import ServerInfo, WorkerCommand
from prismq_worker_sdk.model.report import Settlement
from prismq_worker_sdk.observe.health import Health
from prismq_worker_sdk.observe.readings import Readings
from prismq_worker_sdk.observe.status import WorkerStatus
from prismq_worker_sdk.outbox.outbox import Outbox
from prismq_worker_sdk.sd_notify import ServiceManager, service_manager
from prismq_worker_sdk.version import __version__
from prismq_worker_sdk.wire.address import exposure
from prismq_worker_sdk.worker.commit_loop import count_and_tell, end_claims, lapsed
from prismq_worker_sdk.worker.config import WorkerConfig
from prismq_worker_sdk.worker.connections import Connections, Connects
from prismq_worker_sdk.worker.driver import StepWatch, Waker, drive, no_calls
from prismq_worker_sdk.worker.handler_run import run
from prismq_worker_sdk.worker.services import Children, Environment, Services, build
from prismq_worker_sdk.worker.shared import Lifecycle
from prismq_worker_sdk.worker.slots import SlotPool, SlotThreads
from prismq_worker_sdk.worker.supervision.read import MetricsReader
from prismq_worker_sdk.worker.supervision.recovery import State, recover
from prismq_worker_sdk.worker.supervision.service_notices import ServiceNotices
from prismq_worker_sdk.worker.supervision.startup import find_server, search
from prismq_worker_sdk.worker.supervision.supervise_loop import ask_stop, seconds_left, supervise
from prismq_worker_sdk.worker.supervision.threads import WorkerThreads

FLEET = "limits are counted by the server, for the whole fleet"
ALONE = "limits hold for this worker alone: this server counts none"


def _limits(services: Services) -> str:
    """For whom limits of its types hold, "" where they have none."""
    limited = [one for one in services.registry.handlers if one.limits]
    if limited and services.can.limits:
        return FLEET
    own = [
        one for one in services.registry.handlers if one.rate is not None or one.max_concurrent is not None
    ]
    return ALONE if limited or (own and not services.can.limits) else ""


def announce(services: Services, *, state_dir: str, recovered: int) -> None:
    """Tells who works where, and what this server makes of it.

    Args:
        recovered: Reports of earlier processes in the outbox.
    """
    config, can = services.config, services.can
    services.emit(
        WorkerStarted(
            worker_id=services.worker_id,
            api_url=config.api_url,
            dialect=services.found.dialect,
            task_types=services.registry.types,
            concurrency=config.concurrency,
            state_dir=state_dir,
            grace_seconds=config.grace_period,
            recovered=recovered,
            parked=services.shared.parked,
            limits=_limits(services),
        )
    )
    if (exposed := exposure(config.api_url, has_key=_has_key(config))) is not None:
        services.emit(Notice("warning", exposed))
    if config.worker_id and not can.fences:
        services.emit(
            Notice(
                "warning",
                f"worker id {config.worker_id!r} was given by you; replicas that share it can complete each "
                "other's tasks on this server, so give each its own or none",
            )
        )
    if config.claim_order is not None and not can.orders_claims:
        text = f"--claim-order {config.claim_order} has no effect on this server: it chooses the order of tasks itself"
        services.emit(Notice("warning", text))
    if not can.renews:
        limit = duration.text(config.server_claim_timeout)
        services.emit(
            Notice(
                "info",
                f"this server cannot renew claims; handlers are held to its claim timeout, taken to be {limit} "
                "(--server-claim-timeout)",
            )
        )


def _has_key(config: WorkerConfig) -> bool:
    try:
        return config.key() is not None
    except SettingsError:  # its file is away just now
        return True


class Supervisor:
    """Leads one worker through its life, on a thread of its own.

    Args:
        connections: How it reaches its server, over HTTP unless given.
    """

    def __init__(self, here: Environment, connections: Connects | None = None) -> None:
        self._here = here
        self._waker = Waker()
        self._steps = StepWatch("supervising", here.clock)
        self._children = _processes(here)
        self._connections: Connects = connections or Connections(here.config, here.emit)
        self._services: Services | None = None
        self._reader: MetricsReader | None = None
        self._slot_threads = SlotThreads()
        self._threads: WorkerThreads | None = None
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
        seconds = self._here.config.grace_period if grace is None else grace
        ask_stop(self._here, reason, grace=seconds)
        self._wake()

    def signalled(self, name: str) -> None:
        """A stop signal came; a second one sets the deadline to now (R36)."""
        self.ask_stop(f"{name} received", grace_of(name, running=self._here.lifecycle.running))

    def health(self) -> Health:
        """Whether the worker lives and is ready, and why not."""
        dead = [] if self._threads is None else [*self._threads.troubles()]
        if (hangs := self._steps.trouble()) is not None:
            dead.append(hangs)
        reasons = list(dead)
        if self._services is None:
            reasons.append("the server has not been found yet")
        elif (
            disk := self._services.shared.disk_trouble or self._services.outbox.transactions.trouble
        ) is not None:
            reasons.append(disk)
        if self._services is not None and self._services.shared.command is WorkerCommand.QUIET:
            reasons.append("the server wants this worker quiet")
        if not self._here.lifecycle.running:
            reasons.append(f"it is {self._here.lifecycle.phase}")
        if (trouble := self._here.server_status.trouble()) is not None:
            reasons.append(trouble)
        closed = self._here.availability.closed(self._here.clock.monotonic())
        reasons.extend(f"{name}: {why}" for name, why in closed.items())
        parked = 0 if self._services is None else _parked(self._services)
        return Health(live=not dead, ready=not reasons, reasons=tuple(reasons), parked=parked)

    def status(self) -> WorkerStatus:
        """What the worker does now, task by task."""
        here, services = self._here, self._services
        now = here.clock.monotonic()
        attempts = () if services is None else services.attempts.all()
        found = (attempt.status(now) for attempt in attempts)
        return WorkerStatus(
            worker_id=here.worker_id,
            version=__version__,
            server=here.config.api_url,
            phase=str(here.lifecycle.phase),
            health=self.health(),
            slots=here.config.concurrency,
            lost=0 if services is None else services.slots.lost,
            running=tuple(task for task in found if task is not None),
            paused=here.availability.pauses(now),
            waiting=0 if services is None else services.accounting.waiting,
        )

    def readings(self) -> Readings:
        """The same and more, for its metrics."""
        status, reader = self.status(), self._reader
        return Readings(status=status) if reader is None else reader.read(status)

    def _run(self, state: State, done: Callable[[int], None]) -> None:
        code: int = ExitCode.FAILED
        reason = ""
        try:
            code, reason = self._lead(state)
        except PrismqError as error:
            code = ExitCode.USAGE if isinstance(error, SettingsError) else ExitCode.FAILED
            reason = self._here.redactor.text(str(error))
        except BaseException as error:  # noqa: BLE001 - whatever happens, the caller learns that it is over
            reason = self._here.redactor.text(f"the worker broke: {type(error).__name__}: {error}")
        finally:
            self._here.lifecycle.ask_stop(reason, grace=0.0, now=self._here.clock.monotonic())
            if self._children is not None:
                self._children.close(0.0)
            state.close()
            self._connections.close()
            self._here.emit(WorkerStopped(code, reason))
            done(code)

    def _lead(self, state: State) -> tuple[int, str]:
        """The whole life, from finding the server to closing the books; the exit code and its reason."""
        for said in state.found:
            self._here.emit(said)
        manager = service_manager() if self._owns_process else ServiceManager()
        notices = ServiceNotices(manager, self._here, self.status)
        notices.searching()
        found = self._find_server(waiting=state.outbox.count("waiting") > 0)
        if found is None:
            return never_begun(self._here.lifecycle, state.outbox, elsewhere=state.left_elsewhere())
        services = self._services = self._build(found, state)
        self._reader = MetricsReader(services)
        recovered = recover(services, state.troubles)
        announce(services, state_dir=str(state.instance.path), recovered=recovered)
        threads = self._threads = WorkerThreads(
            services, self._connections, self._waker.wake, owns_process=self._owns_process
        )
        threads.start()

        def watch(effect: object) -> None:
            self._steps.mark(effect)
            notices.look(effect)

        self._steps.begin()
        drive(supervise(services, threads), no_calls, self._waker, watch)
        self._steps.end()
        threads.end(seconds_left(self._here, 0.0))
        self._slot_threads.close()
        return close_books(services, elsewhere=state.left_elsewhere())

    def _find_server(self, *, waiting: bool) -> ServerInfo | None:
        probe = self._connections.probe()
        return search(self._here, find_server(self._here), probe, waker=self._waker, waiting=waiting)

    def _build(self, found: ServerInfo, state: State) -> Services:
        slots = SlotPool(
            self._here.config.concurrency, self._slot_threads.begin, self._here.registry.handlers
        )
        services = build(
            self._here, found, state.outbox, disk=state.disk, slots=slots, children=self._children
        )
        self._slot_threads.work = partial(run, services)
        if self._children is not None:
            self._children.start(lock=state.instance.lock.descriptor)
        return services

    def _wake(self) -> None:
        self._waker.wake()
        if self._services is not None:
            self._services.wakeups.notify_all()


def _processes(here: Environment) -> Children | None:
    """The processes of the handlers that want their own, None when all run in threads.

    Raises:
        PluginError: A fresh process would not find a handler, or its settings cannot be taken there.
    """
    config = here.config
    apart = [one for one in here.registry.handlers if (one.isolation or config.isolation) == "process"]
    if not apart:
        return None
    from prismq_worker_sdk.worker.isolation.call import HandlerProcesses

    return HandlerProcesses(apart, size=config.concurrency)


def never_begun(life: Lifecycle, outbox: Outbox, *, elsewhere: int = 0) -> tuple[int, str]:
    """The exit code and the reason of a worker that was stopped before it found its server.

    Args:
        elsewhere: Reports of dead workers that could not be taken over.
    """
    waiting = outbox.count("waiting")
    code = exit_code(failed=life.failed, balanced=True, waiting=waiting + elsewhere, strays=0)
    return code, f"{life.reason}; {left_behind(waiting, 0, elsewhere)}"


def close_books(services: Services, *, elsewhere: int = 0) -> tuple[int, str]:
    """The exit code and the reason of a worker whose loops have ended.

    Args:
        elsewhere: Reports of dead workers that could not be taken over.
    """
    strays = _let_lapse(services)
    waiting = services.outbox.count("waiting")
    faults = services.accounting.faults(waiting=waiting)
    for fault in faults:
        services.emit(Notice("error", f"the books are off: {fault}; please report this"))
    code = exit_code(
        failed=services.lifecycle.failed, balanced=not faults, waiting=waiting + elsewhere, strays=strays
    )
    left = left_behind(waiting, strays, elsewhere)
    return code, f"{services.lifecycle.reason}; {left}{_kept(_parked(services))}"


def left_behind(waiting: int, strays: int, elsewhere: int) -> str:
    """What is left, for people."""
    total = waiting + strays + elsewhere
    if not total:
        return "nothing is left"
    parts = [
        _count(waiting, "report"),
        _count(strays, "handler"),
        _count(elsewhere, "report", " of a dead worker"),
    ]
    left = " and ".join(part for part in parts if part)
    verb = "is" if total == 1 else "are"
    return f"{left} {verb} left: start me again on this state folder"


def _parked(services: Services) -> int:
    """Reports that are parked here, those included that earlier processes have left."""
    return services.shared.parked + services.accounting.settled[Settlement.PARKED]


def _kept(parked: int) -> str:
    """What only an operator can deal with."""
    what = f"{parked} report is" if parked == 1 else f"{parked} reports are"
    return f"; {what} parked: see prismq-worker outbox list --state parked" if parked else ""


def _count(number: int, noun: str, whose: str = "") -> str:
    return "" if not number else f"{number} {noun}{'' if number == 1 else 's'}{whose}"


def _let_lapse(services: Services) -> int:
    """Gives up the claims of handlers that did not end; how many handlers that leaves, strays included."""
    left = services.attempts.all()
    for attempt in services.attempts.live():
        ended = lapsed(attempt.ref, "its handler did not end in time", held=attempt.claim)
        if attempt.trace is not None:
            attempt.trace.end(ended.end)
        try:
            end_claims(services, [ended])
        except OutboxError as error:
            services.emit(Notice("error", str(error)))
            count_and_tell(services, [ended])
    return len(left)
